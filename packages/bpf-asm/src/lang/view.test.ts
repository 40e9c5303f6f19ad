import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import {
  array,
  be16,
  be32,
  be64,
  bytes,
  i8,
  i16,
  ipv4Address,
  ipv6Address,
  macAddress,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
} from '../layout/index.ts';
import { Vm } from '../vm/index.ts';
import { arrayMap, choose, hashMap, schedCls, when, type Condition, type Value } from './index.ts';

const bit = (one: Value<'u64'>, ...conditions: readonly Condition[]): Value<'u64'> =>
  conditions.map((condition, index) => choose(condition, one, 0).and(1).shl(index)).reduce((sum, each) => sum.or(each));

const Inner = struct('inner', { low: u16, high: u16 });
const Everything = struct('everything', {
  small: u8,
  tiny: i8,
  extent: i16,
  address: ipv4Address,
  mac: macAddress,
  six: ipv6Address,
  inner: Inner,
  list: array(u32, 3),
  raw: bytes(5),
  name: string(8),
  count: u64,
});

/** A program that fills the one value of a map; what is in it then, and the bytes. */
function filled(value: (tools: Tools) => unknown): { readonly value: unknown; readonly bytes: Uint8Array } {
  const map = hashMap('made', { key: u32, value: Everything, maxEntries: 1 });
  const program = schedCls('fill', { licence: 'Apache-2.0' }, (tools) => {
    tools.update(map, 1, value(tools) as never);
    return tools.next();
  });
  const vm = new Vm(program);
  vm.run({ packet: new Uint8Array(60).fill(7) });
  const found = vm.map('made').get(Uint8Array.of(1, 0, 0, 0)) as Uint8Array;
  return { value: Everything.decode(found, 0, { checkPadding: true }), bytes: found };
}

type Tools = Parameters<Parameters<typeof refused>[0]>[0];

const constant = {
  small: 1, tiny: -2, extent: -300, address: '10.0.0.1', mac: '02:00:00:00:00:01', six: 'fd00::1', inner: { low: 3, high: 4 },
  list: [5, 6, 0xffff_ffff], raw: Uint8Array.of(1, 2, 3, 4, 5), name: 'eth0', count: 0x1234_5678_9abc_def0n,
}; // prettier-ignore

describe('a struct', () => {
  test('of constants is laid out as its layout does, padding zero', () => {
    const { value, bytes: found } = filled(() => constant);
    expect(value).toEqual(constant);
    expect(found).toEqual(Everything.encode(constant));
  });

  test('of values and constants, from a record, and changed in parts', () => {
    const { value } = filled(({ skb, record }) => {
      const made = record(Everything, {
        ...constant,
        count: skb.len.u64(),
        list: [skb.mark, 1, 2],
        inner: { low: skb.mark.u16(), high: 9 },
      });
      made.set({ small: 200, mac: '02:00:00:00:00:02', name: 'veth' });
      made.inner.set({ high: made.inner.low.add(5).u16() });
      made.list.at(1).set(made.list.at(2).get().add(40));
      made.cell('count').add(2);
      made.add({ extent: 1 });
      made.atomicAdd({ count: 1 });
      return made;
    });
    expect(value).toEqual({
      ...constant, small: 200, mac: '02:00:00:00:00:02', name: 'veth', count: 63n, list: [0, 42, 2], inner: { low: 0, high: 5 }, extent: -299,
    }); // prettier-ignore
  });

  test('is zero where nothing is said', () => {
    expect(filled(({ record }) => record(Everything)).bytes).toEqual(new Uint8Array(Everything.size));
  });

  test('is refused where it does not fit', () => {
    expect(refused(({ record }) => record(Inner, { low: 1 } as never)).message).toMatch(
      /field high of struct inner is missing/,
    );
    expect(refused(({ record }) => record(Inner, { low: 1, high: 2, mid: 3 } as never)).hint).toBe('fields: low, high');
    expect(refused(({ record }) => record(Inner, { low: 65536, high: 2 })).message).toMatch(
      /65536 is out of the range of u16/,
    );
    expect(refused(({ record, skb }) => record(Inner, { low: skb.mark as never, high: 2 })).hint).toBe(
      'convert it: .u16()',
    );
    expect(refused(({ record }) => record(struct('odd', { set: u32 }))).message).toMatch(
      /has a field set, which is a method of views/,
    );
    expect(refused(({ room }) => room(Inner).low).message).toMatch(/nothing has filled inner yet/);
  });
});

