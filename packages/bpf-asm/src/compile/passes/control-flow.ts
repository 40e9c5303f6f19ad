import { evaluateCompare } from '../ir/evaluate.ts';
import { predecessorsOf, removeUnreachable, successorsOf } from '../ir/graph.ts';
import type { IrBlock, IrBranch, IrFunction, IrValue } from '../ir/ir.ts';
import { countUses, inputFrom, isLeaf, replaceValues } from '../ir/operands.ts';
import { redirect } from './redirect.ts';

/**
 * Makes the graph of blocks smaller: a block that only its one predecessor leads to becomes part of it, one that only leads on is skipped, a branch that
 * the path decides is not reached by that path (jump threading), a return of one of several values becomes several returns, and phis of one value go.
 */
export function simplifyControlFlow(fn: IrFunction): void {
  for (let changed = true; changed;) {
    removeUnreachable(fn);
    changed = foldBranches(fn);
    changed = dropTrivialPhis(fn) || changed;
    changed = threadJumps(fn) || changed;
    changed = splitReturns(fn) || changed;
    changed = skipEmpty(fn) || changed;
    changed = merge(fn) || changed;
  }
  removeUnreachable(fn);
}

/** Branches on constants, and branches to one block either way. */
function foldBranches(fn: IrFunction): boolean {
  let changed = false;
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (terminator.op !== 'branch') continue;
    const { compare, width, a, b, yes, no, source } = terminator;
    if (yes === no) block.terminator = { op: 'jump', to: yes, source };
    else if (a.op === 'const' && b.op === 'const') {
      const holds = evaluateCompare(compare, width, a.value, b.value);
      const [to, gone] = holds ? [yes, no] : [no, yes];
      for (const phi of gone.phis) phi.inputs = phi.inputs.filter((input) => input.block !== block);
      block.terminator = { op: 'jump', to, source };
    } else continue;
    changed = true;
  }
  if (changed) removeUnreachable(fn);
  return changed;
}

function dropTrivialPhis(fn: IrFunction): boolean {
  const replaced = new Map<IrValue, IrValue>();
  const resolve = (value: IrValue): IrValue => {
    let last = value;
    for (let next = replaced.get(last); next !== undefined; next = replaced.get(last)) last = next;
    return last;
  };
  for (const block of fn.blocks) {
    block.phis = block.phis.filter((phi) => {
      const values = new Set(phi.inputs.map((input) => resolve(input.value)));
      values.delete(phi);
      const [only] = values;
      if (values.size !== 1 || only === undefined) return true;
      replaced.set(phi, only);
      return false;
    });
  }
  replaceValues(fn, replaced);
  return replaced.size > 0;
}

/** A block with nothing but phis and a branch that a predecessor decides: the predecessor goes where the branch would. */
function threadJumps(fn: IrFunction): boolean {
  let changed = false;
  const predecessors = predecessorsOf(fn);
  let uses = countUses(fn);
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (terminator.op !== 'branch' || block.instructions.length > 0 || !staysLocal(block, uses)) continue;
    for (const predecessor of predecessors.get(block) ?? []) {
      if (predecessor === block || !successorsOf(predecessor.terminator).includes(block)) continue;
      const to = decided(terminator, block, predecessor);
      if (to === undefined || to === block || !redirect(predecessor, block, to)) continue;
      uses = countUses(fn);
      changed = true;
    }
  }
  if (changed) removeUnreachable(fn);
  return changed;
}

/** Tells whether a block's phis are used by its own branch and by the phis of its successors only. */
function staysLocal(block: IrBlock, uses: ReadonlyMap<IrValue, number>): boolean {
  const { terminator } = block;
  return block.phis.every((phi) => {
    let here = 0;
    if (terminator.op === 'branch') here += (terminator.a === phi ? 1 : 0) + (terminator.b === phi ? 1 : 0);
    for (const successor of successorsOf(terminator)) {
      for (const other of successor.phis) if (inputFrom(other, block) === phi) here++;
    }
    return here === (uses.get(phi) ?? 0);
  });
}

