import { describe, expect, test } from 'vitest';
import { calculate, refused } from '../../test/language.ts';
import { frame } from '../../test/packets.ts';
import { be16, struct, u16, u32, u64 } from '../layout/index.ts';
import { runProgram } from '../vm/index.ts';
import { Ethernet, schedCls, when } from './index.ts';

describe('a function of the program', () => {
  test('is compiled once, and only if it is called', () => {
    const program = schedCls('twice', { licence: 'Apache-2.0' }, ({ skb, func, ret }) => {
      const fold = func('fold', [u32], u32, (value) => value.and(0xffff).add(value.shr(16)));
      func('unused', [u32], u32, (value) => value);
      return ret(fold(skb.len).add(fold(skb.mark)));
    });
    expect(program.functions.map(({ name }) => name)).toEqual(['twice', 'fold']);
    expect(program.instructions.filter(({ kind }) => kind === 'call_local')).toHaveLength(2);
    expect(runProgram(program, { packet: new Uint8Array(20), context: { mark: 0x20001 } }).verdict).toBe(23);
  });

  test('has typed arguments, and can return early', () => {
    const run = calculate(({ a, b }, { func }) => {
      const larger = func('larger', [u64, u16], u64, (first, second, { ret }) => {
        when(first.gt(second.u64()), () => ret(first));
        return second.u64();
      });
      // @ts-expect-error an argument of 64 bits does not fit 16
      expect(() => larger(a, b)).toThrow(/a value of u64 is stored to u16/);
      return larger(a, b.u16());
    });
    expect([run(5n, 9n), run(70000n, 0x1_0009n)]).toEqual([9n, 70000n]);
  });

  test('gets the context if it asks for it', () => {
    const program = schedCls('with_context', { licence: 'Apache-2.0' }, ({ skb, func, ret }) => {
      const type = func('type_of', [u32], be16, (_flag, { ret: give }) => skb.parse(Ethernet, () => give(0)).type, {
        context: true,
      });
      return ret(type(1).toHost());
    });
    expect(runProgram(program, { packet: frame(0x86dd, new Uint8Array(0)) }).verdict).toBe(0x86dd);
  });

  test.each([
    ['calls itself', ({ func }: Tools) => { const f = func('f', [u32], u32, (n): never => f(n) as never); f(1); }, /the function f calls itself/],
    ['ends the program', ({ func, drop }: Tools) => func('f', [u32], u32, () => drop())(1), /f cannot end the program; return a value/],
    ['has no context', ({ func, skb }: Tools) => func('f', [u32], u32, () => skb.len)(1), /f has no context; declare the function with \{ context: true \}/],
    ['uses a value of the program', ({ func, value }: Tools) => { const one = value(u32, 1); func('f', [u32], u32, () => one.add(1))(1); }, /a value of refused is used in f/],
    ['has no value at its end', ({ func }: Tools) => func('f', [u32], u32, () => undefined as never)(1), /ends without a value/],
    ['shares its name', ({ func }: Tools) => { func('f', [u32], u32, (n) => n)(1); func('f', [u32], u32, (n) => n)(1); }, /f is no free name/],
  ] as const)('is refused where it %s', (_what, wrong, message) => {
    expect(refused(wrong).message.replace(/ \([^()]*:\d+\)/, '')).toMatch(message);
  }); // prettier-ignore
});

type Tools = Parameters<Parameters<typeof refused>[0]>[0];

describe('bpf_loop', () => {
  const State = struct('state', { sum: u64, limit: u32 });

  test('shares a record with its rounds', () => {
    const run = calculate(({ a }, { record, bpfLoop }) => {
      const state = record(State, { sum: 0, limit: 7 });
      const rounds = bpfLoop(a.u32(), state, (index, shared, { stop }) => {
        when(index.ge(shared.limit), stop);
        shared.set({ sum: shared.sum.add(index.u64()) });
      });
      return state.sum.mul(1000).add(rounds.u64());
    });
    expect([run(0n), run(3n), run(100n)]).toEqual([0n, 3003n, 21008n]);
  });

  test('sees nothing else of the program', () => {
    expect(
      refused(({ skb, record, bpfLoop }) => {
        const mark = skb.mark;
        bpfLoop(3, record(State), (_index, state) => state.set({ limit: mark }));
      }).message,
    ).toMatch(/a value of refused is used in loop_0/);
    expect(refused(({ record, bpfLoop, drop }) => bpfLoop(3, record(State), () => drop())).hint).toMatch(
      /leave the loop by stop\(\)/,
    );
    expect(refused(({ record, bpfLoop }) => bpfLoop(2 ** 24, record(State), () => undefined)).hint).toMatch(
      /up to 8388608/,
    );
  });
});
