import { targetOf } from '../asm/index.ts';
import { slotsOf, type Instruction, type Target } from '../isa/index.ts';

/**
 * Labels for the places that jumps go to, by slot: `L` and the slot's number. Only where an instruction begins, or the program ends, so
 * that every label can be written down.
 */
export function labelsOf(instructions: readonly Instruction<Target>[]): ReadonlyMap<number, string> {
  const starts = new Set<number>();
  const named = new Set<Target>();
  let slot = 0;
  for (const i of instructions) {
    starts.add(slot);
    slot += slotsOf(i);
    const target = targetOf(i);
    if (typeof target === 'string') named.add(target);
  }
  starts.add(slot);
  const labels = new Map<number, string>();
  slot = 0;
  for (const i of instructions) {
    const target = targetOf(i);
    // A function pointer counts from the end of its first slot too (`BPF_PSEUDO_FUNC` in kernel/bpf/verifier.c).
    const to = typeof target === 'number' ? slot + 1 + target : -1;
    if (starts.has(to) && !named.has(`L${to}`)) labels.set(to, `L${to}`);
    slot += slotsOf(i);
  }
  return labels;
}