function decided(branch: IrBranch, block: IrBlock, from: IrBlock): IrBlock | undefined {
  const valueOf = (value: IrValue): IrValue | undefined =>
    value.op === 'phi' && block.phis.includes(value) ? inputFrom(value, from) : value;
  const [a, b] = [valueOf(branch.a), valueOf(branch.b)];
  if (a?.op === 'const' && b?.op === 'const') {
    return evaluateCompare(branch.compare, branch.width, a.value, b.value) ? branch.yes : branch.no;
  }
  // The predecessor has just asked the same question.
  const { terminator } = from;
  if (terminator.op !== 'branch' || terminator.yes === terminator.no) return undefined;
  const same =
    terminator.compare === branch.compare &&
    terminator.width === branch.width &&
    terminator.a === a &&
    terminator.b === b;
  if (!same) return undefined;
  return terminator.yes === block ? branch.yes : branch.no;
}

/** A block that only returns one of several values: each path returns its own, those with the same constant together. */
function splitReturns(fn: IrFunction): boolean {
  let changed = false;
  const predecessors = predecessorsOf(fn);
  for (const block of fn.blocks.slice()) {
    const { terminator } = block;
    if (terminator.op !== 'return' || block.instructions.length > 0 || block.phis.length !== 1) continue;
    const [phi] = block.phis;
    if (phi === undefined || terminator.value !== phi) continue;
    const returns = new Map<IrValue, IrBlock>();
    for (const predecessor of predecessors.get(block) ?? []) {
      const value = inputFrom(phi, predecessor);
      if (value === undefined) continue;
      const { source } = predecessor.terminator;
      changed = true;
      if (predecessor.terminator.op === 'jump') {
        predecessor.terminator = { op: 'return', value, source };
        continue;
      }
      const known = isLeaf(value) ? returns.get(value) : undefined;
      const to: IrBlock = known ?? {
        id: fn.newId(),
        phis: [],
        instructions: [],
        terminator: { op: 'return', value, source },
      };
      if (known === undefined) {
        returns.set(value, to);
        fn.blocks.push(to);
      }
      const branch = predecessor.terminator as IrBranch;
      if (branch.yes === block) branch.yes = to;
      if (branch.no === block) branch.no = to;
    }
    block.phis = [];
    block.terminator = { ...terminator, value: fn.constant(0) };
  }
  if (changed) removeUnreachable(fn);
  return changed;
}

/** Blocks without instructions that lead to one other: their predecessors go there. */
function skipEmpty(fn: IrFunction): boolean {
  let changed = false;
  let [predecessors, uses] = [predecessorsOf(fn), countUses(fn)];
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (block === fn.blocks[0] || terminator.op !== 'jump' || block.instructions.length > 0) continue;
    if (terminator.to === block || !staysLocal(block, uses)) continue;
    let skipped = false;
    for (const predecessor of predecessors.get(block) ?? []) {
      if (redirect(predecessor, block, terminator.to)) skipped = true;
    }
    if (!skipped) continue;
    changed = true;
    [predecessors, uses] = [predecessorsOf(fn), countUses(fn)];
  }
  return changed;
}

function merge(fn: IrFunction): boolean {
  let changed = false;
  const predecessors = predecessorsOf(fn);
  for (const block of fn.blocks) {
    for (;;) {
      const { terminator } = block;
      if (terminator.op !== 'jump') break;
      const { to } = terminator;
      if (to === block || to === fn.blocks[0] || predecessors.get(to)?.length !== 1 || to.phis.length > 0) break;
      block.instructions.push(...to.instructions);
      block.terminator = to.terminator;
      to.instructions = [];
      to.terminator = { op: 'jump', to, source: undefined };
      for (const successor of successorsOf(block.terminator)) {
        for (const phi of successor.phis) for (const input of phi.inputs) if (input.block === to) input.block = block;
        predecessors.set(
          successor,
          (predecessors.get(successor) ?? []).map((other) => (other === to ? block : other)),
        );
      }
      changed = true;
    }
  }
  if (changed) removeUnreachable(fn);
  return changed;
}
