import fc from 'fast-check';
import { expect, it } from 'vitest';
import { orderMoves } from './parallel-moves.ts';

it('gives each place what its source held before', () => {
  const moves = fc
    .uniqueArray(fc.record({ to: fc.nat(7), from: fc.option(fc.nat(7), { nil: undefined }) }), {
      selector: ({ to }) => to,
    })
    .map((list) => list.map(({ to, from }) => ({ to, from, what: `was ${from ?? `constant for ${to}`}` })));
  fc.assert(
    fc.property(moves, (wanted) => {
      let spare = 100;
      const held = new Map<number, string>(Array.from({ length: 8 }, (_, place) => [place, `was ${place}`]));
      for (const { to, from, what } of orderMoves(wanted, () => spare++)) {
        held.set(to, from === undefined ? (what ?? 'nothing') : (held.get(from) ?? 'nothing'));
      }
      for (const { to, what } of wanted) expect(held.get(to)).toBe(what);
      const untouched = [...held.keys()].filter((place) => place < 8 && !wanted.some(({ to }) => to === place));
      for (const place of untouched) expect(held.get(place)).toBe(`was ${place}`);
    }),
  );
});
