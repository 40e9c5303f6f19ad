import fc from 'fast-check';
import { createMap } from 'netlink-tc';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { isAmbientRedirectError } from '../error.ts';
import { RECORD_PART, records as definition } from '../maps.ts';
import type { OpenMap } from './directory.ts';
import { RecordStore, type RecordMap } from './records.ts';

type Key = Parameters<RecordMap['lookup']>[0];
type Part = NonNullable<ReturnType<RecordMap['lookup']>>;

/** The map without a kernel. */
class MemoryMap implements RecordMap {
  readonly content: Map<string, [Key, Part]> = new Map<string, [Key, Part]>();

  lookup(key: Key): Part | undefined {
    return this.content.get(textOf(key))?.[1];
  }
  update(key: Key, value: Part): void {
    this.content.set(textOf(key), [key, { length: value.length, data: value.data.slice() }]);
  }
  delete(key: Key): boolean {
    return this.content.delete(textOf(key));
  }
  entries(): Iterable<[Key, Part]> {
    return [...this.content.values()];
  }
}

function textOf({ name, generation, part }: Key): string {
  return `${Buffer.from(name).toString('hex')} ${generation} ${part}`;
}

class Died extends Error {}

/** The map of a writer that dies when it has changed it so many times. */
function mortal(map: RecordMap, changes: number): RecordMap {
  let left = changes;
  const step = (): void => {
    if (left <= 0) throw new Died();
    left -= 1;
  };
  return {
    lookup: (key) => map.lookup(key),
    entries: () => map.entries(),
    update: (key, value) => {
      step();
      map.update(key, value);
    },
    delete: (key) => {
      step();
      return map.delete(key);
    },
  };
}

const NAMES = ['a', 'pod/b', 'pod/ü\ud800', 'constructor'];
const value = fc.oneof(
  fc.jsonValue(),
  fc.integer({ min: 0, max: 4 * RECORD_PART }).map((length) => 'x'.repeat(length)),
);
const step = fc.record({
  name: fc.constantFrom(...NAMES),
  value: fc.option(value, { nil: undefined }),
  /** After how many changes of the map the writer dies; most live. */
  dies: fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 9 })),
});

/** Random puts and deletes, some of which die half-way, against a Map: each record is the old one or the new one, always whole. */
function expectRecordsOf(map: RecordMap, steps: readonly { name: string; value: unknown; dies: number }[]): void {
  const model = new Map<string, unknown>();
  for (const { name, value: wanted, dies } of steps) {
    const store = new RecordStore(mortal(map, dies));
    const before = model.get(name);
    const after = wanted === undefined ? undefined : (JSON.parse(JSON.stringify(wanted)) as unknown);
    let died = false;
    try {
      if (wanted === undefined) store.delete(name);
      else store.put(name, wanted);
    } catch (error) {
      if (!(error instanceof Died)) throw error;
      died = true;
    }
    const next = new RecordStore(map);
    const found = next.get(name);
    expect(died ? [before, after] : [after]).toContainEqual(found);
    if (found === undefined) model.delete(name);
    else model.set(name, found);
    expect(next.names()).toEqual([...model.keys()].toSorted());
    for (const [other, content] of model) expect(next.get(other)).toEqual(content);
  }
  const store = new RecordStore(map);
  store.sweep();
  expect(store.sweep()).toBe(0);
  for (const [name, content] of model) expect(store.get(name)).toEqual(content);
  for (const name of model.keys()) store.delete(name);
  expect([...map.entries()]).toEqual([]);
}

test('records are as they were put, whatever died in the middle', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      expectRecordsOf(new MemoryMap(), steps);
    }),
    { numRuns: 300 },
  );
});

test('at each point at which a writer of several parts can die there is the old record or the new one, and sweep finds the rest', () => {
  const [old, young] = ['o'.repeat(2500), 'y'.repeat(4500)];
  const seen = new Set<unknown>();
  for (let dies = 0; ; dies += 1) {
    const map = new MemoryMap();
    new RecordStore(map).put('pod', old);
    let died = false;
    try {
      new RecordStore(mortal(map, dies)).put('pod', young);
    } catch {
      died = true;
    }
    const store = new RecordStore(map);
    const found = store.get('pod');
    seen.add(found);
    const whole = 1 + (found === old ? 3 : 5);
    const lost = map.content.size - whole;
    expect(store.sweep()).toBe(lost);
    expect(map.content.size).toBe(whole);
    if (!died) break;
  }
  expect([...seen]).toEqual([old, young]);
});

test('a record is read whole while another writes it', () => {
  const map = new MemoryMap();
  const writer = new RecordStore(map);
  writer.put('pod', ['a'.repeat(3000)]);
  let changes = 0;
  const reader = new RecordStore({
    ...mortal(map, 0),
    // The writer comes in between two parts, three times.
    lookup: (key) => {
      if (key.part === 1 && changes < 3) writer.put('pod', [(changes += 1), 'b'.repeat(3000)]);
      return map.lookup(key);
    },
  });
  expect(reader.get('pod')).toEqual([3, 'b'.repeat(3000)]);
});

test('parts that someone wrote over are told', () => {
  for (const victim of [0, 1]) {
    const map = new MemoryMap();
    new RecordStore(map).put('pod', [1]);
    const [key, part] = [...map.entries()].find(([{ generation }]) => Math.min(generation, 1) === victim) ?? [];
    if (key === undefined || part === undefined) throw new Error('no such part');
    map.update(key, { ...part, data: part.data.fill(0x2c) });
    expect(() => new RecordStore(map).get('pod')).toThrow(expect.objectContaining({ code: 'ERR_DAMAGED' }));
  }
});

test('parts that someone took away are told', () => {
  const map = new MemoryMap();
  const store = new RecordStore(map);
  store.put('pod', 'a'.repeat(3000));
  for (const [key] of map.entries()) if (key.part === 2) map.delete(key);
  expect(() => store.get('pod')).toThrow(/the record pod is not whole; something else writes/);
});

test.each([
  ['', 1],
  ['a'.repeat(1000), 1],
  ['\0'.repeat(300), 1],
  [7 as never, 1],
  ['a', undefined],
  ['a', 1n],
  ['a', () => 1],
])('%j with the value %s is refused, and nothing written', (name, content) => {
  const map = new MemoryMap();
  let caught: unknown;
  try {
    new RecordStore(map).put(name, content);
  } catch (error) {
    caught = error;
  }
  expect(isAmbientRedirectError(caught, 'ERR_INVALID_ARGUMENT')).toBe(true);
  expect(map.content.size).toBe(0);
});

describeWith([root], 'records in the kernel', () => {
  async function kernelMap(): Promise<OpenMap<typeof definition>> {
    return closing(createMap(await testSys(), definition.definition)) as unknown as OpenMap<typeof definition>;
  }

  test('the same as without', async () => {
    const map = await kernelMap();
    fc.assert(
      fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
        expectRecordsOf(map, steps);
      }),
      { numRuns: 20 },
    );
  });

  test('a large record, and one that finds no room: the old one stays', async () => {
    const store = new RecordStore(await kernelMap());
    const large = Array.from({ length: 5000 }, (_, i) => `2001:db8::${i.toString(16)}/128`);
    store.put('large', large);
    expect(store.get('large')).toEqual(large);
    expect(() => store.put('large', 'x'.repeat(17_000_000))).toThrow(/ENOSPC|E2BIG/);
    expect(store.get('large')).toEqual(large);
    expect(store.sweep()).toBe(0);
    expect(store.names('l')).toEqual(['large']);
  });
});
