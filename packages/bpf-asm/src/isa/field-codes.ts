import { ALU_END, CLASS, MODE, SIZE, SOURCE_REGISTER } from './opcode.ts';

/** Class of an arithmetic operation by its width. */
export const ALU_CLASS = { 32: CLASS.ALU, 64: CLASS.ALU64 } as const;
/** Class of a conditional jump by its width. */
export const JUMP_CLASS = { 32: CLASS.JMP32, 64: CLASS.JMP } as const;
/** Size bits of an atomic operation by its width. */
export const ATOMIC_SIZE = { 32: SIZE.W, 64: SIZE.DW } as const;
/** Size bits of a type in memory. */
export const TYPE_SIZE = { u8: SIZE.B, u16: SIZE.H, u32: SIZE.W, u64: SIZE.DW } as const;
/** Size and mode bits of a load; the signed types have a mode of their own (Linux 6.6). */
export const LOAD_CODE = {
  u8: SIZE.B | MODE.MEM,
  u16: SIZE.H | MODE.MEM,
  u32: SIZE.W | MODE.MEM,
  u64: SIZE.DW | MODE.MEM,
  s8: SIZE.B | MODE.MEMSX,
  s16: SIZE.H | MODE.MEMSX,
  s32: SIZE.W | MODE.MEMSX,
} as const;
/** Size bits of a legacy packet load. */
export const LEGACY_SIZE = { u8: SIZE.B, u16: SIZE.H, u32: SIZE.W } as const;
/** Opcode of a byte swap. */
export const END_CODE = {
  le: CLASS.ALU | ALU_END,
  be: CLASS.ALU | ALU_END | SOURCE_REGISTER,
  bswap: CLASS.ALU64 | ALU_END,
} as const;
/** Immediate of a byte swap. */
export const END_BITS = { 16: 16, 32: 32, 64: 64 } as const;
/** Offset of a sign-extending move, by its width. */
export const MOVSX_BITS = { 32: { 8: 8, 16: 16 }, 64: { 8: 8, 16: 16, 32: 32 } } as const;
