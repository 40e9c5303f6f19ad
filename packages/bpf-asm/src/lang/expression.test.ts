import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { be16, i32, u16, u32, u64, u8 } from '../layout/index.ts';
import { choose, cond, expr, type Condition, type Value } from './index.ts';

describe('expr has the precedence of C', () => {
  test.each([
    [(a: U64, b: U64) => expr`${a} + ${b} * 2`, (a: bigint, b: bigint) => a + b * 2n],
    [(a: U64, b: U64) => expr`(${a} + ${b}) * 2`, (a: bigint, b: bigint) => (a + b) * 2n],
    [(a: U64, b: U64) => expr`${a} - ${b} - 1`, (a: bigint, b: bigint) => a - b - 1n],
    [(a: U64, b: U64) => expr`${a} << 2 + 1 & 0xff | ${b} ^ 3`, (a: bigint, b: bigint) => ((a << 3n) & 0xffn) | (b ^ 3n)],
    [(a: U64, b: U64) => expr`100 - ${a} % 7 / 2 + ~${b} + -${a}`, (a: bigint, b: bigint) => 100n - (a % 7n) / 2n + ~b + -a],
    [(a: U64, b: U64) => expr`2 * 3 * ${a} + (1 << 4 | 1) * ${b} >> 1`, (a: bigint, b: bigint) => BigInt.asUintN(64, 6n * a + 17n * b) >> 1n],
  ] as const)('%s', (build, expected) => {
    const run = calculate(({ a, b }) => build(a, b));
    for (const [a, b] of [[5n, 9n], [0n, 0n], [2n ** 64n - 1n, 3n], [1000n, 77n]] as const) expect(run(a, b)).toBe(BigInt.asUintN(64, expected(a, b)));
  }); // prettier-ignore
});

type U64 = Value<'u64'>;

test('cond compares and joins', () => {
  const run = calculate(({ a, b }, { value }) => {
    const port = a.u16().toWire();
    const tests: Condition[] = [
      cond`${a} > 5 && ${b} + 1 <= 10`,
      cond`${a} == 1 || !(${b} == 2)`,
      cond`${port} == 443`,
      cond`443 != ${port} && ${true}`,
      cond`${a.eq(1)} || ${false}`,
      cond`(${a} & 1) == 0`,
      cond`3 < ${a}`,
      cond`${cond`2 > 1`} && 1 + 1 == 2`,
    ];
    return tests.map((test_, index) => choose(test_, value(u64, 1), 0).shl(index)).reduce((sum, bit) => sum.or(bit));
  });
  expect(run(6n, 3n)).toBe(0b1110_1011n);
  expect(run(1n, 2n)).toBe(0b1001_1010n);
  expect(run(443n, 2n)).toBe(0b1100_0101n);
});

test('parts that do not mix have no type, and are refused', () => {
  const error = refused(({ value }) => {
    const wrong = expr`${value(u32, 1)} + ${value(u64, 1n)}`;
    // @ts-expect-error there is no type for both
    expect(wrong.type).toBeDefined();
  });
  expect(error.message).toMatch(/u32 and u64 do not mix/);
  refused(({ value }) => {
    const small: Value<'u32'> = expr`${value(u8, 1)} + ${value(u16, 1)}`;
    const signed: Value<'i32'> = expr`${value(i32, 1)} - 3`;
    expect([small.type, signed.type]).toEqual(['u32', 'i32']);
    value(u32, -1);
  });
});

test.each([
  ['a letter', ({ skb }: Tools) => expr`${skb.len} + x`, /x is no part of an expression/],
  ['a fraction', ({ skb }: Tools) => expr`${skb.len} + 1.5`, /1.5 is no part of an expression/],
  ['nothing after +', ({ skb }: Tools) => expr`${skb.len} +`, /a value is missing at the end/],
  ['nothing before *', ({ skb }: Tools) => expr`* ${skb.len}`, /a value is missing before \*/],
  ['two values', ({ skb }: Tools) => expr`${skb.len} ${skb.len}`, /a value is left over/],
  ['an open parenthesis', ({ skb }: Tools) => expr`(${skb.len} + 1`, /a parenthesis is not closed/],
  ['a condition for a value', ({ skb }: Tools) => expr`${skb.len} > 1`, /an expression that is a condition/],
  ['constants only', () => expr`1 + 2`, /an expression of constants/],
  ['a value for a condition', ({ skb }: Tools) => cond`${skb.len} + 1`, /a condition that is a value/],
  ['! of a number', ({ skb }: Tools) => cond`!${skb.len}`, /! stands before a value of u32/],
  ['& of comparisons', ({ skb }: Tools) => cond`${skb.len} & 1 == 0`, /& stands between a value of u32 and a condition.*parentheses/],
  ['&& of numbers', ({ skb }: Tools) => cond`${skb.len} && ${skb.mark.eq(1)}`, /&& stands between a value of u32 and a condition/],
  ['+ in network order', ({ value }: Tools) => cond`${value(be16, 1)} + 1 == 2`, /be16 has no add; convert it by toHost\(\)/],
  ['a division by 0', ({ skb }: Tools) => expr`${skb.len} + 1 / 0`, /a division by the constant 0/],
  ['an object', ({ skb }: Tools) => expr`${skb.len} + ${{} as never}`, /a Object stands in an expression/],
] as const)('%s is an error', (_what, wrong, message) => {
  expect(refused(wrong).message.replace(/ \([^()]*:\d+\)/, '')).toMatch(message);
}); // prettier-ignore

type Tools = Parameters<Parameters<typeof refused>[0]>[0];
