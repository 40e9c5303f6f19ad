/**
 * The numbers of the instruction set, as RFC 9669 sections 3 to 5 and Linux' `include/uapi/linux/bpf.h` give them.
 *
 * ```text
 *  arithmetic and jumps          loads and stores
 *  +------+---+-----+            +-----+----+-----+
 *  | code | s |class|            |mode | sz |class|
 *  +------+---+-----+            +-----+----+-----+
 *   7    4  3  2   0              7   5 4  3 2   0
 * ```
 */

/** Instruction classes, the low three bits of an opcode (RFC 9669 section 3.1). */
export const CLASS = { LD: 0, LDX: 1, ST: 2, STX: 3, ALU: 4, JMP: 5, JMP32: 6, ALU64: 7 } as const;

/** Bit 3 of arithmetic and jump opcodes: the source is a register rather than the immediate. */
export const SOURCE_REGISTER = 0x08;

/** Operations of the arithmetic classes, bits 4 to 7. `div`, `mod` and `mov` have variants told by the offset field. */
export const ALU_CODE = {
  add: 0x00,
  sub: 0x10,
  mul: 0x20,
  div: 0x30,
  or: 0x40,
  and: 0x50,
  lsh: 0x60,
  rsh: 0x70,
  mod: 0x90,
  xor: 0xa0,
  mov: 0xb0,
  arsh: 0xc0,
  sdiv: 0x30,
  smod: 0x90,
} as const;

/** Negation, which has no source (RFC 9669 section 4.1). */
export const ALU_NEG = 0x80;
/** Byte swaps (RFC 9669 section 4.2). */
export const ALU_END = 0xd0;
/** Offset field of signed division and modulo (RFC 9669 section 4.1, Linux 6.6). */
export const SIGNED_OFFSET = 1;
/** Offset field of `addr_space_cast` (`BPF_ADDR_SPACE_CAST`, Linux 6.9). */
export const ADDR_SPACE_CAST_OFFSET = 1;
/** Offset field of a per-CPU move (`BPF_ADDR_PERCPU` in `include/linux/filter.h`; the verifier writes it, Linux 6.10). */
export const PERCPU_OFFSET = -1;

/** Conditional jumps, bits 4 to 7 (RFC 9669 section 4.3). */
export const JUMP_CODE = {
  jeq: 0x10,
  jgt: 0x20,
  jge: 0x30,
  jset: 0x40,
  jne: 0x50,
  jsgt: 0x60,
  jsge: 0x70,
  jlt: 0xa0,
  jle: 0xb0,
  jslt: 0xc0,
  jsle: 0xd0,
} as const;

/** Unconditional jump, bits 4 to 7. */
export const JUMP_JA = 0x00;
/** Call, bits 4 to 7. */
export const JUMP_CALL = 0x80;
/** Return, bits 4 to 7. */
export const JUMP_EXIT = 0x90;
/** Linux' conditional pseudo jumps `may_goto` and `goto_or_nop` (`BPF_JCOND`, Linux 6.9). */
export const JUMP_JCOND = 0xe0;

/** What the source field of a call says (RFC 9669 section 4.3.1). */
export const CALL_SOURCE = { HELPER: 0, LOCAL: 1, KFUNC: 2 } as const;

/** Sizes of memory access, bits 3 and 4 (RFC 9669 section 5). */
export const SIZE = { W: 0x00, H: 0x08, B: 0x10, DW: 0x18 } as const;

/** Modes of memory access, bits 5 to 7. `NOSPEC` is the kernel's own speculation barrier, in class ST (Linux 5.14). */
export const MODE = { IMM: 0x00, ABS: 0x20, IND: 0x40, MEM: 0x60, MEMSX: 0x80, ATOMIC: 0xc0, NOSPEC: 0xc0 } as const;

/** Immediate field of the atomic operations (RFC 9669 section 5.3). */
export const ATOMIC_CODE = {
  add: 0x00,
  or: 0x40,
  and: 0x50,
  xor: 0xa0,
  fetch_add: 0x01,
  fetch_or: 0x41,
  fetch_and: 0x51,
  fetch_xor: 0xa1,
  xchg: 0xe1,
  cmpxchg: 0xf1,
} as const;

/** Immediate field of `load_acquire` (`BPF_LOAD_ACQ`, Linux 6.15). */
export const LOAD_ACQUIRE = 0x100;
/** Immediate field of `store_release` (`BPF_STORE_REL`, Linux 6.15). */
export const STORE_RELEASE = 0x110;

/** Source field of a 64-bit immediate load (RFC 9669 section 5.4; `BPF_PSEUDO_*` in Linux). */
export const IMM64_SOURCE = {
  CONST: 0,
  MAP: 1,
  MAP_VALUE: 2,
  BTF_ID: 3,
  FUNC: 4,
  MAP_INDEX: 5,
  MAP_INDEX_VALUE: 6,
} as const;

/** Opcode of a 64-bit immediate load: class LD, size DW, mode IMM. */
export const OPCODE_LD_IMM64 = 0x18;
