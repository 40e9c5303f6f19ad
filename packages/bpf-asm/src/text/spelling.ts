import type { AluOp, AtomicOp, JumpOp, LoadType, Raw, Register } from '../isa/index.ts';

/** The table the other way round: what each spelling means. */
export function meanings<K extends string>(spellings: Readonly<Record<K, string>>): ReadonlyMap<string, K> {
  return new Map((Object.keys(spellings) as K[]).map((key) => [spellings[key], key]));
}

/** The 64-bit registers by themselves, so that both widths are looked up alike. */
export const REGISTER_TEXT: Readonly<Record<Register, string>> = {
  r0: 'r0', r1: 'r1', r2: 'r2', r3: 'r3', r4: 'r4', r5: 'r5', r6: 'r6', r7: 'r7', r8: 'r8', r9: 'r9', r10: 'r10', r11: 'r11',
}; // prettier-ignore

/** The low halves of the registers, as the kernel writes them. */
export const HALF_TEXT: Readonly<Record<Register, string>> = {
  r0: 'w0', r1: 'w1', r2: 'w2', r3: 'w3', r4: 'w4', r5: 'w5', r6: 'w6', r7: 'w7', r8: 'w8', r9: 'w9', r10: 'w10', r11: 'w11',
}; // prettier-ignore

/** Arithmetic in the kernel's dialect (`bpf_alu_string` and `bpf_alu_sign_string` in `kernel/bpf/disasm.c`). */
export const ALU_TEXT: Readonly<Record<AluOp, string>> = {
  add: '+=', sub: '-=', mul: '*=', div: '/=', or: '|=', and: '&=', lsh: '<<=', rsh: '>>=', mod: '%=', xor: '^=', mov: '=',
  arsh: 's>>=', sdiv: 's/=', smod: 's%=',
}; // prettier-ignore

/** Comparisons in the kernel's dialect (`bpf_jmp_string` in `kernel/bpf/disasm.c`). */
export const JUMP_TEXT: Readonly<Record<JumpOp, string>> = {
  jeq: '==', jgt: '>', jge: '>=', jset: '&', jne: '!=', jsgt: 's>', jsge: 's>=', jlt: '<', jle: '<=', jslt: 's<', jsle: 's<=',
}; // prettier-ignore

/** Atomic operations without the old value in the kernel's dialect: operators of a statement that begins with `lock`. */
export const LOCK_TEXT: Readonly<Record<'add' | 'or' | 'and' | 'xor', string>> = {
  add: '+=',
  or: '|=',
  and: '&=',
  xor: '^=',
};

/** Size suffixes of the conformance dialect's loads and stores. */
export const SIZE_TEXT: Readonly<Record<LoadType, string>> = {
  u8: 'b',
  u16: 'h',
  u32: 'w',
  u64: 'dw',
  s8: 'sb',
  s16: 'sh',
  s32: 'sw',
};

/** Atomic operations in the conformance dialect, after `lock`; `32` is appended for 32 bits. */
export const ATOMIC_TEXT: Readonly<Record<AtomicOp, string>> = {
  add: 'add', or: 'or', and: 'and', xor: 'xor', fetch_add: 'fetch add', fetch_or: 'fetch or', fetch_and: 'fetch and',
  fetch_xor: 'fetch xor', xchg: 'xchg', cmpxchg: 'cmpxchg',
}; // prettier-ignore

/** A number with its sign, `+` included. */
export function signed(value: number): string {
  return value < 0 ? String(value) : `+${value}`;
}

/** What no dialect has a word for: every field by its name. */
export function rawText({ opcode, dst, src, offset, imm }: Raw): string {
  return `raw code=0x${opcode.toString(16)} dst=${dst} src=${src} off=${offset} imm=${imm}`;
}

/** A name as it stands where it is a plain word, else in quotes. */
export function nameText(name: string): string {
  return /^[A-Za-z_.$][\w.$]*$/.test(name) ? name : JSON.stringify(name);
}
