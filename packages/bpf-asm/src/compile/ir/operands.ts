import type { IrBlock, IrFunction, IrInstruction, IrLeaf, IrPhi, IrTerminator, IrValue } from './ir.ts';

/** Tells whether a value is a leaf: it stands in no block. */
export function isLeaf(value: IrValue): value is IrLeaf {
  switch (value.op) {
    case 'const':
    case 'param':
    case 'stack_address':
    case 'map':
    case 'map_value':
    case 'function_address':
      return true;
    default:
      return false;
  }
}

/** Tells whether an instruction does nothing but make its result, the same each time for the same operands. */
export function isPure(instruction: IrInstruction): boolean {
  const { op } = instruction;
  return op === 'alu' || op === 'neg' || op === 'sext' || op === 'zext' || op === 'swap';
}

/** Tells whether an instruction may be left out when nobody looks at its result. */
export function isRemovable(instruction: IrInstruction): boolean {
  if (instruction.op === 'load') return !instruction.volatile;
  return instruction.op === 'call' ? instruction.effects.removable : isPure(instruction);
}

/** Tells whether an instruction has a result to refer to. */
export function hasResult(instruction: IrInstruction): boolean {
  if (instruction.op === 'atomic') return fetches(instruction.atomic);
  return instruction.op !== 'store';
}

/** Tells whether an atomic operation gives the old value. */
export function fetches(atomic: string): boolean {
  return atomic === 'xchg' || atomic === 'cmpxchg' || atomic.startsWith('fetch_');
}

/** Calls `visit` for each operand of an instruction or terminator, and puts what it returns in the operand's place. */
export function rewriteOperands(node: IrInstruction | IrTerminator, visit: (value: IrValue) => IrValue): void {
  switch (node.op) {
    case 'alu':
    case 'branch':
      node.a = visit(node.a);
      node.b = visit(node.b);
      return;
    case 'neg':
    case 'sext':
    case 'zext':
    case 'swap':
      node.a = visit(node.a);
      return;
    case 'load':
      node.base = visit(node.base);
      return;
    case 'store':
      node.base = visit(node.base);
      node.value = visit(node.value);
      return;
    case 'atomic':
      node.base = visit(node.base);
      node.value = visit(node.value);
      if (node.expected !== undefined) node.expected = visit(node.expected);
      return;
    case 'call':
      node.args = node.args.map(visit);
      return;
    case 'return':
      node.value = visit(node.value);
      return;
    case 'jump':
  }
}

/** The operands of an instruction or terminator, in order, with repetitions. */
export function operandsOf(node: IrInstruction | IrTerminator): IrValue[] {
  switch (node.op) {
    case 'alu':
    case 'branch':
      return [node.a, node.b];
    case 'neg':
    case 'sext':
    case 'zext':
    case 'swap':
      return [node.a];
    case 'load':
      return [node.base];
    case 'store':
      return [node.base, node.value];
    case 'atomic':
      return node.expected === undefined ? [node.base, node.value] : [node.base, node.value, node.expected];
    case 'call':
      return node.args;
    case 'return':
      return [node.value];
    case 'jump':
      return [];
  }
}

/**
 * Puts other values in the place of some, everywhere in a function. What is put may itself be replaced.
 *
 * @param fn - changed in place.
 * @param by - what to put for each; not changed.
 */
export function replaceValues(fn: IrFunction, by: ReadonlyMap<IrValue, IrValue>): void {
  if (by.size === 0) return;
  const visit = (value: IrValue): IrValue => {
    let last = value;
    for (let next = by.get(last); next !== undefined; next = by.get(last)) last = next;
    return last;
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const input of phi.inputs) input.value = visit(input.value);
    for (const instruction of block.instructions) rewriteOperands(instruction, visit);
    rewriteOperands(block.terminator, visit);
  }
}

/** How often each value is used in a function. */
export function countUses(fn: IrFunction): Map<IrValue, number> {
  const uses = new Map<IrValue, number>();
  const count = (value: IrValue): void => {
    uses.set(value, (uses.get(value) ?? 0) + 1);
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const input of phi.inputs) count(input.value);
    for (const instruction of block.instructions) operandsOf(instruction).forEach(count);
    operandsOf(block.terminator).forEach(count);
  }
  return uses;
}

/** The value that a phi has when control comes from a block. */
export function inputFrom(phi: IrPhi, block: IrBlock): IrValue | undefined {
  return phi.inputs.find((input) => input.block === block)?.value;
}
