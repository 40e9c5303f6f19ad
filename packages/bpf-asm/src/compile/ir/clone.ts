import { IrFunction, type IrBlock, type IrInstruction, type IrLeaf, type IrTerminator, type IrValue } from './ir.ts';
import { isLeaf, rewriteOperands } from './operands.ts';

/** A copy of a function that shares nothing with it that passes change. */
export function cloneFunction(fn: IrFunction): IrFunction {
  const copy = new IrFunction(fn.name, fn.parameters);
  const values = new Map<IrValue, IrValue>();
  const blocks = new Map<IrBlock, IrBlock>();
  const valueOf = (value: IrValue): IrValue => {
    const known = values.get(value);
    if (known !== undefined) return known;
    const made = isLeaf(value) ? cloneLeaf(copy, value) : { ...value };
    values.set(value, made);
    return made;
  };
  const blockOf = (block: IrBlock): IrBlock => {
    const known = blocks.get(block);
    if (known !== undefined) return known;
    const made: IrBlock = { ...block, terminator: { ...block.terminator } };
    blocks.set(block, made);
    return made;
  };
  copy.skipIds(fn.newId());
  copy.blocks = fn.blocks.map(blockOf);
  for (const block of copy.blocks) {
    block.phis = block.phis.map((phi) => {
      const made = valueOf(phi) as typeof phi;
      made.inputs = phi.inputs.map((input) => ({ block: blockOf(input.block), value: valueOf(input.value) }));
      return made;
    });
    block.instructions = block.instructions.map((instruction) => {
      const made = valueOf(instruction) as IrInstruction;
      rewriteOperands(made, valueOf);
      return made;
    });
    rewriteOperands(block.terminator, valueOf);
    retarget(block.terminator, blockOf);
  }
  return copy;
}

function cloneLeaf(fn: IrFunction, leaf: IrLeaf): IrLeaf {
  switch (leaf.op) {
    case 'const':
      return fn.constant(leaf.value);
    case 'param':
      return fn.param(leaf.index);
    case 'stack_address':
      return fn.stackAddress(leaf.slot);
    case 'map':
      return fn.map(leaf.name);
    case 'map_value':
      return fn.mapValue(leaf.name, leaf.offset);
    case 'function_address':
      return fn.functionAddress(leaf.name);
  }
}

/** Makes a terminator lead to other blocks. */
function retarget(terminator: IrTerminator, to: (block: IrBlock) => IrBlock): void {
  if (terminator.op === 'jump') terminator.to = to(terminator.to);
  if (terminator.op !== 'branch') return;
  terminator.yes = to(terminator.yes);
  terminator.no = to(terminator.no);
}
