import { expect, test } from 'vitest';
import { ReconcileMeter } from './reconcile-meter.ts';

const FINE = { repaired: [], removed: [], failed: [] };

test('reconciles are counted with what they did and how long they took, those that fail too', async () => {
  const meter = new ReconcileMeter();
  expect(meter.read()).toMatchObject({ count: 0, failed: 0, seconds: 0 });
  await meter.measure(() => Promise.resolve(FINE));
  const repaired = [{ subject: 'a', found: 'was gone' }];
  await meter.measure(async () => {
    await new Promise((resolve) => setTimeout(resolve, 30));
    return { repaired, removed: ['b', 'c'], failed: [{ subject: 'd', error: new Error('no') }] };
  });
  await expect(meter.measure(() => Promise.reject(new Error('whole')))).rejects.toThrow('whole');
  const { buckets, seconds, ...rest } = meter.read();
  expect(rest).toEqual({ count: 3, failed: 2, repaired: 1, removed: 2 });
  expect(seconds).toBeGreaterThan(0.025);
  expect(buckets[0]?.count).toBeLessThanOrEqual(2);
  expect(buckets.at(-1)).toEqual({ atMost: 10, count: 3 });
  const counts = buckets.map(({ count }) => count);
  expect(counts).toEqual(counts.toSorted((a, b) => a - b));
});
