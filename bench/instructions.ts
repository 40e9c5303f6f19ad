import type { Instruction } from 'bpf-asm/isa';

/** How many instructions {@link instructions} are. */
export const COUNT = 4096;

/** What programs that look at packets are made of, in about their proportion. */
const mix: readonly Instruction[] = [
  { kind: 'load', type: 'u32', dst: 'r2', src: 'r1', offset: 76 },
  { kind: 'alu', op: 'mov', width: 64, dst: 'r3', src: 'r2' },
  { kind: 'alu', op: 'add', width: 64, dst: 'r3', src: 14 },
  { kind: 'jump', op: 'jgt', width: 64, dst: 'r3', src: 'r4', target: 2 },
  { kind: 'store', type: 'u64', dst: 'r10', src: 'r3', offset: -8 },
  { kind: 'call', helper: 1 },
  { kind: 'ja', target: 1 },
  { kind: 'exit' },
];

/** The instructions that the benchmarks of the assembler work on: objects of their own, as those of a program are. */
export const instructions: readonly Instruction[] = Array.from({ length: COUNT }, (_, index) =>
  structuredClone(mix[index % mix.length] as Instruction),
);
