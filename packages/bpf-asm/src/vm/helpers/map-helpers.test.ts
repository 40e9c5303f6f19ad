import { describe, expect, it } from 'vitest';
import {
  add64, call, exit, func, jeq, jne, label, ldFunction, ldMap, ldMapValue, ldxdw, ldxw, link, mov64, stb, stdw, stw, type Item, type MapDefinition,
} from '../../asm/index.ts'; // prettier-ignore
import { helperByName } from '../../helpers/index.ts';
import { ERRNO } from '../errno.ts';
import {
  createMap,
  keyOf,
  type ObjectMap,
  type RingbufMap,
  Vm,
  VmSocket,
  type VmMap,
  type VmOptions,
} from '../index.ts';

const helper = (name: string): Item => call(helperByName(name)?.id ?? -1);
const vmOf = (items: Item[], maps: Record<string, VmMap>, options: VmOptions = {}): Vm =>
  new Vm(link(items).instructions, { ...options, maps });
const signed = (value: bigint): number => Number(BigInt.asIntN(64, value));

/** `r1` = map, `r2` = address of the key 7 on the stack. */
const withKey = (map: string, key = 7): Item[] => [
  stw('r10', -4, key),
  ldMap('r1', map),
  mov64('r2', 'r10'),
  add64('r2', -4),
];
const counts: MapDefinition = { name: 'counts', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 4 };

