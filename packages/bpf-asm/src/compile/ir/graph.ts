import type { IrBlock, IrFunction, IrTerminator } from './ir.ts';

/** Where a terminator leads, each block once. */
export function successorsOf(terminator: IrTerminator): readonly IrBlock[] {
  switch (terminator.op) {
    case 'jump':
      return [terminator.to];
    case 'branch':
      return [terminator.yes, terminator.no];
    case 'return':
      return [];
  }
}

/** The blocks that lead to each block, in the order of the function. */
export function predecessorsOf(fn: IrFunction): Map<IrBlock, IrBlock[]> {
  const predecessors = new Map<IrBlock, IrBlock[]>(fn.blocks.map((block) => [block, []]));
  for (const block of fn.blocks) {
    for (const successor of successorsOf(block.terminator)) predecessors.get(successor)?.push(block);
  }
  return predecessors;
}

/** The blocks that can be reached from the entry, each before those it leads to, but for loops. */
export function reversePostorder(fn: IrFunction): IrBlock[] {
  const entry = fn.blocks[0];
  if (entry === undefined) return [];
  const order: IrBlock[] = [];
  const seen = new Set<IrBlock>([entry]);
  const stack: { block: IrBlock; next: number }[] = [{ block: entry, next: 0 }];
  for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
    const successors = successorsOf(top.block.terminator);
    // The last successor is followed first, so that the first one comes first in the reversed order.
    const successor = successors[successors.length - 1 - top.next++];
    if (successor === undefined) {
      order.push(top.block);
      stack.pop();
    } else if (!seen.has(successor)) {
      seen.add(successor);
      stack.push({ block: successor, next: 0 });
    }
  }
  return order.toReversed();
}

/** Removes blocks that cannot be reached, and what phis expect from them. The order of the others becomes the reverse postorder. */
export function removeUnreachable(fn: IrFunction): void {
  const blocks = reversePostorder(fn);
  const reached = new Set(blocks);
  if (blocks.length !== fn.blocks.length) {
    for (const block of blocks) {
      for (const phi of block.phis) phi.inputs = phi.inputs.filter((input) => reached.has(input.block));
    }
  }
  fn.blocks = blocks;
}

/** Tells which blocks every path to a block goes through (Cooper, Harvey and Kennedy, 2001). */
export class Dominators {
  readonly #number = new Map<IrBlock, number>();
  readonly #idom: number[];
  readonly #order: readonly IrBlock[];

  /** @param fn - all of whose blocks can be reached. */
  constructor(fn: IrFunction) {
    const order = reversePostorder(fn);
    order.forEach((block, index) => this.#number.set(block, index));
    const predecessors = predecessorsOf(fn);
    const idom: number[] = order.map(() => -1);
    idom[0] = 0;
    for (let changed = true; changed;) {
      changed = false;
      for (let i = 1; i < order.length; i++) {
        let best = -1;
        for (const predecessor of predecessors.get(order[i] as IrBlock) ?? []) {
          const p = this.#number.get(predecessor) ?? -1;
          if (p < 0 || idom[p] === -1) continue;
          best = best === -1 ? p : intersect(idom, best, p);
        }
        if (best !== idom[i]) {
          idom[i] = best;
          changed = true;
        }
      }
    }
    this.#idom = idom;
    this.#order = order;
  }

  /** The nearest block that every path to `block` goes through; undefined for the entry. */
  parent(block: IrBlock): IrBlock | undefined {
    const n = this.#number.get(block) ?? 0;
    return n === 0 ? undefined : this.#order[this.#idom[n] as number];
  }

  /** Tells whether every path to `b` goes through `a`; a block dominates itself. */
  dominates(a: IrBlock, b: IrBlock): boolean {
    const wanted = this.#number.get(a) ?? -1;
    let at = this.#number.get(b) ?? -1;
    while (at > wanted) at = this.#idom[at] as number;
    return at === wanted && wanted >= 0;
  }
}

function intersect(idom: readonly number[], a: number, b: number): number {
  let [left, right] = [a, b];
  while (left !== right) {
    while (left > right) left = idom[left] as number;
    while (right > left) right = idom[right] as number;
  }
  return left;
}