describe('an array', () => {
  const table = arrayMap('table', { value: array(u32, 4), maxEntries: 1 });

  test('is indexed by a value of the program within its bounds only', () => {
    const run = calculate(({ a }, { lookup, drop, ret }) => {
      const cells = lookup(table, 0).orElse(drop);
      cells.at(2).set(77);
      return cells
        .at(a.u32(), () => ret(5))
        .get()
        .u64();
    });
    expect(run(2n)).toBe(77n);
    expect(() => run(4n)).toThrow('the verdict is 5');
    expect(() => run(2n ** 32n - 1n)).toThrow('the verdict is 5');
  });

  test('is refused outside of them', () => {
    expect(refused(({ lookup, next }) => lookup(table, 0).orElse(next).at(4)).message).toMatch(/there is no element 4/);
    expect(
      refused(({ lookup, next, skb }) =>
        lookup(table, 0)
          .orElse(next)
          .at(skb.len as never),
      ).hint,
    ).toMatch(/say what to do then/);
  });
});

test('signed fields keep their sign', () => {
  const run = calculate(({ a }, { record }) => {
    const one = record(struct('signs', { byte: i8, word: i16 }), { byte: a.i8(), word: a.i16() });
    return bit(a.or(1), one.byte.lt(0), one.word.lt(0), one.byte.i64().eq(-1), one.word.i32().eq(-1));
  });
  expect([run(0xffffn), run(0x80n), run(0x7fn)]).toEqual([0b1111n, 0b0001n, 0n]);
});

test('a cell has every atomic operation', () => {
  const cells = arrayMap('cells', { value: u64, maxEntries: 1 });
  const program = schedCls('atomics', { licence: 'Apache-2.0' }, ({ lookup, next, drop }) => {
    const cell = lookup(cells, 0).orElse(next);
    cell.atomicAdd(0xf0);
    cell.atomicOr(0x0f);
    cell.atomicAnd(0xfe);
    cell.atomicXor(0x10);
    when(cell.fetchAdd(1).ne(0xee), drop);
    when(cell.exchange(5).ne(0xef), drop);
    when(cell.compareExchange(5, 6).ne(5), drop);
    when(cell.compareExchange(5, 7).ne(6), drop);
    cell.set(cell.get().mul(100));
    return next();
  });
  const vm = new Vm(program);
  expect(vm.run({ packet: new Uint8Array(14) }).verdict).toBe(-1);
  expect(u64.decode(vm.map('cells').get(new Uint8Array(4)) as Uint8Array)).toBe(600n);
});

test('addresses compare by their bytes', () => {
  const Both = struct('both', { mac: macAddress, six: ipv6Address, other: ipv6Address });
  const run = calculate(({ a }, { record }) => {
    const one = record(Both, { mac: '02:00:00:00:00:01', six: 'fd00:1:2::5', other: 'fd00:1:2::5' });
    const { six } = one;
    return bit(
      a.or(1),
      one.mac.eq('02:00:00:00:00:01'),
      one.mac.eq('02:00:00:00:01:01'),
      six.eq(one.other),
      six.copy().eq('fd00:1:2::6'),
      six.within('fd00::/8'),
      six.within('fd00:1:2::/47'),
      six.copy().within('fd00:1:2::/127'),
      six.within('fd00:1:2::4/126'),
      six.within('::/0'),
      six.within('fd00:1:3::/48'),
      six.within('fd00:1:2::5/128'),
    );
  });
  expect(run()).toBe(0b101_1011_0101n | 0b1000_0000n);
});

test('bytes have numbers in them', () => {
  const address = 'fd00:1:2:3:405:607:809:a0b';
  const Raw = struct('raw', { tag: u16, six: ipv6Address }, { packed: true });
  const run = calculate(({ a }, { record }) => {
    const { six } = record(Raw, { tag: 1, six: address });
    return bit(
      a.or(1),
      six.part(be16, 14).eq(0x0a0b),
      six.part(be16, 13).eq(0x090a),
      six.part(be32, 8).eq(0x0405_0607),
      six.part(u8, 0).eq(0xfd),
      six.copy().part(be16, 14).eq(0x0a0b),
      six.copy().part(be32, 6).eq(0x0003_0405),
      six.copy().part(be64, 8).eq(0x0405_0607_0809_0a0bn),
    );
  });
  expect(run()).toBe(0b111_1111n);
  for (const at of [-1, 15, 0.5]) {
    expect(refused(({ record }) => record(Raw).six.part(be16, at)).message).toMatch(/is no place for a be16/);
  }
});
