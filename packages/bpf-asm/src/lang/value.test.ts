import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { be16, be32, i8, i16, i32, i64, u8, u16, u32, u64 } from '../layout/index.ts';
import { Vm } from '../vm/index.ts';
import { choose, schedCls, type Condition, type HostValue, type Value } from './index.ts';
import { Ethernet, IPv4 } from './headers/index.ts';

const word = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 63n, 2n ** 64n - 1n),
);
const flag = (condition: Condition, one: Value<'u64'>): Value<'u64'> => choose(condition, one.mul(0).add(1), 0);

/** Each type with how the language takes a number to it and back, and what C does. */
const TYPES = {
  u8: {
    take: (v: Value<'u64'>) => v.u8(),
    wrap: (v: bigint) => BigInt.asUintN(8, v),
    result: (v: bigint) => BigInt.asUintN(32, v),
  },
  u16: {
    take: (v: Value<'u64'>) => v.u16(),
    wrap: (v: bigint) => BigInt.asUintN(16, v),
    result: (v: bigint) => BigInt.asUintN(32, v),
  },
  u32: {
    take: (v: Value<'u64'>) => v.u32(),
    wrap: (v: bigint) => BigInt.asUintN(32, v),
    result: (v: bigint) => BigInt.asUintN(32, v),
  },
  u64: {
    take: (v: Value<'u64'>) => v,
    wrap: (v: bigint) => BigInt.asUintN(64, v),
    result: (v: bigint) => BigInt.asUintN(64, v),
  },
  i8: {
    take: (v: Value<'u64'>) => v.i8(),
    wrap: (v: bigint) => BigInt.asIntN(8, v),
    result: (v: bigint) => BigInt.asIntN(32, v),
  },
  i16: {
    take: (v: Value<'u64'>) => v.i16(),
    wrap: (v: bigint) => BigInt.asIntN(16, v),
    result: (v: bigint) => BigInt.asIntN(32, v),
  },
  i32: {
    take: (v: Value<'u64'>) => v.i32(),
    wrap: (v: bigint) => BigInt.asIntN(32, v),
    result: (v: bigint) => BigInt.asIntN(32, v),
  },
  i64: {
    take: (v: Value<'u64'>) => v.i64(),
    wrap: (v: bigint) => BigInt.asIntN(64, v),
    result: (v: bigint) => BigInt.asIntN(64, v),
  },
} as const;

const OPERATIONS: Readonly<
  Record<
    string,
    readonly [(a: HostValue<'u64'>, b: HostValue<'u64'>) => Value<'u64'>, (a: bigint, b: bigint) => bigint]
  >
> = {
  add: [(a, b) => a.add(b), (a, b) => a + b],
  sub: [(a, b) => a.sub(b), (a, b) => a - b],
  mul: [(a, b) => a.mul(b), (a, b) => a * b],
  and: [(a, b) => a.and(b), (a, b) => a & b],
  or: [(a, b) => a.or(b), (a, b) => a | b],
  xor: [(a, b) => a.xor(b), (a, b) => a ^ b],
  neg: [(a) => a.neg(), (a) => -a],
  invert: [(a) => a.invert(), (a) => ~a],
  shl: [(a) => a.shl(3), (a) => a << 3n],
  shr: [(a) => a.shr(3), (a) => a >> 3n],
};

describe.each(Object.entries(TYPES))('%s', (_name, { take, wrap, result }) => {
  it.each(Object.entries(OPERATIONS))('%s is that of C', (_operation, [build, expected]) => {
    const run = calculate((input) => build(take(input.a) as HostValue<'u64'>, take(input.b) as HostValue<'u64'>).u64());
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(run(a, b)).toBe(BigInt.asUintN(64, result(expected(wrap(a), wrap(b)))));
      }),
      { numRuns: 40 },
    );
  });

  it('compares by its sign', () => {
    const bits = (a: HostValue<'u64'>, b: HostValue<'u64'>): readonly Condition[] => [
      a.eq(b),
      a.ne(b),
      a.lt(b),
      a.le(b),
      a.gt(b),
      a.ge(b),
      a.hasAny(b),
      a.hasAll(b),
    ];
    const run = calculate((input) =>
      bits(take(input.a) as HostValue<'u64'>, take(input.b) as HostValue<'u64'>)
        .map((condition, index) => flag(condition, input.a).shl(index))
        .reduce((sum, bit) => sum.or(bit)),
    );
    fc.assert(
      fc.property(word, fc.oneof(word, fc.constant(undefined)), (first, second) => {
        const [a, b] = [wrap(first), wrap(second ?? first)];
        const expected = [a === b, a !== b, a < b, a <= b, a > b, a >= b, (a & b) !== 0n, (a & b) === b];
        expect(run(first, second ?? first)).toBe(
          expected.reduce((sum, bit, index) => sum | (BigInt(bit) << BigInt(index)), 0n),
        );
      }),
      { numRuns: 60 },
    );
  });

  it.each(Object.entries(TYPES))('converts to %s as C does', (_to, other) => {
    const run = calculate((input) => {
      const value = other.take((take(input.a) as HostValue<'u32'>).u64());
      return (value as HostValue<'u32'>).u64();
    });
    fc.assert(
      fc.property(word, (a) => {
        expect(run(a)).toBe(BigInt.asUintN(64, other.wrap(wrap(a))));
      }),
      { numRuns: 30 },
    );
  });
});

