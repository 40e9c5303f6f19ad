import type { Instruction, Target } from '../isa/index.ts';
import { fallsThrough, targetOf } from './effects.ts';

/**
 * Finds what the first instruction can reach, through jumps, calls and function pointers.
 *
 * @param count - number of instructions.
 * @param at - the instruction at an index.
 * @param landing - the index that the target of the instruction at an index leads to; outside 0 to count - 1, it leads nowhere.
 * @returns 1 for each instruction that is reached, else 0.
 */
export function reachable(
  count: number,
  at: (index: number) => Instruction<Target>,
  landing: (index: number) => number,
): Uint8Array {
  const seen = new Uint8Array(count);
  const pending = [0];
  for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
    for (let i = index; i >= 0 && i < count && seen[i] === 0; i++) {
      seen[i] = 1;
      const instruction = at(i);
      if (targetOf(instruction) !== undefined) pending.push(landing(i));
      if (!fallsThrough(instruction)) break;
    }
  }
  return seen;
}
