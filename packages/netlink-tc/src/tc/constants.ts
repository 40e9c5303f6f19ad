import type { Alu, Jump, Width } from 'bpf-asm';

/** The numbers that a register may hold, as unsigned 64-bit values; undefined where they cannot be told. */
export type Possible = readonly bigint[] | undefined;

/** So many values are told apart; more are "any". */
const MOST = 16;

/** Either of two. */
export function either(a: Possible, b: Possible): Possible {
  if (a === undefined || b === undefined) return undefined;
  const all = [...new Set([...a, ...b])].toSorted((x, y) => (x < y ? -1 : 1));
  return all.length > MOST ? undefined : all;
}

/** The same values. */
export function same(a: Possible, b: Possible): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

/** An immediate as the machine widens it. */
export function immediate(value: number, width: Width): bigint {
  return BigInt.asUintN(width, BigInt(value));
}

/** Each value by `f`, cut to a width. */
export function mapPossible(values: Possible, width: Width, f: (value: bigint) => bigint): Possible {
  if (values === undefined) return undefined;
  return either(
    [],
    values.map((value) => BigInt.asUintN(width, f(BigInt.asUintN(width, value)))),
  );
}

/** What an operation of two makes of all pairs. */
export function combine(op: Alu['op'], width: Width, a: Possible, b: Possible): Possible {
  if (op === 'mov') return mapPossible(b, width, (value) => value);
  if (a === undefined || b === undefined || a.length * b.length > MOST * 4) return undefined;
  const results: bigint[] = [];
  for (const x of a) {
    for (const y of b) {
      const result = compute(op, width, BigInt.asUintN(width, x), BigInt.asUintN(width, y));
      if (result === undefined) return undefined;
      results.push(BigInt.asUintN(width, result));
    }
  }
  return either([], results);
}

/** RFC 9669 section 4.1, for operands already cut to the width. */
function compute(op: Alu['op'], width: Width, x: bigint, y: bigint): bigint | undefined {
  const shift = y & BigInt(width - 1);
  const signed = (value: bigint): bigint => BigInt.asIntN(width, value);
  switch (op) {
    case 'add':
      return x + y;
    case 'sub':
      return x - y;
    case 'mul':
      return x * y;
    case 'div':
      return y === 0n ? 0n : x / y;
    case 'mod':
      return y === 0n ? x : x % y;
    case 'sdiv':
      return y === 0n ? 0n : signed(x) / signed(y);
    case 'smod':
      return y === 0n ? x : signed(x) % signed(y);
    case 'or':
      return x | y;
    case 'and':
      return x & y;
    case 'xor':
      return x ^ y;
    case 'lsh':
      return x << shift;
    case 'rsh':
      return x >> shift;
    case 'arsh':
      return signed(x) >> shift;
    default:
      return undefined;
  }
}

/** Whether a comparison holds (RFC 9669 section 4.3). */
export function holds(op: Jump['op'], width: Width, left: bigint, right: bigint): boolean {
  const [x, y] = [BigInt.asUintN(width, left), BigInt.asUintN(width, right)];
  const [sx, sy] = [BigInt.asIntN(width, left), BigInt.asIntN(width, right)];
  switch (op) {
    case 'jeq':
      return x === y;
    case 'jne':
      return x !== y;
    case 'jset':
      return (x & y) !== 0n;
    case 'jgt':
      return x > y;
    case 'jge':
      return x >= y;
    case 'jlt':
      return x < y;
    case 'jle':
      return x <= y;
    case 'jsgt':
      return sx > sy;
    case 'jsge':
      return sx >= sy;
    case 'jslt':
      return sx < sy;
    case 'jsle':
      return sx <= sy;
  }
}
