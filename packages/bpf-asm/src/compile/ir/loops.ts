import { Dominators, predecessorsOf, successorsOf } from './graph.ts';
import type { IrBlock, IrFunction } from './ir.ts';

/** How many loops each block is in, by its id. All blocks can be reached; loops have one entry each, as the builder makes them. */
export function loopDepths(fn: IrFunction): Map<number, number> {
  const depths = new Map<number, number>(fn.blocks.map((block) => [block.id, 0]));
  const dominators = new Dominators(fn);
  const predecessors = predecessorsOf(fn);
  const bodies = new Map<IrBlock, Set<IrBlock>>();
  for (const block of fn.blocks) {
    for (const head of successorsOf(block.terminator)) {
      if (!dominators.dominates(head, block)) continue;
      const body = bodies.get(head) ?? new Set([head]);
      bodies.set(head, body);
      const pending = [block];
      for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
        if (body.has(at)) continue;
        body.add(at);
        pending.push(...(predecessors.get(at) ?? []));
      }
    }
  }
  for (const body of bodies.values()) for (const block of body) depths.set(block.id, (depths.get(block.id) ?? 0) + 1);
  return depths;
}
