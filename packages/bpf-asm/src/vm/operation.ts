/**
 * The interpreter's own operation numbers: a group in the upper bits, a code in the lower four. The codes of arithmetic and
 * jumps are those of RFC 9669 (bits 4 to 7 of the opcode), so that a `switch` over them reads like the RFC's tables; the
 * numbers are written out in the `switch`es because the engine makes jump tables of literals only.
 *
 * Immediates need no operations of their own: they are registers beyond `r11` whose value never changes.
 */
export const GROUP = {
  /** 64-bit arithmetic; `sdiv` is 0xd, `smod` 0xe. */
  ALU64: 0x00,
  /** 32-bit arithmetic, likewise. */
  ALU32: 0x10,
  /** Sign extension and byte swaps. */
  EXTEND: 0x20,
  JUMP64: 0x30,
  JUMP32: 0x40,
  LOAD: 0x50,
  STORE: 0x60,
  ATOMIC32: 0x70,
  ATOMIC64: 0x80,
  /** Whatever moves the program counter or needs the machine. */
  CONTROL: 0x90,
} as const;

/** Codes of `sdiv` and `smod`, which the RFC tells from `div` and `mod` by the offset field. */
export const SIGNED_CODE = { sdiv: 0xd, smod: 0xe } as const;

/** Codes of {@link GROUP}.EXTEND: widths of a move with sign extension, and byte swaps. */
export const EXTEND_CODE = {
  s8to64: 0,
  s16to64: 1,
  s32to64: 2,
  s8to32: 3,
  s16to32: 4,
  le16: 5,
  le32: 6,
  le64: 7,
  swap16: 8,
  swap32: 9,
  swap64: 10,
} as const;

/** Codes of loads and stores: the low two bits are the logarithm of the size, bit 2 says that a load extends the sign. */
export const ACCESS_CODE = { u8: 0, u16: 1, u32: 2, u64: 3, s8: 4, s16: 5, s32: 6 } as const;

/** Codes of the atomic operations. */
export const ATOMIC_OPERATION = {
  add: 0,
  or: 1,
  and: 2,
  xor: 3,
  fetch_add: 4,
  fetch_or: 5,
  fetch_and: 6,
  fetch_xor: 7,
  xchg: 8,
  cmpxchg: 9,
} as const;

/** Codes of {@link GROUP}.CONTROL. */
export const CONTROL_CODE = {
  ja: 0,
  exit: 1,
  call: 2,
  call_local: 3,
  callx: 4,
  gotox: 5,
  may_goto: 6,
  address: 7,
  ld_abs: 8,
  ld_ind: 9,
  end: 10,
} as const;