describe('maps', () => {
  it('are looked up, written through the pointer, and kept between runs', () => {
    const map = createMap(counts);
    map.set(keyOf(7), new Uint8Array(8));
    const vm = vmOf([
      ...withKey('counts'), helper('map_lookup_elem'), jne('r0', 0, 'found'), exit(),
      label('found'), mov64('r1', 1), { kind: 'atomic', op: 'add', width: 64, dst: 'r0', offset: 0, src: 'r1' }, ldxdw('r0', 'r0'), exit(),
    ], { counts: map }); // prettier-ignore
    expect([vm.run().r0, vm.run().r0, vm.run().r0]).toEqual([1n, 2n, 3n]);
    expect(map.get(keyOf(7))?.[0]).toBe(3);
    map.delete(keyOf(7));
    expect(vm.run().r0).toBe(0n);
  });

  it('bound what a pointer to a value reaches', () => {
    const map = createMap(counts);
    map.set(keyOf(7), new Uint8Array(8));
    const vm = vmOf([...withKey('counts'), helper('map_lookup_elem'), ldxdw('r0', 'r0', 4), exit()], { counts: map });
    expect(() => vm.run()).toThrow('reads 8 bytes at 0x0000000a00000004: byte 4 of value of map counts, which has 8');
  });

  it('are shared by interpreters, each with its own addresses', () => {
    const map = createMap(counts);
    map.set(keyOf(7), new Uint8Array(8));
    const items = [...withKey('counts'), helper('map_lookup_elem'), stdw('r0', 0, 5), ldxdw('r0', 'r0'), exit()];
    const one = vmOf(items, { counts: map });
    const other = vmOf([...withKey('counts', 9), helper('map_delete_elem'), ...items], { counts: map });
    for (let round = 0; round < 3; round++) expect([one.run().r0, other.run().r0]).toEqual([5n, 5n]);
  });

  it('are updated and deleted with the errors of the kernel', () => {
    const map = createMap({ ...counts, maxEntries: 1 });
    const value = [stdw('r10', -16, 9), mov64('r3', 'r10'), add64('r3', -16)];
    const update = (key: number, flags: number): number =>
      signed(
        vmOf([...withKey('counts', key), ...value, mov64('r4', flags), helper('map_update_elem'), exit()], {
          counts: map,
        }).run().r0,
      );
    expect([update(1, 0), update(1, 1), update(2, 2), update(2, 0), update(1, 8), update(1, 2), update(1, -1)]).toEqual([0, -ERRNO.EEXIST, -ERRNO.ENOENT, -ERRNO.E2BIG, -ERRNO.EINVAL, 0, -ERRNO.EINVAL]); // prettier-ignore
    const remove = (key: number): number =>
      signed(vmOf([...withKey('counts', key), helper('map_delete_elem'), exit()], { counts: map }).run().r0);
    expect([remove(2), remove(1), remove(1)]).toEqual([-ERRNO.ENOENT, 0, -ERRNO.ENOENT]);
  });

  it('show the value of the CPU that runs', () => {
    const map = createMap({ ...counts, type: 'percpu_array', maxEntries: 8 }, { cpus: 4 });
    const items = [...withKey('counts'), helper('map_lookup_elem'), stdw('r0', 0, 1), exit()];
    vmOf(items, { counts: map }, { cpu: 2, cpus: 4 }).run();
    expect(map.get(keyOf(7))).toEqual(new Uint8Array(32).fill(1, 16, 17));
  });

  it('of one element are reached by address', () => {
    const map = createMap({ name: 'data', type: 'array', keySize: 4, valueSize: 8, maxEntries: 1 });
    const vm = vmOf([ldMapValue('r1', 'data', 4), stw('r1', 0, 77), mov64('r0', 0), exit()], { data: map });
    vm.run();
    expect(map.get(keyOf(0))?.[4]).toBe(77);
    expect(() => vmOf([ldMapValue('r1', 'data', 8), ldxw('r0', 'r1'), exit()], { data: map }).run()).toThrow(
      'byte 8 of value of map data',
    );
  });

  it('are walked with a callback', () => {
    const map = createMap(counts);
    for (const key of [1, 2, 3]) map.set(keyOf(key), Uint8Array.of(key * 10, 0, 0, 0, 0, 0, 0, 0));
    const walk = (stopAt: number): Vm =>
      vmOf([
        stdw('r10', -8, 0), ldMap('r1', 'counts'), ldFunction('r2', 'each'), mov64('r3', 'r10'), add64('r3', -8), mov64('r4', 0), helper('for_each_map_elem'),
        mov64('r6', 'r0'), ldxdw('r0', 'r10', -8), { kind: 'alu', op: 'mul', width: 64, dst: 'r6', src: 1000 }, add64('r0', 'r6'), exit(),
        func('each'), ldxdw('r1', 'r3'), ldxdw('r5', 'r4'), add64('r5', 'r1'), { kind: 'store', type: 'u64', dst: 'r4', offset: 0, src: 'r5' },
        mov64('r0', 0), ldxw('r2', 'r2'), { kind: 'jump', op: 'jne', width: 64, dst: 'r2', src: stopAt, target: 'on' }, mov64('r0', 1), label('on'), exit(),
      ], { counts: map }); // prettier-ignore
    expect(walk(99).run().r0).toBe(3060n);
    expect(walk(2).run().r0).toBe(2030n);
  });
});

it('an LRU map is walked once, though the callback looks each key up', () => {
  const map = createMap({ ...counts, type: 'lru_hash' });
  for (const key of [1, 2, 3]) map.set(keyOf(key), new Uint8Array(8));
  const vm = vmOf([
    ldMap('r1', 'counts'), ldFunction('r2', 'each'), mov64('r3', 0), mov64('r4', 0), helper('for_each_map_elem'), exit(),
    func('each'), ldMap('r1', 'counts'), helper('map_lookup_elem'), mov64('r0', 0), exit(),
  ], { counts: map }); // prettier-ignore
  expect(vm.run().r0).toBe(3n);
});