test('division is unsigned, and by zero it is 0, the remainder the dividend', () => {
  const run = calculate(({ a, b }) => a.div(b).xor(a.mod(b).shl(1)));
  expect(run(100n, 7n)).toBe(14n ^ 4n);
  expect(run(100n, 0n)).toBe(200n);
  const small = calculate(({ a, b }) => a.u32().div(b.u32()).u64());
  expect(small(2n ** 32n + 9n, 2n)).toBe(4n);
});

test('a value in network order compares with numbers in host order', () => {
  const run = calculate(({ a }) => {
    const port = a.u16().toWire();
    const address = a.u32().toWire();
    const long = a.toWire();
    const bits = [
      port.eq(443),
      address.eq('10.0.0.1'),
      address.eq(0x0a000001),
      address.within('10.0.0.0/8'),
      address.within('0.0.0.0/0'),
      address.within('10.0.0.1/32'),
      long.eq(2n ** 40n),
      port.oneOf(80, 443),
      address.hasAny(1),
    ];
    return bits.map((bit, index) => flag(bit, a).shl(index)).reduce((sum, bit) => sum.or(bit));
  });
  expect(run(443n)).toBe(0b1_1001_0001n);
  expect(run(0x0a000001n)).toBe(0b1_0011_1110n);
  expect(run(0x0aff0000n)).toBe(0b0_0001_1000n);
  expect(run(2n ** 40n)).toBe(0b0_0101_0000n);
});

test('to the wire and back is nothing', () => {
  const run = calculate(({ a }) =>
    a.u16().toWire().toHost().u64().add(a.u32().toWire().toHost().u64()).add(a.toWire().toHost()),
  );
  expect(run(0x1234_5678_9abc_def0n)).toBe(BigInt.asUintN(64, 0xdef0n + 0x9abcdef0n + 0x1234_5678_9abc_def0n));
});

// prettier-ignore
const WRONG: readonly (readonly [what: string, wrong: (tools: Tools) => unknown, message: RegExp])[] = [
  ['u8 of 256', ({ value }) => value(u8, 256), /256 is out of the range of u8, 0 to 255/],
  ['i8 of -129', ({ value }) => value(i8, -129), /-129 is out of the range of i8/],
  ['a negative u32', ({ value }) => value(u32, 1).add(-1), /has no negative numbers: subtract/],
  ['u8 == 300', ({ value }) => value(u8, 1).eq(300), /300 is out of the range of u8/],
  ['be16 == 65536', ({ value }) => value(be16, 1).eq(65536), /65536 is out of the range of be16/],
  ['a fraction', ({ value }) => value(u32, 1).add(1.5), /1.5 is no constant of type u32; write an integer/],
  ['half an address', ({ value }) => value(be32, 1).eq('10.0.0'), /"10.0.0" is no constant of type be32/],
  ['a shift by 32', ({ value }) => value(u32, 1).shl(32), /a shift by 32 of 32 bits; shift by 0 to 31/],
  ['a division by 0', ({ value }) => value(u64, 1n).div(0), /a division by the constant 0/],
  ['a prefix with bits', ({ value }) => value(be32, 1).within('10.0.0.1/8'), /has bits after its length/],
  ['a prefix without length', ({ value }) => value(be32, 1).within('10.0.0.0'), /is no prefix/],
  // @ts-expect-error u32 and u64 do not mix
  ['u32 and u64', ({ value }) => value(u32, 1).add(value(u64, 1n)), /u32 and u64 do not mix; convert one of them, as with .u32\(\)/],
  // @ts-expect-error signed and unsigned do not mix
  ['i32 and u32', ({ value }) => value(i32, 1).lt(value(u32, 1)), /i32 and u32 do not mix/],
  // @ts-expect-error host and network order do not mix
  ['be16 and u16', ({ value }) => value(be16, 1).eq(value(u16, 1)), /be16 and u16 do not mix; convert the one from the packet by toHost\(\)/],
  ['u8 to the wire', ({ value }) => value(u8, 1).toWire(), /u8 has no form in network byte order/],
];

test.each(WRONG)('%s is an error that says what to write', (_what, wrong, message) => {
  expect(refused(wrong).message.replace(/ \([^()]*:\d+\)/, '')).toMatch(message);
});

type Tools = Parameters<Parameters<typeof refused>[0]>[0];

test('an error names the line', () => {
  const error = refused(({ value }) => {
    value(u8, 1).eq(300);
  });
  expect(error.source?.file).toMatch(/lang\/value\.test\.ts$/);
  expect(error.source?.line).toBeGreaterThan(100);
});

test('types say what may meet', () => {
  const program = schedCls('types', { licence: 'Apache-2.0' }, ({ skb, next, value }) => {
    const [eth, ip] = skb.parse([Ethernet, IPv4], next);
    const length: Value<'u32'> = skb.len.add(ip.ttl).add(value(u16, 1));
    const wide: Value<'u64'> = length.u64().add(1n).add(1);
    const signed: Value<'i32'> = value(i16, -5).add(value(i8, 1));
    const long: Value<'i64'> = signed.i64().sub(value(i64, 3n));
    // @ts-expect-error a wire value is no number to calculate with
    const wrong: Value<'u16'> = eth.type;
    // @ts-expect-error a constant of 32 bits is no bigint
    expect(() => length.add(1n)).not.toThrow();
    expect([wide.type, long.type, wrong.type]).toEqual(['u64', 'i64', 'be16']);
    return next();
  });
  expect(new Vm(program).run({ packet: new Uint8Array(34) }).verdict).toBe(-1);
});
