import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { u32, u64 } from '../layout/index.ts';
import { when, type LoopKind } from './index.ts';

describe.each(['unrolled', 'bounded'] as const satisfies readonly LoopKind[])('%s', (as) => {
  test('goes round as often as it is told', () => {
    const run = calculate((_input, { variable, repeat }) => {
      const sum = variable(u64, 0);
      repeat(5, (index) => sum.set(sum.get().add(index.u64())), { as });
      return sum.get();
    });
    expect(run()).toBe(10n);
  });

  test('can be left, and gone on with', () => {
    const run = calculate(({ a }, { variable, repeat }) => {
      const sum = variable(u64, 0);
      repeat(
        10,
        (index, { stop, again }) => {
          when(index.u64().eq(a), stop);
          when(index.and(1).eq(1), again);
          sum.set(sum.get().add(index.u64()));
        },
        { as },
      );
      return sum.get();
    });
    expect([run(0n), run(5n), run(99n)]).toEqual([0n, 6n, 20n]);
  });

  test('takes its count from the program, up to a bound', () => {
    const run = calculate(({ a }, { variable, repeat }) => {
      const rounds = variable(u64, 0);
      repeat(a.u32(), () => rounds.set(rounds.get().add(1)), { as, max: 6 });
      return rounds.get();
    });
    expect([run(0n), run(4n), run(6n), run(1000n)]).toEqual([0n, 4n, 6n, 6n]);
  });

  test('tells when no round stopped', () => {
    const run = calculate(({ a }, { variable, repeat }) => {
      const found = variable(u64, 1);
      repeat(4, (index, { stop }) => when(index.u64().eq(a), stop), { as, exhausted: () => found.set(0) });
      return found.get();
    });
    expect([run(3n), run(4n)]).toEqual([1n, 0n]);
  });

  test('of no rounds is nothing', () => {
    const run = calculate((_input, { variable, repeat }) => {
      const sum = variable(u64, 7);
      repeat(0, () => sum.set(9), { as });
      return sum.get();
    });
    expect(run()).toBe(7n);
  });
});

test('repeatWhile tests before each round', () => {
  const run = calculate(({ a }, { variable, repeatWhile }) => {
    const rest = variable(u64, a);
    const rounds = variable(u32, 0);
    repeatWhile(
      () => rest.get().gt(1),
      () => {
        rest.set(rest.get().shr(1));
        rounds.set(rounds.get().add(1));
      },
      { max: 64 },
    );
    return rounds.get().u64();
  });
  expect([run(0n), run(1n), run(1024n), run(2n ** 64n - 1n)]).toEqual([0n, 0n, 10n, 63n]);
});

test('a loop without a bound, or with too large a one, is an error', () => {
  expect(refused(({ skb, repeat }) => repeat(skb.len, () => undefined)).hint).toMatch(/give \{ max \}/);
  expect(refused(({ repeat }) => repeat(-1, () => undefined)).message).toMatch(/a loop of -1 rounds/);
  expect(refused(({ repeat }) => repeat(1e9, () => undefined)).message).toMatch(/a loop of 1000000000 rounds/);
});
