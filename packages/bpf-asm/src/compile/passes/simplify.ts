import { evaluateAlu, evaluateExtend, evaluateNeg, evaluateSwap } from '../ir/evaluate.ts';
import type { IrExtend, IrFunction, IrInstruction, IrLoad, IrNeg, IrStore, IrSwap, IrValue } from '../ir/ir.ts';
import { countUses } from '../ir/operands.ts';
import { ones, possibleBits } from './known-bits.ts';
import { Rewriter } from './rewriter.ts';
import { simplifyAlu } from './simplify-alu.ts';
import { simplifyBranch } from './simplify-branch.ts';

/** More rounds than any function has needed: every round makes it smaller. */
const MOST_ROUNDS = 32;

/**
 * Folds operations on constants, leaves out those that change nothing (`x + 0`, extensions of what is extended already, two swaps), and takes cheaper ones
 * where there are some (`x * 8` becomes `x << 3`, a swapped number compared with a constant becomes the number compared with the swapped constant).
 * Offsets that are added to addresses go into the loads and stores.
 */
export function simplify(fn: IrFunction): void {
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const rewriter = new Rewriter(fn, countUses(fn));
    rewriter.run(
      (instruction) => simplifyInstruction(rewriter, instruction),
      (block) => {
        if (block.terminator.op === 'branch') simplifyBranch(rewriter, block.terminator);
      },
    );
    if (!rewriter.changed) return;
  }
}

function simplifyInstruction(r: Rewriter, i: IrInstruction): IrValue {
  switch (i.op) {
    case 'alu':
      if (i.a.op === 'const' && i.b.op === 'const')
        return r.constant(evaluateAlu(i.alu, i.width, i.a.value, i.b.value));
      return simplifyAlu(r, i);
    case 'neg':
      return negation(r, i);
    case 'zext':
    case 'sext':
      return extension(r, i);
    case 'swap':
      return swap(r, i);
    case 'load':
      address(r, i);
      return i;
    case 'store':
      address(r, i);
      store(r, i);
      return i;
    case 'atomic':
      if (i.base.op === 'alu') address(r, i);
      return i;
    case 'call':
      return i;
  }
}

function negation(r: Rewriter, i: IrNeg): IrValue {
  if (i.a.op === 'const') return r.constant(evaluateNeg(i.width, i.a.value));
  return i.a.op === 'neg' && i.a.width === 64 && i.width === 64 ? i.a.a : i;
}

/** Operations whose low bits follow from the low bits of the operands. */
const FROM_LOW_BITS: ReadonlySet<string> = new Set(['add', 'sub', 'mul', 'and', 'or', 'xor']);

function extension(r: Rewriter, i: IrExtend): IrValue {
  const { a, bits, op } = i;
  if (a.op === 'const') return r.constant(evaluateExtend(op, bits, a.value));
  const possible = possibleBits(a);
  if (possible <= ones(op === 'zext' ? bits : bits - 1)) return a;
  if ((a.op === 'zext' || a.op === 'sext') && a.bits >= bits) return r.extend(op, bits, a.a);
  if (a.op === 'sext' && op === 'sext') return a;
  if (op === 'sext') {
    // A load can do it by itself.
    if (a.op === 'load' && r.usedOnce(a) && a.type === `u${bits}`) {
      a.type = `s${bits}` as IrLoad['type'];
      r.changed = true;
      return a;
    }
    return a.op === 'load' && a.type === `s${bits}` ? a : i;
  }
  if (bits === 32 && a.op === 'alu' && a.width === 64 && FROM_LOW_BITS.has(a.alu) && r.usedOnce(a)) {
    return r.alu(a.alu, 32, a.a, a.b);
  }
  return i;
}

function swap(r: Rewriter, i: IrSwap): IrValue {
  const { a, bits } = i;
  if (a.op === 'const') return r.constant(evaluateSwap(i.swap, bits, a.value));
  if (i.swap === 'le') return bits === 64 ? a : r.extend('zext', bits, a);
  if (i.swap === 'bswap') return r.swap(bits, a);
  if (a.op === 'swap' && a.swap === 'be' && a.bits === bits) return bits === 64 ? a.a : r.extend('zext', bits, a.a);
  // The bits beyond are not looked at.
  if (a.op === 'zext' && a.bits >= bits) return r.swap(bits, a.a);
  return i;
}

/** Takes what is added to the base into the offset, as far as that reaches. */
function address(r: Rewriter, i: { base: IrValue; offset: number }): void {
  while (i.base.op === 'alu' && i.base.alu === 'add' && i.base.width === 64 && i.base.b.op === 'const') {
    const offset = BigInt(i.offset) + BigInt.asIntN(64, i.base.b.value);
    if (offset < -0x8000n || offset > 0x7fffn) return;
    i.offset = Number(offset);
    i.base = i.base.a;
    r.changed = true;
  }
  if (i.base.op !== 'map_value' || i.base.offset === 0) return;
  // One address for all that is in a value, so that it is loaded once.
  const offset = i.offset + i.base.offset;
  if (offset > 0x7fff) return;
  i.offset = offset;
  i.base = r.fn.mapValue(i.base.name, 0);
  r.changed = true;
}

/** What only changes bits that are not stored is left out. */
function store(r: Rewriter, i: IrStore): void {
  const bits = Number(i.type.slice(1));
  for (;;) {
    const { value } = i;
    const extended = (value.op === 'zext' || value.op === 'sext') && value.bits >= bits;
    const masked = value.op === 'alu' && value.alu === 'and' && value.b.op === 'const' && covers(value.b.value, bits);
    if (!extended && !masked) return;
    i.value = value.a;
    r.changed = true;
  }
}

function covers(mask: bigint, bits: number): boolean {
  return (mask & ones(bits)) === ones(bits);
}
