import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAP_FLAG, type MapDefinition, type MapType } from '../../asm/index.ts';
import { ERRNO } from '../errno.ts';
import { createMap, keyOf, UPDATE_FLAG, type VmMap } from './index.ts';

const hash: MapDefinition = { name: 'm', type: 'hash', keySize: 2, valueSize: 4, maxEntries: 5 };
const u32 = (value: number): Uint8Array => keyOf(value);
const number = (bytes: Uint8Array | undefined): number | undefined =>
  bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
const invalid = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }) as Error;

/** Operations as a program does them. Few keys, so that they meet. */
const operation = fc.record({
  kind: fc.constantFrom('update', 'remove', 'lookup'),
  key: fc.integer({ min: 0, max: 8 }),
  value: fc.nat(),
  flags: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
});
const keyBytes = (key: number): Uint8Array => new Uint8Array([key % 3, key * 31]);

describe.each(['hash', 'lru_hash'] as const)('%s', (type) => {
  it('does what a model of it does', () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const map = createMap({ ...hash, type });
        const model = new Map<number, number>();
        const use = (key: number, value: number): void => void (model.delete(key), model.set(key, value));
        for (const { kind, key, value, flags } of operations) {
          const bytes = keyBytes(key);
          const known = model.get(key);
          const full = model.size >= 5 && known === undefined;
          let result: number | undefined;
          let expected: number | undefined = 0;
          if (kind === 'lookup') {
            result = map.lookup(bytes, 0, 0)?.view.getUint32(0, true);
            expected = known;
            if (known !== undefined && type === 'lru_hash') use(key, known);
          } else if (kind === 'remove') {
            result = map.remove(bytes, 0);
            expected = model.delete(key) ? 0 : -ERRNO.ENOENT;
          } else {
            result = map.update(bytes, 0, u32(value), 0, flags, 0);
            if (flags > 2) expected = -ERRNO.EINVAL;
            else if (known !== undefined && flags === UPDATE_FLAG.NOEXIST) expected = -ERRNO.EEXIST;
            else if (known === undefined && flags === UPDATE_FLAG.EXIST) expected = -ERRNO.ENOENT;
            else if (full && type === 'hash') expected = -ERRNO.E2BIG;
            else {
              if (full) model.delete(model.keys().next().value as number);
              use(key, value);
            }
          }
          expect(result).toBe(expected);
          expect(map.size).toBe(model.size);
        }
        const entries = [...map.entries()].map(([key, value]) => `${key.join()}=${number(value)}`).sort();
        expect(entries).toEqual([...model].map(([key, value]) => `${keyBytes(key).join()}=${value}`).sort());
      }),
      { numRuns: 300 },
    );
  });

  it('goes on showing a replaced value through a pointer that is left', () => {
    const map = createMap({ ...hash, type });
    map.set(keyBytes(1), u32(7));
    const before = map.lookup(keyBytes(1), 0, 0);
    map.set(keyBytes(1), u32(8));
    expect(before?.view.getUint32(0, true)).toBe(7);
    expect(number(map.get(keyBytes(1)))).toBe(8);
  });
});

describe('array', () => {
  const map = createMap({ name: 'a', type: 'array', keySize: 4, valueSize: 6, maxEntries: 3 });

  it('has every element from the start, and none beyond', () => {
    expect(map.get(u32(2))).toEqual(new Uint8Array(6));
    expect(map.get(u32(3))).toBeUndefined();
    expect(map.lookup(u32(3), 0, 0)).toBeUndefined();
    expect([...map.entries()].map(([key]) => number(key))).toEqual([0, 1, 2]);
  });

  it('answers as the kernel does', () => {
    const value = new Uint8Array([1, 2, 3, 4, 5, 6]);
    expect(map.update(u32(1), 0, value, 0, UPDATE_FLAG.ANY, 0)).toBe(0);
    expect(map.update(u32(1), 0, value, 0, UPDATE_FLAG.EXIST, 0)).toBe(0);
    expect(map.update(u32(1), 0, value, 0, UPDATE_FLAG.NOEXIST, 0)).toBe(-ERRNO.EEXIST);
    expect(map.update(u32(3), 0, value, 0, UPDATE_FLAG.ANY, 0)).toBe(-ERRNO.E2BIG);
    expect(map.update(u32(1), 0, value, 0, 4, 0)).toBe(-ERRNO.EINVAL);
    expect(map.remove(u32(1), 0)).toBe(-ERRNO.EINVAL);
    expect(map.get(u32(1))).toEqual(value);
    expect(map.get(u32(0))).toEqual(new Uint8Array(6));
  });

  it('bounds each value by itself', () => {
    const region = map.lookup(u32(1), 0, 0);
    expect([region?.start, region?.end, region?.writeEnd]).toEqual([8, 14, 14]);
  });

  it('is read-only to programs where its flags say so', () => {
    const fixed = createMap({
      name: 'r',
      type: 'array',
      keySize: 4,
      valueSize: 4,
      maxEntries: 1,
      flags: MAP_FLAG.RDONLY_PROG,
    });
    expect(fixed.directValue()?.writeEnd).toBe(0);
    expect(map.directValue()).toBeUndefined();
  });
});

