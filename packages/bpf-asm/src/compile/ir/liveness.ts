import { successorsOf } from './graph.ts';
import type { IrBlock, IrFunction, IrValue } from './ir.ts';
import { isLeaf, operandsOf } from './operands.ts';

/**
 * The values that are still needed at the end of each block. An input of a phi is needed at the end of the block it comes from. Constants and
 * addresses are left out, parameters are in.
 */
export function liveAtEnd(fn: IrFunction): Map<IrBlock, Set<IrValue>> {
  const atEnd = new Map<IrBlock, Set<IrValue>>(fn.blocks.map((block) => [block, new Set()]));
  const atHead = new Map<IrBlock, Set<IrValue>>();
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks.toReversed()) {
      const end = atEnd.get(block) as Set<IrValue>;
      for (const successor of successorsOf(block.terminator)) {
        for (const value of atHead.get(successor) ?? []) end.add(value);
        for (const phi of successor.phis) {
          const input = phi.inputs.find((candidate) => candidate.block === block);
          if (input !== undefined && takesRegister(input.value)) end.add(input.value);
        }
      }
      const head = new Set(end);
      for (const value of operandsOf(block.terminator)) if (takesRegister(value)) head.add(value);
      for (const instruction of block.instructions.toReversed()) {
        head.delete(instruction);
        for (const value of operandsOf(instruction)) if (takesRegister(value)) head.add(value);
      }
      for (const phi of block.phis) head.delete(phi);
      if (head.size !== (atHead.get(block)?.size ?? -1)) {
        atHead.set(block, head);
        changed = true;
      }
    }
  }
  return atEnd;
}

function takesRegister(value: IrValue): boolean {
  return value.op === 'param' || !isLeaf(value);
}
