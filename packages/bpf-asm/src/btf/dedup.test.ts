import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryTypes } from '../../test/arbitrary-btf.ts';
import { dedupBtf, mapReferences, type BtfInt, type BtfType } from './index.ts';

const int: BtfInt = { kind: 'int', name: 'int', size: 4, bits: 32, bitOffset: 0, encoding: 'signed' };
const listOf = (name: string, next: number): BtfType => ({
  kind: 'struct',
  name,
  size: 8,
  members: [{ name: 'next', type: next, bitOffset: 0, bitSize: 0 }],
});

describe('dedup', () => {
  it('merges lists that point to themselves', () => {
    const node = (first: number): BtfType[] => [{ kind: 'ptr', type: first + 1 }, listOf('node', first)];
    expect(dedupBtf([int, ...node(2), ...node(4), { ...int }])).toEqual({
      types: [int, ...node(2)],
      ids: [1, 2, 3, 2, 3, 1],
    });
  });

  it('keeps apart what differs far away', () => {
    const chain = (first: number, end: BtfType): BtfType[] => [
      { kind: 'ptr', type: first + 1 },
      { kind: 'const', type: first + 2 },
      end,
    ];
    const types = [...chain(1, int), ...chain(4, { ...int, encoding: 'unsigned' })];
    expect(dedupBtf(types)).toEqual({ types, ids: [1, 2, 3, 4, 5, 6] });
  });

  it('leaves ids of a base alone, and variables apart', () => {
    const types: BtfType[] = [{ kind: 'ptr', type: 3 }, { kind: 'ptr', type: 3 }, { kind: 'var', name: 'x', type: 11, linkage: 'static' }, { kind: 'var', name: 'x', type: 11, linkage: 'static' }]; // prettier-ignore
    expect(dedupBtf(types, 10).ids).toEqual([10, 10, 11, 12]);
    expect(dedupBtf(types, 10).types[1]).toEqual({ kind: 'var', name: 'x', type: 10, linkage: 'static' });
  });

  it('merges as far as a slow and simple way does', () => {
    /** Two types are the same unless some round of looking at what they name tells them apart. */
    const simple = (types: readonly BtfType[]): number => {
      let keys = types.map((type, i) => (type.kind === 'var' || type.kind === 'datasec' ? `${i}` : ''));
      for (let round = 0; round <= types.length; round++) {
        const previous = keys.map((key) => keys.indexOf(key));
        keys = types.map((type, i) => {
          const shape = mapReferences(type, (id) => (id === 0 ? -1 : (previous[id - 1] ?? 0)));
          return `${previous[i]} ${JSON.stringify(shape, (_, value: unknown) => (typeof value === 'bigint' ? `${value}` : value))}`;
        });
      }
      return new Set(keys).size;
    };
    const small = fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 8);
    const pointers = fc.array(fc.tuple(fc.constantFrom('ptr' as const, 'const' as const), small), {
      minLength: 8,
      maxLength: 8,
    });
    fc.assert(
      fc.property(pointers, (list) => {
        const types = list.map(([kind, type]): BtfType => ({ kind, type }));
        expect(dedupBtf(types).types.length).toBe(simple(types));
      }),
      { numRuns: 2000 },
    );
  });

  it('is done with a long chain at once', () => {
    const chain = Array.from({ length: 20_000 }, (_, i): BtfType => ({ kind: 'const', type: i }));
    expect(dedupBtf(chain).types.length).toBe(20_000);
  });

  it('finds nothing more in its own result, and undoes any doubling', () => {
    fc.assert(
      fc.property(arbitraryTypes, (types) => {
        const once = dedupBtf(types).types;
        expect(dedupBtf(once).types).toEqual(once);
        const merged = types.filter(({ kind }) => kind !== 'var' && kind !== 'datasec').length === types.length;
        const shift = (id: number): number => (id === 0 ? 0 : id + types.length);
        const twice = [...types, ...types.map((type) => mapReferences(type, shift))];
        expect(dedupBtf(twice).types.length).toBe(merged ? once.length : dedupBtf(dedupBtf(twice).types).types.length);
      }),
      { numRuns: 300 },
    );
  });
});