describe.each(['percpu_array', 'percpu_hash', 'lru_percpu_hash'] as const)('%s', (type) => {
  it('keeps a value for each CPU, and shows all of them outside', () => {
    const map = createMap({ name: 'p', type, keySize: 4, valueSize: 4, maxEntries: 2 }, { cpus: 3 });
    expect(map.update(u32(1), 0, u32(10), 0, 0, 0)).toBe(0);
    expect(map.update(u32(1), 0, u32(12), 0, 0, 2)).toBe(0);
    map.lookup(u32(1), 0, 1)?.view.setUint32(map.lookup(u32(1), 0, 1)?.start ?? 0, 11, true);
    expect(map.get(u32(1))).toEqual(new Uint8Array([10, 0, 0, 0, 0, 0, 0, 0, 11, 0, 0, 0, 0, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0])); // prettier-ignore
    map.set(u32(1), new Uint8Array(24).fill(1));
    const region = map.lookup(u32(1), 0, 2);
    expect(region?.snapshot()).toEqual(new Uint8Array([1, 1, 1, 1]));
    expect(() => map.set(u32(1), u32(1))).toThrow(invalid);
  });
});

describe('lpm_trie', () => {
  const trie: MapDefinition = {
    name: 't',
    type: 'lpm_trie',
    keySize: 6,
    valueSize: 4,
    maxEntries: 12,
    flags: MAP_FLAG.NO_PREALLOC,
  };
  const key = (length: number, a: number, b: number): Uint8Array => new Uint8Array([length, 0, 0, 0, a, b]);
  const bits = ([a = 0, b = 0]: Uint8Array): string => ((a << 8) | b).toString(2).padStart(16, '0');
  const prefixKey = fc.tuple(
    fc.integer({ min: 0, max: 18 }),
    fc.constantFrom(0, 0x80, 0xff),
    fc.constantFrom(0, 1, 0xf0),
  );

  it('does what a list of prefixes does', () => {
    const step = fc.record({
      kind: fc.constantFrom('update', 'update', 'remove'),
      key: prefixKey,
      value: fc.nat(),
      flags: fc.constantFrom(0, 0, 1, 2),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(prefixKey, { maxLength: 20 }), (steps, probes) => {
        const map = createMap(trie);
        const model = new Map<string, number>();
        for (const {
          kind,
          key: [length, a, b],
          value,
          flags,
        } of steps) {
          const prefix = bits(new Uint8Array([a, b])).slice(0, length);
          const known = model.has(prefix);
          let expected = 0;
          if (length > 16) expected = -ERRNO.EINVAL;
          else if (kind === 'remove') expected = known ? 0 : -ERRNO.ENOENT;
          else if (known && flags === 1) expected = -ERRNO.EEXIST;
          else if (!known && flags === 2) expected = -ERRNO.ENOENT;
          else if (!known && model.size >= 12) expected = -ERRNO.ENOSPC;
          const bytes = key(length, a, b);
          expect(kind === 'remove' ? map.remove(bytes, 0) : map.update(bytes, 0, u32(value), 0, flags, 0)).toBe(
            expected,
          );
          if (expected === 0 && kind === 'remove') model.delete(prefix);
          else if (expected === 0) model.set(prefix, value);
          expect(map.size).toBe(model.size);
        }
        for (const [length, a, b] of probes) {
          const wanted = bits(new Uint8Array([a, b])).slice(0, length);
          const best = [...model]
            .filter(([prefix]) => length <= 16 && wanted.startsWith(prefix))
            .sort(([x], [y]) => y.length - x.length)[0];
          expect(map.lookup(key(length, a, b), 0, 0)?.view.getUint32(0, true)).toBe(best?.[1]);
        }
        expect([...map.entries()].length).toBe(model.size);
      }),
      { numRuns: 300 },
    );
  });
});

it.each<[string, Partial<MapDefinition>]>([
  ['no entries', { maxEntries: 0 }],
  ['a fraction of a key', { keySize: 1.5 }],
  ['a hash without keys', { keySize: 0 }],
  ['an array with keys of eight bytes', { type: 'array', keySize: 8 }],
  ['a trie that is preallocated', { type: 'lpm_trie', keySize: 8 }],
  ['a trie with keys of four bytes', { type: 'lpm_trie', keySize: 4, flags: MAP_FLAG.NO_PREALLOC }],
  ['a ring buffer of half a page', { type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 2048 }],
  ['a ring buffer of three pages', { type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 3 * 4096 }],
  ['an array too large to hold', { type: 'array', keySize: 4, valueSize: 4096, maxEntries: 0xffff_ffff }],
])('refuses %s', (_, change) => {
  expect(() => createMap({ ...hash, ...change })).toThrow(invalid);
});

it('says which types it does not have', () => {
  const types: MapType[] = ['arena', 'devmap', 'queue'];
  for (const type of types) {
    expect(() => createMap({ ...hash, type })).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  }
});

it('checks sizes outside, and names what the kernel would say', () => {
  const map: VmMap = createMap({ ...hash, maxEntries: 1 });
  expect(() => map.get(u32(1))).toThrow('map m (hash): a key has 2 bytes, not 4');
  expect(() => map.set(keyBytes(1), new Uint8Array(3))).toThrow('a value has 4 bytes, not 3');
  map.set(keyBytes(1), u32(1));
  expect(() => map.set(keyBytes(2), u32(2))).toThrow('update: E2BIG');
  expect(() => map.set(keyBytes(1), u32(2), UPDATE_FLAG.NOEXIST)).toThrow('update: EEXIST');
  expect(map.delete(keyBytes(2))).toBe(false);
  expect(map.delete(keyBytes(1))).toBe(true);
  expect(map.has(keyBytes(1))).toBe(false);
});
