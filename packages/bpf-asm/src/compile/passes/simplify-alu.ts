import type { IrAlu, IrAluOp, IrConst, IrValue } from '../ir/ir.ts';
import { evaluateAlu } from '../ir/evaluate.ts';
import { fitsLowHalf, ones, possibleBits } from './known-bits.ts';
import type { Rewriter } from './rewriter.ts';

const COMMUTATIVE: ReadonlySet<IrAluOp> = new Set<IrAluOp>(['add', 'mul', 'and', 'or', 'xor']);
const ASSOCIATIVE = COMMUTATIVE;
/** Operations whose low half follows from the low halves of the operands. */
const FROM_LOW_BITS: ReadonlySet<IrAluOp> = new Set<IrAluOp>(['add', 'sub', 'mul', 'and', 'or', 'xor', 'lsh']);

/** The rules for one arithmetic operation. Returns what stands for it, itself where nothing is better. */
export function simplifyAlu(r: Rewriter, i: IrAlu): IrValue {
  if (i.a.op === 'const' && COMMUTATIVE.has(i.alu)) {
    [i.a, i.b] = [i.b, i.a];
    r.changed = true;
  }
  if (i.width === 32) dropExtensions(r, i);
  if (i.b.op === 'const') return withConstant(r, i, i.b);
  if (i.a === i.b) return withItself(r, i);
  return i;
}

/** Operations on 32 bits do not look at the upper halves. */
function dropExtensions(r: Rewriter, i: IrAlu): void {
  const strip = (value: IrValue): IrValue => {
    if ((value.op !== 'zext' && value.op !== 'sext') || value.bits !== 32) return value;
    r.changed = true;
    return value.a;
  };
  i.a = strip(i.a);
  i.b = strip(i.b);
}

function withItself(r: Rewriter, i: IrAlu): IrValue {
  if (i.alu === 'sub' || i.alu === 'xor') return r.constant(0);
  return i.alu === 'and' || i.alu === 'or' ? whole(r, i) : i;
}

/** The first operand as the operation would leave it: its upper half is gone where the width is 32. */
function whole(r: Rewriter, { width, a }: IrAlu): IrValue {
  return width === 64 || fitsLowHalf(a) ? a : r.extend('zext', 32, a);
}

function withConstant(r: Rewriter, i: IrAlu, b: IrConst): IrValue {
  const { alu, width, a } = i;
  const value = BigInt.asUintN(width, b.value);
  const shift = alu === 'lsh' || alu === 'rsh' || alu === 'arsh';
  if (shift && value >= BigInt(width)) return r.alu(alu, width, a, r.constant(value & BigInt(width - 1)));
  if (isNeutral(alu, value, width)) return whole(r, i);
  const nested = a.op === 'alu' && a.width === width && a.b.op === 'const' ? a : undefined;
  if (nested !== undefined && nested.alu === alu && ASSOCIATIVE.has(alu)) {
    return r.alu(alu, width, nested.a, r.constant(evaluateAlu(alu, width, (nested.b as IrConst).value, value)));
  }
  switch (alu) {
    case 'sub':
      return r.alu('add', width, a, negated(r, width, value));
    case 'mul':
      if (value === 0n) return r.constant(0);
      return isPower(value) ? r.alu('lsh', width, a, r.constant(log2(value))) : i;
    case 'div':
      if (value === 0n) return r.constant(0);
      return isPower(value) ? r.alu('rsh', width, a, r.constant(log2(value))) : i;
    case 'mod':
      if (value === 0n) return whole(r, i);
      return isPower(value) ? r.alu('and', width, a, r.constant(value - 1n)) : i;
    case 'and':
      return mask(r, i, value);
    case 'or':
      return value === ones(width) ? r.constant(value) : i;
    case 'lsh':
    case 'rsh':
      return shiftBy(r, i, value, nested);
    default:
      return i;
  }
}

function isNeutral(alu: IrAluOp, value: bigint, width: number): boolean {
  switch (alu) {
    case 'add':
    case 'sub':
    case 'or':
    case 'xor':
    case 'lsh':
    case 'rsh':
    case 'arsh':
      return value === 0n;
    case 'mul':
    case 'div':
    case 'sdiv':
      return value === 1n;
    case 'and':
      return value === ones(width);
    default:
      return false;
  }
}

/** A 32-bit number is kept in its signed form: immediates are signed. */
function negated(r: Rewriter, width: number, value: bigint): IrConst {
  return r.constant(BigInt.asUintN(64, BigInt.asIntN(width, -value)));
}

function isPower(value: bigint): boolean {
  return value > 0n && (value & (value - 1n)) === 0n;
}

function log2(power: bigint): number {
  return power.toString(2).length - 1;
}

function mask(r: Rewriter, i: IrAlu, value: bigint): IrValue {
  const { a, width } = i;
  const possible = possibleBits(a) & ones(width);
  if ((possible & value) === 0n) return r.constant(0);
  if ((possible & ~value) === 0n) return whole(r, i);
  if (width === 64 && value === ones(32)) return r.extend('zext', 32, a);
  // The immediate of a 64-bit operation is signed; where bit 31 is in the mask, only the 32-bit form has it.
  if (width === 64 && value > ones(31) && value <= ones(32)) return r.alu('and', 32, a, i.b);
  if ((a.op === 'zext' || a.op === 'sext') && value <= ones(a.bits)) return r.alu('and', width, a.a, i.b);
  if (
    a.op === 'alu' &&
    a.width === 64 &&
    width === 32 &&
    FROM_LOW_BITS.has(a.alu) &&
    r.usedOnce(a) &&
    a.alu !== 'lsh'
  ) {
    return r.alu('and', 32, r.alu(a.alu, 32, a.a, a.b), i.b);
  }
  return i;
}

function shiftBy(r: Rewriter, i: IrAlu, value: bigint, nested: IrAlu | undefined): IrValue {
  const { alu, width, a } = i;
  if ((possibleBits(i, 4) & ones(width)) === 0n) return r.constant(0);
  if (nested === undefined) return i;
  const inner = (nested.b as IrConst).value & BigInt(width - 1);
  if (nested.alu === alu) {
    const sum = inner + value;
    return sum >= BigInt(width) ? r.constant(0) : r.alu(alu, width, nested.a, r.constant(sum));
  }
  // Up and down by as much: only a mask is left.
  const down = alu === 'rsh' && nested.alu === 'lsh' && inner === value;
  if (!down) return i;
  const kept = ones(width - Number(value));
  return a.op === 'alu' && kept <= ones(31) ? r.alu('and', width, nested.a, r.constant(kept)) : i;
}
