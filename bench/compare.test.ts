import { expect, test, vi } from 'vitest';
import { compare } from './compare.ts';

test('prints one line and gives back the ratio it prints', async () => {
  const log = vi.spyOn(console, 'log').mockReturnValue();
  const work = (rounds: number) => (): number => {
    let sum = 0;
    for (let i = 0; i < rounds; i++) sum += Math.sqrt(i);
    return sum;
  };
  const result = await compare({
    title: 'sums',
    units: 1,
    unit: 'sums',
    subject: { name: 'long', run: work(2_000) },
    floor: { name: 'short', run: work(1_000) },
  });
  expect(result.ratio).toBe(result.floor / result.subject);
  expect(log.mock.calls).toEqual([[expect.stringMatching(/^sums: long .* M sums\/s, short .* M sums\/s, ratio /)]]);
  log.mockRestore();
});
