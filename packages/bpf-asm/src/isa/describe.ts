import type { Instruction, Target } from './instruction.ts';

/** What an error calls an instruction: its kind, and its operation where it has one. */
export function describeInstruction(instruction: Instruction<Target> | undefined): string {
  if (instruction === undefined) return 'missing instruction';
  const kind = typeof instruction.kind === 'string' ? instruction.kind : 'instruction of no kind';
  return 'op' in instruction && typeof instruction.op === 'string' ? `${kind} ${instruction.op}` : kind;
}

/** A value as errors show it, whatever it is. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'object' && value !== null) return `of type ${show((value as { type?: unknown }).type)}`;
  return String(value);
}
