import type { IrFunction, IrInstruction, IrStackSlot, IrValue } from './ir.ts';
import { operandsOf } from './operands.ts';

/** A place in a slot of the stack. */
export interface SlotPlace {
  readonly slot: IrStackSlot;
  readonly offset: number;
}

/** The slot that a value is an address in, at a known offset; undefined where it is none. */
export function placeOf(value: IrValue): SlotPlace | undefined {
  let [at, offset] = [value, 0n];
  while (at.op === 'alu' && at.alu === 'add' && at.width === 64 && at.b.op === 'const') {
    offset += BigInt.asIntN(64, at.b.value);
    at = at.a;
  }
  return at.op === 'stack_address' ? { slot: at.slot, offset: Number(offset) } : undefined;
}

/** The slots whose addresses an instruction is given: as the base of an access, or as arguments of a call. */
export function slotsOf(i: IrInstruction): IrStackSlot[] {
  const values = i.op === 'call' ? i.args : i.op === 'load' || i.op === 'store' || i.op === 'atomic' ? [i.base] : [];
  const slots: IrStackSlot[] = [];
  for (const value of values) {
    const place = placeOf(value);
    if (place !== undefined) slots.push(place.slot);
  }
  return slots;
}

/** The slots of a function, in the order of their first appearance, and those whose addresses go where they cannot be followed. */
export function findSlots(fn: IrFunction): { slots: Set<IrStackSlot>; escaped: Set<IrStackSlot> } {
  const slots = new Set<IrStackSlot>();
  const escaped = new Set<IrStackSlot>();
  const escape = (value: IrValue): void => {
    const place = placeOf(value);
    if (place !== undefined) escaped.add(place.slot);
  };
  for (const block of fn.blocks) {
    for (const phi of block.phis) for (const { value } of phi.inputs) escape(value);
    for (const i of block.instructions) {
      for (const slot of slotsOf(i)) slots.add(slot);
      if (i.op === 'store') escape(i.value);
      else if (i.op === 'atomic') [i.value, i.expected].forEach((value) => value !== undefined && escape(value));
      else if (i.op !== 'call' && i.op !== 'load' && placeOf(i) === undefined) operandsOf(i).forEach(escape);
    }
    operandsOf(block.terminator).forEach(escape);
  }
  for (const slot of escaped) slots.add(slot);
  return { slots, escaped };
}
