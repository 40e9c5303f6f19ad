import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { ipv4 } from '../../test/packets.ts';
import { ipv4Address, struct, u16, u32, u64, u8 } from '../layout/index.ts';
import { Vm } from '../vm/index.ts';
import {
  arrayMap,
  Ethernet,
  hashMap,
  IPv4,
  lpmTrieMap,
  lruHashMap,
  mappedIpv6,
  percpuArrayMap,
  percpuHashMap,
  progArrayMap,
  ringbufMap,
  schedCls,
  when,
} from './index.ts';

const options = { licence: 'Apache-2.0' } as const;
const Key = struct('key', { address: ipv4Address, port: u16, protocol: u8 });
const Entry = struct('entry', { packets: u64, state: u32 });
const flows = hashMap('flows', { key: Key, value: Entry, maxEntries: 4 });
const index = (at: number): Uint8Array => Uint8Array.of(at, 0, 0, 0);

describe('a look-up', () => {
  test('pads its key with zeros, and must be handled', () => {
    const program = schedCls('flow', options, ({ skb, next, drop, lookup, ret }) => {
      const [, ip] = skb.parse([Ethernet, IPv4], drop);
      const found = lookup(flows, { address: ip.source, port: 80, protocol: ip.protocol });
      return found.match({ present: (entry) => ret(entry.state), absent: next });
    });
    const vm = new Vm(program);
    vm.map('flows').set(
      Key.encode({ address: '10.244.1.5', port: 80, protocol: 6 }),
      Entry.encode({ packets: 0n, state: 33 }),
    );
    expect(vm.run({ packet: ipv4() }).verdict).toBe(33);
    expect(vm.run({ packet: ipv4({ protocol: 17 }) }).verdict).toBe(-1);
  });

  test('takes memory of the same layout in its place', () => {
    const program = schedCls('in_place', options, ({ lookup, record, next, drop }) => {
      const key = record(Key, { address: '10.0.0.1', port: 1, protocol: 2 });
      return when(lookup(flows, key).found, drop, next);
    });
    const stores = program.instructions.filter(({ kind }) => kind === 'store').length;
    expect(stores).toBeLessThanOrEqual(3);
    const vm = new Vm(program);
    expect(vm.run({ packet: new Uint8Array(14) }).verdict).toBe(-1);
    vm.map('flows').set(Key.encode({ address: '10.0.0.1', port: 1, protocol: 2 }), new Uint8Array(16));
    expect(vm.run({ packet: new Uint8Array(14) }).verdict).toBe(2);
  });

  test('takes a header field of the packet in its place', () => {
    const seen = hashMap('seen', {
      key: struct('pair', { source: ipv4Address, destination: ipv4Address }),
      value: u32,
      maxEntries: 4,
    });
    const program = schedCls('pair', options, ({ skb, next, drop, lookup }) => {
      const [, ip] = skb.parse([Ethernet, IPv4], next);
      return when(lookup(seen, { source: ip.source, destination: ip.destination }).found, drop, next);
    });
    const vm = new Vm(program);
    vm.map('seen').set(Uint8Array.of(10, 244, 1, 5, 10, 96, 0, 1), index(1));
    expect(vm.run({ packet: ipv4() }).verdict).toBe(2);
  });

  test('of a map in which IPv4 is mapped', () => {
    const all = hashMap('all', {
      key: struct('any', { address: { ...struct('x', { a: u32 }).fields }.a.layout }),
      value: u32,
      maxEntries: 4,
    });
    expect(all.definition.keySize).toBe(4);
    const run = calculate(({ a }, { record }) => {
      const six = mappedIpv6(a.u32().toWire());
      const copy = record(struct('six', { first: u64, second: u64 }));
      expect(six.size).toBe(16);
      copy.set({ second: 1 });
      return copy.second;
    });
    expect(run(1n)).toBe(1n);
  });
});

test('update, remove: when, and what they say', () => {
  const run = calculate(({ a }, { update, remove, lookup, variable, drop }) => {
    const result = variable(u64, 0);
    const add = (value: number): void => result.set(result.get().mul(10).add(value));
    const key = { address: '10.0.0.1', port: 1, protocol: 2 } as const;
    when(remove(flows, key).eq(-2), () => add(1));
    when(update(flows, key, { packets: a, state: 5 }, 'if-present').eq(-2), () => add(2));
    when(update(flows, key, { packets: a, state: 5 }, 'if-absent').eq(0), () => add(3));
    when(update(flows, key, { packets: 1, state: 5 }, 'if-absent').eq(-17), () => add(4));
    const entry = lookup(flows, key).orElse(drop);
    when(entry.packets.eq(a), () => add(5));
    when(update(flows, key, entry).eq(0), () => add(6));
    when(remove(flows, key).eq(0), () => add(7));
    return result.get();
  });
  expect(run(77n)).toBe(1234567n);
});

