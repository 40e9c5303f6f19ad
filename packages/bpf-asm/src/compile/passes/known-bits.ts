import type { IrAlu, IrValue } from '../ir/ir.ts';

const ALL = (1n << 64n) - 1n;
const LOW_HALF = 0xffff_ffffn;
/** How many operations deep it looks: further is rarely worth the time. */
const DEPTH = 6;

/** The bits of a value that may be 1: a mask. All others are 0, whatever the program does. */
export function possibleBits(value: IrValue, depth: number = DEPTH): bigint {
  if (value.op === 'const') return value.value;
  if (depth === 0) return ALL;
  switch (value.op) {
    case 'load':
      return value.type.startsWith('u') ? ones(Number(value.type.slice(1))) : ALL;
    case 'zext':
      return ones(value.bits) & possibleBits(value.a, depth - 1);
    case 'swap':
      return value.swap === 'le' ? ones(value.bits) & possibleBits(value.a, depth - 1) : ones(value.bits);
    case 'neg':
      return ones(value.width);
    case 'atomic':
      return ones(value.width);
    case 'phi': {
      let bits = 0n;
      for (const input of value.inputs)
        if (input.value !== value) bits |= possibleBits(input.value, Math.min(depth - 1, 2));
      return bits;
    }
    case 'alu':
      return alu(value, depth - 1);
    default:
      return ALL;
  }
}

/** A mask of the lowest bits. */
export function ones(bits: number): bigint {
  return (1n << BigInt(bits)) - 1n;
}

function alu({ alu: op, width, a, b }: IrAlu, depth: number): bigint {
  const mask = ones(width);
  const left = possibleBits(a, depth) & mask;
  const right = possibleBits(b, depth) & mask;
  switch (op) {
    case 'and':
      return left & right;
    case 'or':
    case 'xor':
      return left | right;
    case 'add':
      return below(left + right) & mask;
    case 'mul':
      return below(left * right) & mask;
    case 'div':
      return below(left);
    case 'mod':
      return b.op === 'const' && right > 0n ? below(right - 1n) & below(left) : below(left);
    case 'rsh':
      return b.op === 'const' ? left >> (right & BigInt(width - 1)) : below(left);
    case 'lsh':
      return b.op === 'const' ? (left << (right & BigInt(width - 1))) & mask : mask;
    default:
      return mask;
  }
}

/** A mask that covers every number up to `most`. */
function below(most: bigint): bigint {
  return ones(most === 0n ? 0 : most.toString(2).length) & ALL;
}

/** Tells whether the upper half of a value is always 0. */
export function fitsLowHalf(value: IrValue): boolean {
  return possibleBits(value) <= LOW_HALF;
}
