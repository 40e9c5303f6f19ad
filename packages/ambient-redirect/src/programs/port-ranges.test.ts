import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { mergePorts } from './port-ranges.ts';

describe('port ranges', () => {
  test('are merged where they overlap or touch', () => {
    expect(mergePorts([[80, 80], [443, 443], [70, 79], [75, 90], [92, 99]])).toEqual([[70, 90], [92, 99], [443, 443]]); // prettier-ignore
    expect(mergePorts([[0, 65535], [1, 1]])).toEqual([[0, 65535]]); // prettier-ignore
    expect(mergePorts([])).toEqual([]);
  });

  test('merged, have the same ports, and are apart from each other', () => {
    const range = fc.tuple(fc.nat(300), fc.nat(20)).map(([first, more]) => [first, first + more] as const);
    fc.assert(
      fc.property(fc.array(range, { maxLength: 20 }), (ranges) => {
        const merged = mergePorts(ranges);
        for (let port = 0; port <= 330; port++) {
          const isIn = (list: typeof ranges): boolean => list.some(([first, last]) => first <= port && port <= last);
          expect([port, isIn([...merged])]).toEqual([port, isIn(ranges)]);
        }
        merged.slice(1).forEach(([first], index) => expect(first).toBeGreaterThan((merged[index]?.[1] ?? 0) + 1));
      }),
    );
  });

  test.each([[[90, 80]], [[-1, 5]], [[0, 65536]], [[1.5, 2]], [[Number.NaN, 2]]] as const)(
    'are refused where they are none: %s',
    (range) => {
      expect(() => mergePorts([range])).toThrow(/no ports/);
    },
  );

  test('are refused where they are too many', () => {
    const ranges = Array.from({ length: 65 }, (_, i) => [2 * i, 2 * i] as const);
    expect(mergePorts(ranges.slice(1)).length).toBe(64);
    expect(() => mergePorts(ranges)).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }));
  });
});