describe('counting', () => {
  test('adds on this CPU alone in per-CPU maps, atomically in others', () => {
    const maps = {
      percpu: percpuArrayMap('percpu', { value: u64, maxEntries: 2 }),
      fields: percpuHashMap('fields', { key: u32, value: Entry, maxEntries: 2 }),
      shared: arrayMap('shared', { value: u64, maxEntries: 2 }),
      lru: lruHashMap('lru', { key: u32, value: Entry, maxEntries: 2 }),
    };
    const program = schedCls('counting', options, ({ skb, next, count }) => {
      count(maps.percpu, 1, 1);
      count(maps.fields, 7, { packets: 1, state: skb.len });
      count(maps.shared, 1, skb.len);
      count(maps.lru, skb.len, { packets: 1 });
      return next();
    });
    expect(program.instructions.filter(({ kind }) => kind === 'atomic')).toHaveLength(2);
    const vm = new Vm(program);
    vm.map('fields').set(index(7), Entry.encode({ packets: 0n, state: 0 }));
    for (let i = 0; i < 3; i++) vm.run({ packet: new Uint8Array(20) });
    expect(vm.map('percpu').get(index(1))?.[0]).toBe(3);
    expect(Entry.decode(vm.map('fields').get(index(7)) as Uint8Array)).toEqual({ packets: 3n, state: 60 });
    expect(vm.map('shared').get(index(1))?.[0]).toBe(60);
    expect(vm.map('lru').size).toBe(0);
  });

  test('is refused outside of an array', () => {
    const two = percpuArrayMap('two', { value: u64, maxEntries: 2 });
    expect(refused(({ count }) => count(two, 2, 1)).message).toMatch(/map two has no index 2/);
  });
});

test('a tail call goes on with another program, or here', () => {
  const programs = progArrayMap('programs', { maxEntries: 2 });
  const vm = new Vm(
    schedCls('caller', options, ({ skb, next, tailCall }) => {
      tailCall(programs, skb.mark);
      return next();
    }),
  );
  vm.setTailCall('programs', 1, new Vm(schedCls('target', options, ({ ret }) => ret(42))));
  const verdict = (mark: number): number => vm.run({ packet: new Uint8Array(14), context: { mark } }).verdict;
  expect([verdict(1), verdict(0), verdict(5)]).toEqual([42, -1, -1]);
});

describe('maps', () => {
  test('are those that the program uses', () => {
    const program = schedCls('uses', options, ({ next, lookup, count }) => {
      when(false, () => count(percpuArrayMap('unused', { value: u64, maxEntries: 1 }), 0, 1));
      when(lookup(flows, { address: 0, port: 0, protocol: 0 }).found, next);
      return next();
    });
    expect(program.maps).toEqual([flows.definition]);
  });

  test('are refused where the kernel would refuse them', () => {
    expect(() => hashMap('a name that is long', { key: u32, value: u32, maxEntries: 1 })).toThrow(
      /is no name for a map/,
    );
    expect(() => hashMap('none', { key: u32, value: u32, maxEntries: 0 })).toThrow(/has 0 entries/);
    expect(() => ringbufMap('ring', { size: 5000 })).toThrow(/give a power of two/);
    expect(() => lpmTrieMap('trie', { key: u32, value: u32, maxEntries: 1 })).toThrow(/does not begin with a length/);
    const twin = hashMap('flows', { key: u32, value: u32, maxEntries: 1 });
    expect(
      refused(({ lookup }) => {
        lookup(flows, { address: 0, port: 0, protocol: 0 });
        lookup(twin, 1);
      }).message,
    ).toMatch(/two maps are named flows/);
  });

  test('have typed keys and values', () => {
    schedCls('typed', options, ({ next, lookup, skb }) => {
      // @ts-expect-error the key has no such field
      expect(() => lookup(flows, { address: 0, port: 0, protocol: 0, more: 1 })).toThrow(/has no field more/);
      // @ts-expect-error a port of 32 bits does not fit
      expect(() => lookup(flows, { address: 0, port: skb.len, protocol: 0 })).toThrow(/convert it: .u16/);
      const entry = lookup(flows, { address: 0, port: 0, protocol: 0 }).orElse(next);
      // @ts-expect-error the value has no such field
      expect(entry.bytes).toBeUndefined();
      return next();
    });
  });
});
