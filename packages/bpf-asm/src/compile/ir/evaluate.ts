import type { EndOp, JumpOp, Width } from '../../isa/index.ts';
import type { IrAluOp } from './ir.ts';

/** What an arithmetic operation gives for constants: 64-bit patterns in and out. Division by zero gives 0, its remainder the dividend (RFC 9669 section 4.1). */
export function evaluateAlu(op: IrAluOp, width: Width, left: bigint, right: bigint): bigint {
  const a = BigInt.asUintN(width, left);
  const b = BigInt.asUintN(width, right);
  return BigInt.asUintN(width, alu(op, width, a, b));
}

function alu(op: IrAluOp, width: Width, a: bigint, b: bigint): bigint {
  const shift = b & BigInt(width - 1);
  switch (op) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'div':
      return b === 0n ? 0n : a / b;
    case 'mod':
      return b === 0n ? a : a % b;
    case 'sdiv':
      return b === 0n ? 0n : BigInt.asIntN(width, a) / BigInt.asIntN(width, b);
    case 'smod':
      return b === 0n ? a : BigInt.asIntN(width, a) % BigInt.asIntN(width, b);
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'lsh':
      return a << shift;
    case 'rsh':
      return a >> shift;
    case 'arsh':
      return BigInt.asIntN(width, a) >> shift;
  }
}

/** `-a` for a constant. */
export function evaluateNeg(width: Width, a: bigint): bigint {
  return BigInt.asUintN(width, -a);
}

/** A sign or zero extension of a constant. */
export function evaluateExtend(op: 'sext' | 'zext', bits: number, a: bigint): bigint {
  return op === 'zext' ? BigInt.asUintN(bits, a) : BigInt.asUintN(64, BigInt.asIntN(bits, a));
}

/** A byte swap of a constant, on a little-endian machine. */
export function evaluateSwap(op: EndOp, bits: number, a: bigint): bigint {
  const value = BigInt.asUintN(bits, a);
  if (op === 'le') return value;
  let swapped = 0n;
  for (let bit = 0; bit < bits; bit += 8) swapped = (swapped << 8n) | ((value >> BigInt(bit)) & 0xffn);
  return swapped;
}

/** Tells whether a conditional jump is taken for constants. */
export function evaluateCompare(op: JumpOp, width: Width, left: bigint, right: bigint): boolean {
  const signed = op.startsWith('js') && op !== 'jset';
  const a = signed ? BigInt.asIntN(width, left) : BigInt.asUintN(width, left);
  const b = signed ? BigInt.asIntN(width, right) : BigInt.asUintN(width, right);
  switch (op) {
    case 'jeq':
      return a === b;
    case 'jne':
      return a !== b;
    case 'jset':
      return (a & b) !== 0n;
    case 'jgt':
    case 'jsgt':
      return a > b;
    case 'jge':
    case 'jsge':
      return a >= b;
    case 'jlt':
    case 'jslt':
      return a < b;
    case 'jle':
    case 'jsle':
      return a <= b;
  }
}
