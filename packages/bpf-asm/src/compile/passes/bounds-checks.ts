import { predecessorsOf } from '../ir/graph.ts';
import type { IrBlock, IrBranch, IrFunction, IrInstruction, IrValue } from '../ir/ir.ts';
import { isRemovable } from '../ir/operands.ts';
import { extent } from './implied-branches.ts';

/**
 * Makes one bounds check of several on the same pointer that fail the same way, with no effect in between and no way out that ends otherwise: the first one asks
 * for the bytes of the largest, the others are implied by it. The pointer itself is not touched, since what the verifier knows hangs on it.
 */
export function mergeBoundsChecks(fn: IrFunction): void {
  const predecessors = predecessorsOf(fn);
  for (const block of fn.blocks) {
    const first = checkOf(block);
    if (first === undefined) continue;
    let most = first.bytes;
    for (const later of followers(block, first, predecessors)) if (later.bytes > most) most = later.bytes;
    if (most === first.bytes) continue;
    const { branch } = first;
    const whole: IrInstruction = {
      op: 'alu',
      id: fn.newId(),
      source: branch.source,
      alu: 'add',
      width: 64,
      a: first.pointer,
      b: fn.constant(most),
    };
    block.instructions.push(whole);
    branch.a = whole;
  }
}

/** A check that `bytes` bytes from a pointer on are there. */
interface Check {
  readonly branch: IrBranch;
  readonly pointer: IrValue;
  readonly bytes: bigint;
  readonly end: IrValue;
  readonly fails: IrBlock;
  readonly passes: IrBlock;
}

function checkOf(block: IrBlock): Check | undefined {
  const { terminator } = block;
  if (terminator.op !== 'branch' || terminator.compare !== 'jgt' || terminator.width !== 64) return undefined;
  if (!isPacketEnd(terminator.b)) return undefined;
  const found = extent(terminator.a);
  if (found === undefined || found.bytes <= 0n) return undefined;
  return { ...found, branch: terminator, end: terminator.b, fails: terminator.yes, passes: terminator.no };
}

/** The end of the packet is a field of the context, which the program compares pointers with. */
function isPacketEnd(value: IrValue): boolean {
  return value.op === 'load' && value.memory === 'context';
}

/** The checks of the same pointer that come after one, while nothing has an effect and every other way out is as the check's failure. */
function* followers(
  block: IrBlock,
  first: Check,
  predecessors: ReadonlyMap<IrBlock, readonly IrBlock[]>,
): Generator<Check> {
  let at = first.passes;
  for (;;) {
    if (at === block || predecessors.get(at)?.length !== 1 || !at.instructions.every(isRemovable)) return;
    const { terminator } = at;
    if (terminator.op !== 'branch') return;
    const next = checkOf(at);
    const [yesFails, noFails] = [failAlike(terminator.yes, first.fails), failAlike(terminator.no, first.fails)];
    if (yesFails === noFails) return;
    if (yesFails && next !== undefined && next.pointer === first.pointer && next.end === first.end) yield next;
    at = yesFails ? terminator.no : terminator.yes;
  }
}

/** Tells whether two blocks are one, or return the same and do nothing else. */
function failAlike(a: IrBlock, b: IrBlock): boolean {
  if (a === b) return a.phis.length === 0;
  if (a.terminator.op !== 'return' || b.terminator.op !== 'return') return false;
  return a.instructions.length + b.instructions.length === 0 && a.terminator.value === b.terminator.value;
}
