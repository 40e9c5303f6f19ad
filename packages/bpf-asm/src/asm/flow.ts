import { slotsOf, type Instruction } from '../isa/index.ts';
import { targetOf } from './effects.ts';

/** Where the instructions of a list stand, in slots, and where their targets lead. */
export interface SlotMap {
  /** Slot of each instruction, and the number of slots at the end. */
  readonly slotOf: Int32Array;
  /** Index of the instruction at each slot; -1 for the second slot of a 64-bit immediate load. */
  readonly indexOf: Int32Array;
}

/** Numbers the slots of linked instructions. */
export function slotMap(instructions: readonly Instruction[]): SlotMap {
  const slotOf = new Int32Array(instructions.length + 1);
  let slot = 0;
  for (let i = 0; i < instructions.length; i++) {
    slotOf[i] = slot;
    slot += slotsOf(instructions[i] as Instruction);
  }
  slotOf[instructions.length] = slot;
  const indexOf = new Int32Array(slot).fill(-1);
  for (let i = 0; i < instructions.length; i++) indexOf[slotOf[i] as number] = i;
  return { slotOf, indexOf };
}

/** Where the target of an instruction leads: the index of an instruction, or why there is none. */
export type Landing = number | 'outside' | 'middle';

/**
 * Where the jump, call or function pointer at `index` leads.
 *
 * @returns undefined where the instruction has no target.
 */
export function landing(
  instructions: readonly Instruction[],
  { slotOf, indexOf }: SlotMap,
  index: number,
): Landing | undefined {
  const instruction = instructions[index] as Instruction;
  const target = targetOf(instruction);
  if (target === undefined) return undefined;
  // A function pointer counts from the end of its first slot, as BPF_PSEUDO_FUNC does in kernel/bpf/verifier.c.
  const slot = (slotOf[index] as number) + 1 + target;
  const at = indexOf[slot];
  if (at === undefined) return 'outside';
  return at === -1 ? 'middle' : at;
}
