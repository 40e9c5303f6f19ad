import { sha1 } from '@noble/hashes/legacy.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { checkInstructions } from '../isa/check.ts';
import { encode, type CodecOptions, type Instruction } from '../isa/index.ts';

/** Options of {@link tag}. */
export interface TagOptions extends CodecOptions {
  /** SHA-1 before Linux 6.18, SHA-256 from there; nothing said is SHA-1. */
  readonly hash?: 'sha1' | 'sha256';
}

/**
 * The tag by which the kernel names a program: the first eight bytes of the hash of its instructions, with the maps blanked out
 * (`bpf_prog_calc_tag` in `kernel/bpf/core.c`). Two programs that differ in their maps only have one tag.
 *
 * @param instructions - linked instructions; maps may still be names.
 * @returns 16 hexadecimal digits, as `bpftool prog` prints it.
 * @throws BpfAsmError what {@link encode} throws.
 * @example
 * ```ts
 * tag([mov64(r0, 0), exit()]); // 'a04f5eef06a7f555'
 * ```
 */
export function tag(instructions: readonly Instruction[], options: TagOptions = {}): string {
  checkInstructions(instructions);
  const bytes = encode(instructions.map(withoutMap), options);
  const digest = options.hash === 'sha256' ? sha256(bytes) : sha1(bytes);
  let text = '';
  for (const byte of digest.subarray(0, 8)) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Tells whether `text`, as a kernel of any version reports it, is the tag of these instructions. */
export function hasTag(instructions: readonly Instruction[], text: string, options: CodecOptions = {}): boolean {
  return (
    tag(instructions, { ...options, hash: 'sha256' }) === text ||
    tag(instructions, { ...options, hash: 'sha1' }) === text
  );
}

function withoutMap(instruction: Instruction): Instruction {
  if (instruction.kind !== 'ld_imm64') return instruction;
  const { type } = instruction.value;
  if (type === 'map') return { ...instruction, value: { type, map: 0 } };
  return type === 'map_value' ? { ...instruction, value: { type, map: 0, offset: 0 } } : instruction;
}
