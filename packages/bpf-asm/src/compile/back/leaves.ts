import type { IrConst, IrLeaf, IrStackSlot } from '../ir/ir.ts';
import { FRAME, type MachineInstruction, type Reg } from './machine.ts';
import type { Templates } from './template.ts';

/** The immediate that stands for a constant in a 64-bit operation, which sign-extends it; undefined where there is none. */
export function immediate64({ value }: IrConst): number | undefined {
  const signed = BigInt.asIntN(64, value);
  return signed >= -0x8000_0000n && signed <= 0x7fff_ffffn ? Number(signed) : undefined;
}

/** The immediate that stands for the low half of a constant. */
export function immediate32({ value }: IrConst): number {
  return Number(BigInt.asIntN(32, value));
}

/**
 * The instructions that bring a leaf into a register. Parameters are not among them: they are in their registers at the entry.
 *
 * @param slotOffset - where a slot stands, counted from the frame pointer.
 */
export function materialise(
  leaf: Exclude<IrLeaf, { op: 'param' }>,
  dst: Reg,
  make: Templates,
  slotOffset: (slot: IrStackSlot) => number,
): MachineInstruction[] {
  switch (leaf.op) {
    case 'const': {
      const immediate = immediate64(leaf);
      if (immediate !== undefined) return [make.alu('mov', 64, dst, { immediate })];
      if (leaf.value <= 0xffff_ffffn) return [make.alu('mov', 32, dst, { immediate: immediate32(leaf) })];
      return [make.wide(dst, { type: 'const', value: leaf.value })];
    }
    case 'stack_address':
      return [make.move(dst, FRAME), make.alu('add', 64, dst, { immediate: slotOffset(leaf.slot) })];
    case 'map':
      return [make.wide(dst, { type: 'map', map: leaf.name })];
    case 'map_value':
      return [make.wide(dst, { type: 'map_value', map: leaf.name, offset: leaf.offset })];
    case 'function_address':
      return [make.wide(dst, { type: 'func', target: leaf.name })];
  }
}
