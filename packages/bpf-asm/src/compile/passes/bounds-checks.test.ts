import { expect, it } from 'vitest';
import { change } from '../../../test/ir-change.ts';
import type { FunctionBuilder, IrValue } from '../index.ts';
import type { IrFunction } from '../ir/ir.ts';
import { mergeBoundsChecks } from './bounds-checks.ts';
import { optimise } from './optimise.ts';

function packet(b: FunctionBuilder): { data: IrValue; end: IrValue } {
  return { data: b.load('u32', b.param(0), 76, 'context'), end: b.load('u32', b.param(0), 80, 'context') };
}

function need(b: FunctionBuilder, pointer: IrValue, bytes: number, end: IrValue, verdict: number): void {
  leave(b, 'jgt', b.alu('add', pointer, b.constant(bytes)), end, verdict);
}

function leave(b: FunctionBuilder, compare: 'jgt' | 'jne', left: IrValue, right: IrValue, verdict: number): void {
  const [out, stay] = [b.block(), b.block()];
  b.branch(compare, left, right, out, stay, { unlikely: 'yes' });
  b.enter(out);
  b.return(b.constant(verdict));
  b.enter(stay);
}

/** Three headers, with a question in between. */
function headers(verdict: number, between: number, effect: boolean): (b: FunctionBuilder) => void {
  return (b) => {
    const { data, end } = packet(b);
    need(b, data, 14, end, verdict);
    if (effect) b.store('u8', data, 0, b.constant(1), 'packet');
    leave(b, 'jne', b.load('u16', data, 12, 'packet'), b.constant(8), between);
    need(b, data, 34, end, verdict);
    need(b, data, 54, end, verdict);
    b.return(b.load('u8', data, 53, 'packet'));
  };
}

const checks = (text: string): number => text.split('-->')[1]?.match(/branch jgt64/g)?.length ?? 0;

it('asks once for all of it', () => {
  expect(change(headers(-1, -1, false), optimise)).toMatchInlineSnapshot(`
    "f(p0, p1)
    b0:
      v0 = load u32 context p0 + 76
      v1 = load u32 context p0 + 80
      v2 = add64 v0, 14
      branch jgt64 v2, v1 ? b1 (unlikely) : b2
    b1:
      return -1
    b2:
      v3 = load u16 packet v0 + 12
      branch jne64 v3, 8 ? b3 (unlikely) : b4
    b3:
      return -1
    b4:
      v4 = add64 v0, 34
      branch jgt64 v4, v1 ? b5 (unlikely) : b6
    b5:
      return -1
    b6:
      v5 = add64 v0, 54
      branch jgt64 v5, v1 ? b7 (unlikely) : b8
    b7:
      return -1
    b8:
      v6 = load u8 packet v0 + 53
      return v6
    -->
    f(p0, p1)
    b0:
      v0 = load u32 context p0 + 76
      v1 = load u32 context p0 + 80
      v2 = add64 v0, 54
      branch jgt64 v2, v1 ? b1 (unlikely) : b2
    b1:
      return -1
    b2:
      v3 = load u16 packet v0 + 12
      branch jne64 v3, 8 ? b3 (unlikely) : b4
    b3:
      return -1
    b4:
      v4 = load u8 packet v0 + 53
      return v4"
  `);
});

it('keeps a check apart where something happens before the next, or a way out ends otherwise', () => {
  expect(checks(change(headers(-1, -1, false), optimise))).toBe(1);
  expect(checks(change(headers(-1, 2, false), optimise))).toBe(2);
  expect(checks(change(headers(-1, -1, true), optimise))).toBe(2);
});

it('leaves alone what is no check of a packet', () => {
  const text = change((b) => {
    const limit = b.param(1);
    need(b, b.param(0), 14, limit, 0);
    need(b, b.param(0), 34, limit, 0);
    b.return(b.constant(1));
  }, mergeOnly);
  const [before, after] = text.split('\n-->\n');
  expect(after).toBe(before);
});

function mergeOnly(fn: IrFunction): void {
  mergeBoundsChecks(fn);
}
