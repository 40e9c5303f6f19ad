import type { JumpOp } from '../../isa/index.ts';
import { isSigned, SWAPPED_COMPARE } from '../ir/compare.ts';
import { evaluateCompare, evaluateSwap } from '../ir/evaluate.ts';
import type { IrBranch, IrConst, IrSwap, IrValue } from '../ir/ir.ts';
import { fitsLowHalf, ones, possibleBits } from './known-bits.ts';
import type { Rewriter } from './rewriter.ts';

/** The rules for the comparison of one branch, which is changed in place. A branch that is decided compares constants afterwards. */
export function simplifyBranch(r: Rewriter, branch: IrBranch): void {
  if (branch.a.op === 'const' && branch.b.op === 'const') return;
  if (branch.a.op === 'const') {
    change(r, branch, SWAPPED_COMPARE[branch.compare], branch.b, branch.a);
  }
  dropExtensions(r, branch);
  if (branch.a === branch.b && branch.compare !== 'jset') {
    const holds = evaluateCompare(branch.compare, 64, 0n, 0n);
    change(r, branch, 'jeq', r.constant(holds ? 1 : 0), r.constant(1));
    return;
  }
  if (branch.b.op === 'const') withConstant(r, branch, branch.b);
  else bothSwapped(r, branch);
}

function change(r: Rewriter, branch: IrBranch, compare: JumpOp, a: IrValue, b: IrValue): void {
  branch.compare = compare;
  branch.a = a;
  branch.b = b;
  r.changed = true;
}

function isEquality(compare: JumpOp): boolean {
  return compare === 'jeq' || compare === 'jne';
}

/** A comparison of extended halves is a comparison of halves. */
function dropExtensions(r: Rewriter, branch: IrBranch): void {
  const wanted = isSigned(branch.compare) ? 'sext' : 'zext';
  // Where the extended value has other uses, it stays the one that is compared: the verifier learns its range from that.
  const stripped = (value: IrValue): IrValue | undefined => {
    if (
      (value.op === 'zext' || value.op === 'sext') &&
      value.bits === 32 &&
      r.usedOnce(value) &&
      (branch.width === 32 || value.op === wanted)
    ) {
      return value.a;
    }
    if (branch.width === 32) return value;
    if (value.op === 'const') {
      const half = wanted === 'sext' ? BigInt.asUintN(64, BigInt.asIntN(32, value.value)) : value.value & ones(32);
      return half === value.value ? value : undefined;
    }
    return wanted === 'zext' && fitsLowHalf(value) ? value : undefined;
  };
  const [a, b] = [stripped(branch.a), stripped(branch.b)];
  if (a === undefined || b === undefined || (a === branch.a && b === branch.b)) return;
  branch.width = 32;
  change(r, branch, branch.compare, a, b);
}

function withConstant(r: Rewriter, branch: IrBranch, b: IrConst): void {
  const { compare, width, a } = branch;
  const value = BigInt.asUintN(width, b.value);
  const possible = possibleBits(a) & ones(width);
  const decided = decide(compare, possible, value, width);
  if (decided !== undefined) {
    change(r, branch, 'jeq', r.constant(decided ? 1 : 0), r.constant(1));
    return;
  }
  if (compare === 'jgt' && value === 0n) change(r, branch, 'jne', a, b);
  else if (compare === 'jle' && value === 0n) change(r, branch, 'jeq', a, b);
  else if (compare === 'jge' && value === 1n) change(r, branch, 'jne', a, r.constant(0));
  else if (compare === 'jlt' && value === 1n) change(r, branch, 'jeq', a, r.constant(0));
  // Immediates are signed: a constant with bit 31 is one only for a comparison of halves.
  else if (width === 64 && value > ones(31) && value <= ones(32) && possible <= ones(32) && !isSigned(compare)) {
    branch.width = 32;
    r.changed = true;
  } else if (a.op === 'swap' && a.swap === 'be') swapped(r, branch, a, value);
  else if (isEquality(compare) && a.op === 'alu' && a.alu === 'and' && a.b.op === 'const')
    masked(r, branch, a.b, value);
  else if (compare === 'jset' && a.op === 'alu' && a.alu === 'and' && a.b.op === 'const' && a.width >= width) {
    change(r, branch, 'jset', a.a, r.constant(a.b.value & value));
  }
}

/** What a comparison comes to if the bits that may be 1 decide it. */
function decide(compare: JumpOp, possible: bigint, value: bigint, width: number): boolean | undefined {
  switch (compare) {
    case 'jeq':
      return (value & ~possible) === 0n ? undefined : false;
    case 'jne':
      return (value & ~possible) === 0n ? undefined : true;
    case 'jset':
      return (possible & value) === 0n ? false : undefined;
    case 'jgt':
      return possible <= value ? false : undefined;
    case 'jle':
      return possible <= value ? true : undefined;
    case 'jge':
      return value === 0n ? true : possible < value ? false : undefined;
    case 'jlt':
      return value === 0n ? false : possible < value ? true : undefined;
    case 'jslt':
      return possible <= ones(width - 1) && value === 0n ? false : undefined;
    case 'jsge':
      return possible <= ones(width - 1) && value === 0n ? true : undefined;
    default:
      return undefined;
  }
}

/** Compares what is not swapped with the swapped constant. */
function swapped(r: Rewriter, branch: IrBranch, { a, bits }: IrSwap, value: bigint): void {
  if (!isEquality(branch.compare) && branch.compare !== 'jset') return;
  if (branch.width < bits) return;
  const constant = r.constant(evaluateSwap('be', bits, value));
  if (branch.compare === 'jset' || possibleBits(a) <= ones(bits)) change(r, branch, branch.compare, a, constant);
}

/** `x & mask` compared with a constant: a test of bits where the constant is 0; without swaps of `x` in any case. */
function masked(r: Rewriter, branch: IrBranch, mask: IrConst, value: bigint): void {
  const { a } = branch;
  if (a.op !== 'alu') return;
  const width = Math.min(a.width, branch.width);
  const bits = BigInt.asUintN(width, mask.value);
  if (value === 0n && r.usedOnce(a)) {
    if (branch.compare === 'jeq') invert(branch);
    // The mask has no bits beyond the narrower width, so that the wider comparison sees the same.
    change(r, branch, 'jset', a.a, r.constant(bits));
    if (bits > ones(31) && bits <= ones(32)) branch.width = 32;
    return;
  }
  const inner = a.a;
  if (inner.op !== 'swap' || inner.swap !== 'be' || !r.usedOnce(a) || a.width < inner.bits || branch.width < inner.bits)
    return;
  const unswapped = r.alu('and', 64, inner.a, r.constant(evaluateSwap('be', inner.bits, bits)));
  change(r, branch, branch.compare, unswapped, r.constant(evaluateSwap('be', inner.bits, value)));
}

function invert(branch: IrBranch): void {
  [branch.yes, branch.no] = [branch.no, branch.yes];
  if (branch.unlikely !== undefined) branch.unlikely = branch.unlikely === 'yes' ? 'no' : 'yes';
}

function bothSwapped(r: Rewriter, branch: IrBranch): void {
  const { a, b, compare } = branch;
  if (!isEquality(compare) || a.op !== 'swap' || b.op !== 'swap' || a.swap !== 'be' || b.swap !== 'be') return;
  if (a.bits !== b.bits || branch.width < a.bits) return;
  if (possibleBits(a.a) <= ones(a.bits) && possibleBits(b.a) <= ones(a.bits)) change(r, branch, compare, a.a, b.a);
}
