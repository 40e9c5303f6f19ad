import { MAP_FLAG, MAP_TYPE, struct, u32, u64, type MapDefinition, type MapType } from 'bpf-asm';
import fc from 'fast-check';
import { expect, expectTypeOf, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacks } from '../../test/kernel.ts';
import { closing, testSys } from '../../test/sys.ts';
import { isNetlinkTcError } from '../error.ts';
import { possibleCpus } from './codec.ts';
import { createMap } from './map-create.ts';
import { readMapInfo } from './map-info.ts';
import { createProbes } from './probe.ts';

const flow = struct('flow', { port: u32, bytes: u64 });
const hash = { name: 'h', type: 'hash', keySize: 4, valueSize: 16, maxEntries: 64, key: u32, value: flow } as const;
const bytes = { name: 'b', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 2000 } as const;
const word = (n: number): Uint8Array => new Uint8Array(Uint32Array.of(n).buffer);

function code(body: () => unknown): string | undefined {
  try {
    body();
    return undefined;
  } catch (error) {
    return isNetlinkTcError(error) ? error.code : String(error);
  }
}

/** What a body returns, or the words of its error. */
function said(body: () => string): string {
  try {
    return body();
  } catch (error) {
    return String(error);
  }
}

describeWith([root], 'maps', () => {
  test('keys and values go through their layouts', async () => {
    const map = closing(createMap(await testSys(), hash));
    expectTypeOf(map.lookup(1)).toEqualTypeOf<{ port: number; bytes: bigint } | undefined>();
    expect(map.lookup(1)).toBeUndefined();
    map.update(1, { port: 80, bytes: 5n });
    expect(map.lookup(1)).toEqual({ port: 80, bytes: 5n });
    expect(map.delete(1)).toBe(true);
    expect(map.delete(1)).toBe(false);
    map.update(2, { port: 443, bytes: 6n });
    expect(map.lookupAndDelete(2)).toEqual({ port: 443, bytes: 6n });
    expect(map.lookup(2)).toBeUndefined();
  });

  test('the modes of an update, and a full map', async () => {
    const map = closing(createMap(await testSys(), { ...hash, maxEntries: 1 }));
    const value = { port: 1, bytes: 1n };
    expect(code(() => map.update(1, value, 'exist'))).toBe('ERR_NOT_FOUND');
    map.update(1, value, 'noexist');
    expect(code(() => map.update(1, value, 'noexist'))).toBe('ERR_EXISTS');
    expect(() => map.update(2, value)).toThrow(/cannot update hash map h: E2BIG.*holds 1 entries at most/);
    expect(code(() => map.update(1, value, 'other' as 'any'))).toBe('ERR_INVALID_ARGUMENT');
  });

  test('bytes of the wrong size never reach the kernel', async () => {
    const map = closing(createMap(await testSys(), bytes));
    expect(() => map.update(word(1), new Uint8Array(7))).toThrow(
      /the value of map b must be a Uint8Array of 8 bytes, not 7/,
    );
    expect(() => map.lookup('k' as unknown as Uint8Array)).toThrow(/not string/);
  });

  test('a closed map says so', async () => {
    const map = createMap(await testSys(), bytes);
    map.close();
    map.close();
    expect(code(() => map.lookup(word(1)))).toBe('ERR_CLOSED');
    expect(code(() => [...map.entries()])).toBe('ERR_CLOSED');
    expect(code(() => map.updateMany([[word(1), new Uint8Array(8)]]))).toBe('ERR_CLOSED');
  });

  test('all entries come once, in batches or key by key', async () => {
    const sys = await testSys();
    const trie = {
      name: 't',
      type: 'lpm_trie',
      keySize: 8,
      valueSize: 4,
      maxEntries: 300,
      flags: MAP_FLAG.NO_PREALLOC,
    } as const;
    const many = closing(createMap(sys, bytes));
    many.updateMany(Array.from({ length: 2000 }, (_, i) => [word(i), new Uint8Array(8).fill(i & 0xff)]));
    expect(new Set([...many.keys()].map(String)).size).toBe(2000);
    expect(many.deleteMany([word(5), word(9999), word(6)])).toBe(2);
    expect([...many.entries()]).toHaveLength(1998);
    expect([...many.drain()]).toHaveLength(1998);
    expect([...many.entries()]).toEqual([]);

    const prefixes = closing(createMap(sys, trie));
    const keys = Array.from({ length: 300 }, (_, i) => Uint8Array.of(...word(32), 10, 0, i >> 8, i & 0xff));
    for (const key of keys) prefixes.update(key, word(1));
    expect(new Set([...prefixes.keys()].map(String))).toEqual(new Set(keys.map(String)));
  });

  test('walking survives the deletion of every key that comes', async () => {
    const sys = await testSys();
    // Maps of maps have no batches: these are walked key by key.
    const inner = { name: 'i', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 } as const;
    const outer = closing(
      createMap(sys, { name: 'o', type: 'hash_of_maps', keySize: 4, valueSize: 4, maxEntries: 50, inner }),
    );
    const one = closing(createMap(sys, inner));
    for (let i = 0; i < 50; i += 1) outer.update(word(i), word(one.fd));
    const seen = new Set<string>();
    for (const key of outer.keys()) {
      seen.add(String(key));
      outer.delete(key);
    }
    expect(seen.size).toBe(50);
    expect(new DataView((outer.lookup(word(0)) ?? word(0)).buffer).getUint32(0, true)).toBe(0);
  });

  test('per-CPU values are one element a possible CPU', async () => {
    const cpus = possibleCpus();
    const map = closing(
      createMap(await testSys(), {
        name: 'p',
        type: 'percpu_array',
        keySize: 4,
        valueSize: 4,
        maxEntries: 2,
        key: u32,
        value: u32,
      }),
    );
    const values = Array.from({ length: cpus }, (_, cpu) => cpu + 1);
    map.update(1, values);
    expect(map.lookup(1)).toEqual(values);
    expect([...map.entries()]).toEqual([
      [0, values.map(() => 0)],
      [1, values],
    ]);
    expect(() => map.update(0, [1, 2, 3, 4, 5, 6, 7, 8, 9].slice(0, cpus + 1).concat(0))).toThrow(/array of/);
  });

  test('queues and stacks', async () => {
    const sys = await testSys();
    const base = { name: 'q', keySize: 0, valueSize: 4, maxEntries: 2, value: u32 } as const;
    const queue = closing(createMap(sys, { ...base, type: 'queue' }));
    const stack = closing(createMap(sys, { ...base, type: 'stack' }));
    for (const map of [queue, stack]) {
      map.push(1);
      map.push(2);
      expect(code(() => map.push(3))).toBe('ERR_NO_SPACE');
    }
    expect([queue.peek(), queue.pop(), queue.pop(), queue.pop()]).toEqual([1, 1, 2, undefined]);
    expect([stack.peek(), stack.pop(), stack.pop(), stack.peek()]).toEqual([2, 2, 1, undefined]);
  });

  test('memory of an array is read and written in place, frozen maps are not written', async () => {
    const map = closing(
      createMap(await testSys(), {
        name: 'm',
        type: 'array',
        keySize: 4,
        valueSize: 8,
        maxEntries: 1000,
        flags: MAP_FLAG.MMAPABLE,
        key: u32,
        value: u64,
      }),
    );
    using memory = map.memory();
    memory.set(999, 7n);
    expect(map.lookup(999)).toBe(7n);
    map.update(3, 8n);
    expect(memory.get(3)).toBe(8n);
    expect(code(() => memory.get(1000))).toBe('ERR_INVALID_ARGUMENT');
    memory.close();
    expect(code(() => memory.get(0))).toBe('ERR_CLOSED');
    map.freeze();
    expect(code(() => map.update(0, 1n))).toBe('ERR_PERMISSION');
    expect(() => map.memory()).toThrow(/cannot map the memory/);
    using readOnly = map.memory({ writable: false });
    expect(code(() => readOnly.set(0, 1n))).toBe('ERR_INVALID_ARGUMENT');
    expect(readOnly.get(3)).toBe(8n);
  });

  const sizes: Partial<Record<MapType, Partial<MapDefinition>>> = {
    lpm_trie: { keySize: 8, flags: MAP_FLAG.NO_PREALLOC },
    ringbuf: { keySize: 0, valueSize: 0, maxEntries: 4096 },
    user_ringbuf: { keySize: 0, valueSize: 0, maxEntries: 4096 },
    queue: { keySize: 0 },
    stack: { keySize: 0 },
    bloom_filter: { keySize: 0 },
    stack_trace: { valueSize: 64 },
    sockhash: {},
    cpumap: { maxEntries: 2 },
  };
  const plain: MapType[] = [
    'hash',
    'array',
    'prog_array',
    'perf_event_array',
    'percpu_hash',
    'percpu_array',
    'stack_trace',
    'cgroup_array',
    'lru_hash',
    'lru_percpu_hash',
    'lpm_trie',
    'devmap',
    'sockmap',
    'cpumap',
    'xskmap',
    'sockhash',
    'reuseport_sockarray',
    'queue',
    'stack',
    'devmap_hash',
    'ringbuf',
    'bloom_filter',
    'user_ringbuf',
  ];
  test.each(plain)('a map of type %s is made as defined', async (type) => {
    const sys = await testSys();
    const definition = { name: `a-${type}`, type, keySize: 4, valueSize: 4, maxEntries: 4, ...sizes[type] };
    const map = closing(createMap(sys, definition));
    const { keySize, valueSize, maxEntries } = definition;
    expect(readMapInfo(sys, map.fd)).toMatchObject({
      type,
      name: `a_${type}`.slice(0, 15),
      keySize,
      valueSize,
      maxEntries,
    });
    expect(MAP_TYPE[type]).toBeGreaterThan(0);
  });

  const none = MAP_FLAG.NO_PREALLOC;
  const storage = { keySize: 4, valueSize: 8, maxEntries: 0, flags: none, key: u32, value: u64 } as const;
  const inner = { name: 'inner', type: 'array', keySize: 4, valueSize: 4, maxEntries: 1 } as const;
  const special: Partial<Record<MapType, Partial<MapDefinition>>> = {
    array_of_maps: { keySize: 4, valueSize: 4, maxEntries: 2, inner },
    hash_of_maps: { keySize: 4, valueSize: 4, maxEntries: 2, inner },
    cgroup_storage: { keySize: 16, valueSize: 8, maxEntries: 0 },
    percpu_cgroup_storage: { keySize: 16, valueSize: 8, maxEntries: 0 },
    sk_storage: storage,
    inode_storage: storage,
    task_storage: storage,
    cgrp_storage: storage,
    arena: { keySize: 0, valueSize: 0, maxEntries: 2, flags: MAP_FLAG.MMAPABLE },
  };
  test.each(Object.entries(special))('a map of type %s is made of what it asks for', async (name, rest) => {
    const sys = await testSys();
    const type = name as MapType;
    const definition = { name: 's', type, keySize: 4, valueSize: 4, maxEntries: 1, ...rest };
    // Key and value sizes of an arena are the kernel's own.
    const made = said(() => {
      const info = readMapInfo(sys, closing(createMap(sys, definition)).fd);
      return `${info.type}, ${info.maxEntries} entries, flags ${info.flags}`;
    });
    const { maxEntries, flags = 0 } = definition;
    const isLacking = lacks(createProbes(sys).mapType(type));
    expect(made).toContain(
      isLacking ? `this kernel has no maps of type ${type}` : `${type}, ${maxEntries} entries, flags ${flags}`,
    );
  });

  test('memory comes from the NUMA node that is asked for, or not at all', async () => {
    const sys = await testSys();
    const map = closing(createMap(sys, bytes, { numaNode: 0 }));
    expect(readMapInfo(sys, map.fd).flags).toBe(MAP_FLAG.NUMA_NODE);
    expect(code(() => createMap(sys, bytes, { numaNode: 1_000_000 }))).toBe('ERR_INVALID_ARGUMENT');
    expect(() => createMap(sys, bytes, { numaNode: 1_000_000 })).toThrow(/NUMA node 1000000/);
  });

  test.each([
    [{ ...bytes, type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 5000 }, /power of two of whole pages/],
    [{ ...bytes, type: 'ringbuf', maxEntries: 4096 }, /neither key nor value/],
    [{ ...bytes, type: 'lpm_trie', keySize: 8 }, /needs the flag NO_PREALLOC/],
    [{ ...bytes, type: 'array', keySize: 8 }, /key of an array is its index/],
    [{ ...bytes, maxEntries: 0 }, /maximum of entries is 0/],
    [{ ...bytes, type: 'queue' }, /have no key/],
    [{ ...bytes, type: 'array_of_maps', valueSize: 4 }, /give inner/],
    [{ ...bytes, flags: MAP_FLAG.MMAPABLE }, /MMAPABLE is for plain arrays/],
    [{ ...bytes, type: 'sk_storage', flags: MAP_FLAG.NO_PREALLOC, maxEntries: 0 }, /give layouts/],
    [{ ...bytes, type: 'sk_storage', maxEntries: 0 }, /need the flag NO_PREALLOC/],
    [{ ...bytes, type: 'arena', keySize: 0, valueSize: 0 }, /arena needs the flag MMAPABLE|no maps of type arena/],
    [{ ...bytes, type: 'struct_ops', maxEntries: 1 }, /id of its structure/],
    [{ ...bytes, flags: 1 << 30 }, /may not know all flags/],
    [{ ...bytes, key: u64 }, /has 4 bytes, but its layout u64 has 8/],
    [{ ...bytes, type: 'no_such' }, /no map type no_such/],
    [{ ...bytes, maxEntries: -1 }, /not an integer/],
  ])('a definition that cannot be is explained: %#', async (definition, message) => {
    const sys = await testSys();
    expect(() => createMap(sys, definition as MapDefinition)).toThrow(message);
  });

  test('a hash behaves as a Map does', async () => {
    const sys = await testSys();
    const step = fc.record({
      op: fc.constantFrom('update', 'delete', 'take'),
      key: fc.integer({ min: 0, max: 12 }),
      value: fc.bigInt({ min: 0n, max: 99n }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        using map = createMap(sys, {
          name: 'model',
          type: 'hash',
          keySize: 4,
          valueSize: 8,
          maxEntries: 16,
          key: u32,
          value: u64,
        });
        const model = new Map<number, bigint>();
        const seen: unknown[] = [];
        const expected: unknown[] = [];
        for (const { op, key, value } of steps) {
          if (op === 'update') {
            map.update(key, value);
            model.set(key, value);
          } else if (op === 'delete') {
            expected.push(model.delete(key));
            seen.push(map.delete(key));
          } else {
            expected.push(model.get(key));
            model.delete(key);
            seen.push(map.lookupAndDelete(key));
          }
        }
        expect(seen).toEqual(expected);
        expect(new Map(map.entries())).toEqual(model);
      }),
      { numRuns: 30 },
    );
  });
});