describe('ring buffers', () => {
  const ring = (): RingbufMap =>
    createMap({ name: 'events', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 4096 }) as RingbufMap;
  const reserve = (size: number): Item[] => [
    ldMap('r1', 'events'),
    mov64('r2', size),
    mov64('r3', 0),
    helper('ringbuf_reserve'),
  ];

  it('take records that are reserved, written and submitted, and none that are discarded', () => {
    const events = ring();
    const finish = (how: string): Vm =>
      vmOf(
        [
          ...reserve(4),
          jeq('r0', 0, 'out'),
          stw('r0', 0, 0x0403_0201),
          mov64('r1', 'r0'),
          mov64('r2', 0),
          helper(how),
          mov64('r0', 1),
          label('out'),
          exit(),
        ],
        { events },
      );
    expect(finish('ringbuf_submit').run().events).toEqual([{ map: events, data: Uint8Array.of(1, 2, 3, 4) }]);
    expect(finish('ringbuf_discard').run().events).toEqual([]);
    expect(events.drain()).toEqual([Uint8Array.of(1, 2, 3, 4)]);
    expect(events.drain()).toEqual([]);
  });

  it('are full at one byte less than their size, until drained', () => {
    const events = ring();
    const output = vmOf(
      [
        ldMap('r1', 'events'),
        mov64('r2', 'r10'),
        add64('r2', -512),
        mov64('r3', 512),
        mov64('r4', 0),
        helper('ringbuf_output'),
        exit(),
      ],
      { events },
    );
    const results = Array.from({ length: 8 }, () => signed(output.run().r0));
    expect(results).toEqual([0, 0, 0, 0, 0, 0, 0, -ERRNO.EAGAIN]);
    expect(events.query(0)).toBe(7 * 520);
    expect(events.drain().length).toBe(7);
    expect(signed(output.run().r0)).toBe(0);
    const big = vmOf([...reserve(5000), exit()], { events });
    expect(big.run().r0).toBe(0n);
  });

  it('trap when a record is kept, or used after it was handed over', () => {
    const events = ring();
    expect(() => vmOf([...reserve(8), exit()], { events }).run()).toThrow('it ends and holds record of map events');
    const after = vmOf(
      [
        ...reserve(8),
        mov64('r6', 'r0'),
        mov64('r1', 'r0'),
        mov64('r2', 0),
        helper('ringbuf_submit'),
        stb('r6', 0, 1),
        exit(),
      ],
      { events },
    );
    expect(() => after.run()).toThrow('a record that was handed over');
    expect(() =>
      vmOf([mov64('r1', 'r10'), mov64('r2', 0), helper('ringbuf_submit'), exit()], { events }).run(),
    ).toThrow('r1 is no reserved record');
  });
});

it('perf_event_output records what it is given', () => {
  const perf = createMap({ name: 'perf', type: 'perf_event_array', keySize: 4, valueSize: 4, maxEntries: 1 });
  const vm = vmOf(
    [
      stw('r10', -4, 5),
      ldMap('r2', 'perf'),
      mov64('r3', -1),
      mov64('r4', 'r10'),
      add64('r4', -4),
      mov64('r5', 4),
      helper('perf_event_output'),
      exit(),
    ],
    { perf },
  );
  expect(vm.run().events).toEqual([{ map: perf, data: keyOf(5) }]);
});

describe('socket maps', () => {
  const socks = (): ObjectMap<VmSocket> =>
    createMap({ name: 'socks', type: 'sockmap', keySize: 4, valueSize: 4, maxEntries: 8 }) as ObjectMap<VmSocket>;

  it('give a reference that has to be released', () => {
    const map = socks();
    map.setObject(keyOf(7), new VmSocket('listener', { state: 10 }));
    const look = [...withKey('socks'), helper('map_lookup_elem'), jeq('r0', 0, 'out')];
    const release = [mov64('r1', 'r0'), ldxw('r6', 'r0', 72), helper('sk_release'), mov64('r0', 'r6')];
    expect(vmOf([...look, ...release, label('out'), exit()], { socks: map }).run().r0).toBe(10n);
    expect(() => vmOf([...look, label('out'), exit()], { socks: map }).run()).toThrow('holds socket listener');
    map.delete(keyOf(7));
    expect(vmOf([...look, ...release, label('out'), exit()], { socks: map }).run().r0).toBe(0n);
  });

  it('have an end', () => {
    expect(() => socks().setObject(keyOf(8), new VmSocket('a'))).toThrow('E2BIG');
  });
});
