import {
  hashMap,
  lpmTrieMap,
  lruHashMap,
  MAP_FLAG,
  percpuArrayMap,
  struct,
  u16,
  u32,
  u64,
  u8,
  type MapHandle,
} from 'bpf-asm';
import { possibleCpus, readMapInfo, type Sys } from 'netlink-tc';
import { existsSync, mkdirSync, readdirSync, renameSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { countSteps } from '../../../../test/neighbours/steps.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { AddressKey, CidrKey, Counter, direct, Flow, MAPS } from '../maps.ts';
import { StateDirectory } from './directory.ts';
import { compareSchemas, schema, schemaDigest } from './schema.ts';

vi.setConfig({ testTimeout: 120_000 });

type Maps = Readonly<Record<keyof typeof MAPS, MapHandle>>;

const value = struct('pod', { slot: u16, ifindex: u32, flags: u16 });
const value64 = { maxEntries: 64, value } as const;
const counterCount = MAPS.counters.definition.maxEntries;

/** Maps as an older version could have had them: fields at other places, fewer of them, other sizes and flags. */
const OLDER: Maps = {
  ...MAPS,
  pod_hash: hashMap('pod_hash', { key: AddressKey, ...value64 }),
  interfaces: hashMap('interfaces', { key: u32, value: u32, maxEntries: 100, flags: MAP_FLAG.NO_PREALLOC }),
  counters: percpuArrayMap('counters', { value: struct('counter', { packets: u64 }), maxEntries: counterCount / 2 }),
  cidrs: lpmTrieMap('cidrs', { key: CidrKey, value: u8, maxEntries: 16 }),
};

/** A state of an older version, with something in each map. */
function fill(sys: Sys, path: string, maps: Maps = OLDER): void {
  using directory = StateDirectory.open(sys, path, { create: true, maps });
  const { pod_hash: pods, interfaces, counters, cidrs, pod_array: array } = directory.maps;
  pods.update({ address: 'fd00::1' }, { ifindex: 0x1234_5678, slot: 3, flags: 5 });
  pods.update({ address: 'fd00::2' }, { ifindex: 8, slot: 4, flags: 7 });
  interfaces.update(7, 3);
  counters.update(70, counts(maps.counters === MAPS.counters));
  cidrs.update({ length: 160, set: 5, address: '::ffff:10.0.0.1' }, 1);
  array.update(9, { ifindex: 9, slot: 9, flags: 1 });
  directory.records.put('something', { kept: true });
}

function counts(whole: boolean): { readonly packets: bigint; readonly bytes: bigint }[] {
  return Array.from({ length: possibleCpus() }, (_, cpu) => ({
    packets: BigInt(cpu + 1),
    ...(whole ? { bytes: 0n } : {}),
  })) as { packets: bigint; bytes: bigint }[];
}

/** Checks that all is there, laid out as this version has it. */
function expectWhole(sys: Sys, path: string): void {
  using directory = StateDirectory.open(sys, path);
  const { pod_hash: pods, interfaces, counters, cidrs, pod_array: array } = directory.maps;
  expect([...pods.entries()].toSorted(([, a], [, b]) => a.slot - b.slot)).toEqual([
    [{ address: 'fd00::1' }, { ifindex: 0x1234_5678, slot: 3, flags: 5 }],
    [{ address: 'fd00::2' }, { ifindex: 8, slot: 4, flags: 7 }],
  ]);
  expect([...interfaces.entries()]).toEqual([[7, 3]]);
  expect(counters.lookup(70)).toEqual(counts(true));
  expect(counters.lookup(71)).toEqual(counts(true).map(() => ({ packets: 0n, bytes: 0n })));
  expect([...cidrs.entries()]).toEqual([[{ length: 160, set: 5, address: '::ffff:10.0.0.1' }, 1]]);
  expect(array.lookup(9)).toEqual({ ifindex: 9, slot: 9, flags: 1 });
  expect(directory.records.get('something')).toEqual({ kept: true });
  expect(directory.records.names()).toEqual(['schema', 'something']);
  expect(directory.records.get('schema')).toEqual(schema());
  expect(existsSync(`${path}/v1/next`)).toBe(false);
}

/** Which maps a state has: ids by names of pins. */
function mapIds(sys: Sys, path: string, maps: Maps): unknown {
  using directory = StateDirectory.open(sys, path, { maps, readOnly: true });
  return Object.entries(directory.maps).map(([name, { fd }]) => [name, readMapInfo(sys, fd).id]);
}

/** Runs it with a door that closes before a step. @returns how many steps there were; undefined when it died */
function dieAt(sys: Sys, step: number, work: (sys: Sys) => void): number | undefined {
  const died = new Error('died');
  const steps = countSteps(sys, (number) => {
    if (number === step) throw died;
  });
  try {
    work(steps.sys);
    return steps.taken;
  } catch (error) {
    if (error !== died) throw error;
    return undefined;
  }
}

const pod = { a: { at: 0, size: 4, type: 'u32' }, b: { at: 4, size: 2, type: 'u16' } } as const;
const map = { type: 'hash', maxEntries: 8, flags: 0, keySize: 4, key: 'u32', valueSize: 8, value: pod } as const;

test.each([
  ['gained a field', { ...map, value: { ...pod, c: { at: 6, size: 2, type: 'u16' } } }, []],
  ['fields at other places', { ...map, value: { b: { ...pod.b, at: 0 }, a: { ...pod.a, at: 4 } } }, []],
  ['lost a field', { ...map, value: { a: pod.a } }, ['map m has values with b: u16, which is unknown here']],
  [
    'a field of another type',
    { ...map, value: { ...pod, b: { ...pod.b, type: 'be16' } } },
    ['map m has values with b: u16, not be16'],
  ],
  ['no struct any more', { ...map, value: 'u64' }, ['map m has values {a@0: u32, b@4: u16}, not u64']],
  ['another key', { ...map, key: 'be32' }, ['map m has keys u32, not be32']],
  ['another type', { ...map, type: 'lru_hash' }, ['map m is of type hash, not lru_hash']],
] as const)('a map with %s', (_, is, refused) => {
  const change = compareSchemas({ maps: { m: map }, numbers: {} }, { maps: { m: is }, numbers: {} });
  expect(change).toEqual({ remade: refused.length === 0 ? ['m'] : [], resized: [], refused });
});

test('size and flags, what is new, and the order of things', () => {
  const resized = { ...map, maxEntries: 9, flags: 1 };
  const ours = { maps: { other: map, m: resized }, numbers: { b: 2, a: 1 } };
  const change = compareSchemas({ maps: { m: map }, numbers: { a: 1 } }, ours);
  expect(change).toEqual({ remade: ['m'], resized: ['m'], refused: [] });
  expect(schemaDigest({ maps: { m: resized, other: map }, numbers: { a: 1, b: 2 } })).toBe(schemaDigest(ours));
  expect(schemaDigest({ ...ours, numbers: { b: 1, a: 2 } })).not.toBe(schemaDigest(ours));
});

describeWith([root], 'a state of another version', () => {
  test('what is in its maps is taken over, field by field', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    fill(sys, path);
    expect(() => StateDirectory.open(sys, path, { readOnly: true })).toThrow(/map pod_hash is not made anew yet/);
    const before = mapIds(sys, path, OLDER) as [string, number][];
    expectWhole(sys, path);
    const after = new Map(mapIds(sys, path, MAPS) as [string, number][]);
    const changed = before.filter(([name, id]) => after.get(name) !== id).map(([name]) => name);
    expect(changed).toEqual(['pod_hash', 'interfaces', 'counters', 'cidrs']);
  });

  test('who dies at any step leaves what the next one carries on, or begins again', async () => {
    const sys = await testSys();
    const rehearsal = statePath(sys);
    fill(sys, rehearsal);
    const steps = dieAt(sys, 0, (dying) => StateDirectory.open(dying, rehearsal).close()) ?? 0;
    expect(steps).toBeGreaterThan(8);
    const settled: string[] = [];
    for (let step = 1; step <= steps; step += 1) {
      const path = statePath(sys);
      fill(sys, path);
      expect(dieAt(sys, step, (dying) => StateDirectory.open(dying, path).close())).toBeUndefined();
      settled.push(existsSync(`${path}/v1/next/pod_hash`) ? 'begun' : 'put in place');
      expectWhole(sys, path);
    }
    expect(new Set(settled)).toEqual(new Set(['begun', 'put in place']));
  });

  test('who dies while maps are put in place leaves the rest to the next one, whatever its version', async () => {
    const sys = await testSys();
    for (const maps of [MAPS, OLDER]) {
      const path = statePath(sys);
      fill(sys, path);
      const old = StateDirectory.open(sys, path, { maps: OLDER });
      const becomes = { ...schema(OLDER), maps: { ...schema(OLDER).maps, cidrs: schema().maps['cidrs'] } };
      old.close();
      // As it is between two maps that are put in place.
      const other = statePath(sys);
      StateDirectory.open(sys, other, { create: true, maps: { ...OLDER, cidrs: MAPS.cidrs } }).close();
      using directory = StateDirectory.open(sys, path, { maps: OLDER });
      directory.records.put('migration', { maps: ['interfaces', 'cidrs'], becomes });
      directory.close();
      mkdirSync(`${path}/v1/next`);
      renameSync(`${other}/v1/maps/cidrs`, `${path}/v1/next/cidrs`);
      expect(() => StateDirectory.open(sys, path, { readOnly: true })).toThrow(/its maps are being made anew/);
      using next = StateDirectory.open(sys, path, { maps });
      expect([...next.maps.interfaces.entries()]).toEqual([[7, 3]]);
      expect([...next.maps.cidrs.entries()]).toEqual([]);
      expect(next.records.get('schema')).toEqual(schema(maps));
      expect(readdirSync(`${path}/v1`).toSorted()).toEqual(['links', 'maps', 'programs']);
    }
  });

  test.each<readonly [string, Maps, RegExp]>([
    [
      'a field that is not there any more',
      {
        ...MAPS,
        pod_hash: hashMap('pod_hash', {
          key: AddressKey,
          value: struct('pod', { ifindex: u32, slot: u16 }),
          maxEntries: 8192,
        }),
      },
      /map pod_hash has values with flags: u16, which is unknown here/,
    ],
    [
      'no room for all entries',
      { ...MAPS, pod_hash: hashMap('pod_hash', { key: AddressKey, value: value, maxEntries: 1 }) },
      /map pod_hash has more entries than there is room for/,
    ],
    [
      'an array that ends before its last entry',
      { ...MAPS, counters: percpuArrayMap('counters', { value: Counter, maxEntries: 70 }) },
      /map counters has more entries than there is room for/,
    ],
    [
      'records of another size',
      {
        ...MAPS,
        records: hashMap('records', {
          ...MAPS.records.definition,
          key: MAPS.records.key,
          value: MAPS.records.value,
          maxEntries: 5,
        }),
      },
      /map records is of another size/,
    ],
  ])('refused, with nothing touched: %s', async (_, maps, words) => {
    const sys = await testSys();
    const path = statePath(sys);
    fill(sys, path, MAPS);
    const before = mapIds(sys, path, MAPS);
    const steps = countSteps(sys, () => undefined);
    expect(() => StateDirectory.open(steps.sys, path, { maps })).toThrow(
      expect.objectContaining({ code: 'ERR_SCHEMA', message: expect.stringMatching(words) }),
    );
    expect(steps.taken).toBe(0);
    expect(mapIds(sys, path, MAPS)).toEqual(before);
    expectWhole(sys, path);
  });

  test('where connections are noted: as it is while there are pods, and made anew when there are none', async () => {
    const sys = await testSys();
    const path = statePath(sys);
    const flow = { pod: 'fd00::1', other: 'fd00::2', podPort: 80, otherPort: 5000 };
    const smaller = { ...MAPS, exempt: lruHashMap('exempt', { key: Flow, value: u32, maxEntries: 64 }) };
    const other: Maps = {
      ...MAPS,
      direct: hashMap('direct', {
        ...direct.definition,
        key: Flow,
        value: struct('direct_flow', { podFin: u8, open: u8, otherFin: u8 }),
      }),
    };
    fill(sys, path, smaller);
    const first = StateDirectory.open(sys, path, { maps: smaller });
    first.maps.exempt.update(flow, 2);
    first.records.put('pod/a', { id: 'a' });
    first.close();
    const size = (of: StateDirectory): number => readMapInfo(sys, of.maps.exempt.fd).maxEntries;
    for (let round = 0; round < 2; round += 1) {
      using second = StateDirectory.open(sys, path);
      expect(size(second)).toBe(64);
      expect(second.maps.exempt.lookup(flow)).toBe(2);
      using looker = StateDirectory.open(sys, path, { readOnly: true });
      expect(size(looker)).toBe(64);
    }
    expect(() => StateDirectory.open(sys, path, { maps: other })).toThrow(
      /map direct cannot be made anew while pods are enrolled/,
    );
    const third = StateDirectory.open(sys, path);
    third.records.delete('pod/a');
    third.close();
    using fourth = closing(StateDirectory.open(sys, path));
    expect(size(fourth)).toBe(0x8000);
    expect(fourth.maps.exempt.lookup(flow)).toBe(2);
    fourth.close();
    StateDirectory.open(sys, path, { maps: other }).close();
  });
});
