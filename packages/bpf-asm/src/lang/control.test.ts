import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { u32, u64 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { all, any, choose, match, not, schedCls, when, xdp } from './index.ts';

const options = { licence: 'Apache-2.0' } as const;

describe('what the host language decides', () => {
  test('leaves no instruction', () => {
    const plain = schedCls('plain', options, ({ next }) => next());
    const asked: string[] = [];
    const off = schedCls('plain', options, ({ skb, next, drop, value }) => {
      when(false, drop);
      when(undefined, drop);
      when(null, drop);
      when(
        all(true, false, () => asked.push('never') > 0),
        drop,
      );
      when(any(false, undefined), drop);
      when(not(true), drop);
      when(value(u32, 1).eq(2), drop);
      when(all(skb.mark.eq(1), false), drop);
      match('b', { a: drop, b: () => undefined });
      match(7, { 8: drop });
      return when(true, next, drop);
    });
    expect(off.instructions.map(({ source: _source, ...rest }) => rest)).toEqual(
      plain.instructions.map(({ source: _source, ...rest }) => rest),
    );
    expect(asked).toEqual([]);
  });

  test('does not even run what it leaves out', () => {
    const run: string[] = [];
    schedCls('choices', options, ({ next }) => {
      when(false, () => {
        run.push('then');
      });
      match(2, { 1: () => void run.push('one'), 2: () => void run.push('two') }, () => void run.push('other'));
      return next();
    });
    expect(run).toEqual(['two']);
  });
});

test('match tries its constants, and has an otherwise', () => {
  const run = calculate(({ a }, { variable }) => {
    const result = variable(u64, 0);
    match(a.u32(), { 1: () => result.set(10), 4294967295: () => result.set(20), 7: () => result.set(30) }, () =>
      result.set(40),
    );
    match(a.u32().toWire(), {
      '0.0.0.1': () => result.set(result.get().add(1)),
      7: () => result.set(result.get().add(2)),
    });
    match(a.i32(), { '-1': () => result.set(result.get().add(3)) });
    return result.get();
  });
  expect([run(1n), run(0xffff_ffffn), run(7n), run(8n)]).toEqual([11n, 23n, 32n, 40n]);
});

test('choose takes one of two values', () => {
  const run = calculate(({ a, b }) =>
    choose(a.gt(b), a, b)
      .add(choose(a.eq(0), 1000, b))
      .add(choose(true, a, 5)),
  );
  expect([run(3n, 5n), run(0n, 5n)]).toEqual([13n, 1005n]);
  expect(refused(() => choose(true, 1 as never, 2 as never)).hint).toMatch(/choose between constants while building/);
});

describe('every path ends', () => {
  test('by type, and else by an error', () => {
    // @ts-expect-error a description must return the end of its path
    expect(() => schedCls('open', options, ({ skb, drop }) => when(skb.mark.eq(1), drop))).toThrow(
      /a path of the program open ends without a verdict.*return one, such as next\(\)/,
    );
  });

  test('or as the program says', () => {
    const program = xdp('open', { ...options, otherwise: 2 }, ({ packet, drop }) => {
      when(packet.ingressIfindex.eq(3), drop);
    });
    expect(runProgram(program, { packet: new Uint8Array(14), context: { ingress_ifindex: 3 } }).verdict).toBe(1);
    expect(runProgram(program, { packet: new Uint8Array(14), context: { ingress_ifindex: 4 } }).verdict).toBe(2);
  });

  test('and what stands after its end is left out', () => {
    const program = schedCls('early', options, ({ skb, next, drop }) => {
      const end = when(skb.mark.eq(1), next, drop);
      skb.set({ mark: 5 });
      return end;
    });
    expect(program.instructions.some(({ kind }) => kind === 'store')).toBe(false);
  });
});

test('a value does not outlive its program, nor leave its function', () => {
  let kept: ReturnType<typeof Object> | undefined;
  schedCls('first', options, ({ skb, next }) => {
    kept = skb.mark;
    return next();
  });
  const mark = kept as { eq: (other: number) => never };
  const late = /a value of first is used after the program was built/;
  expect(() => mark.eq(1)).toThrow(late);
  expect(refused(({ next }) => when(mark.eq(1), next)).message).toMatch(late);
});
