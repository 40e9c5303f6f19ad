import type { IrFunction, IrInstruction, IrPhi, IrValue } from '../ir/ir.ts';
import { isRemovable, operandsOf } from '../ir/operands.ts';

/** Removes what nobody needs: instructions without effect whose results lead to no effect, and such phis, even in rings. */
export function removeDeadCode(fn: IrFunction): void {
  const needed = new Set<IrValue>();
  const pending: IrValue[] = [];
  for (const block of fn.blocks) {
    for (const instruction of block.instructions) if (!isRemovable(instruction)) pending.push(instruction);
    pending.push(...operandsOf(block.terminator));
  }
  for (let value = pending.pop(); value !== undefined; value = pending.pop()) {
    if (needed.has(value)) continue;
    needed.add(value);
    pending.push(...sources(value));
  }
  for (const block of fn.blocks) {
    block.phis = block.phis.filter((phi) => needed.has(phi));
    block.instructions = block.instructions.filter((instruction) => needed.has(instruction));
  }
}

function sources(value: IrValue): readonly IrValue[] {
  if (value.op === 'phi') return (value as IrPhi).inputs.map((input) => input.value);
  switch (value.op) {
    case 'const':
    case 'param':
    case 'stack_address':
    case 'map':
    case 'map_value':
    case 'function_address':
      return [];
    default:
      return operandsOf(value as IrInstruction);
  }
}
