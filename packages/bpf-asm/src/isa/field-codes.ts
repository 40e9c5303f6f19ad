import type { End, EndOp, LdAbs, LoadType, Movsx, StoreType, Width } from './instruction.ts';
import { ALU_END, CLASS, MODE, SIZE, SOURCE_REGISTER } from './opcode.ts';

/** Class of an arithmetic operation by its width. */
export const ALU_CLASS: Readonly<Record<Width, number>> = { 32: CLASS.ALU, 64: CLASS.ALU64 };
/** Class of a conditional jump by its width. */
export const JUMP_CLASS: Readonly<Record<Width, number>> = { 32: CLASS.JMP32, 64: CLASS.JMP };
/** Size bits of an atomic operation by its width. */
export const ATOMIC_SIZE: Readonly<Record<Width, number>> = { 32: SIZE.W, 64: SIZE.DW };
/** Size bits of a type in memory. */
export const TYPE_SIZE: Readonly<Record<StoreType, number>> = { u8: SIZE.B, u16: SIZE.H, u32: SIZE.W, u64: SIZE.DW };
/** Size and mode bits of a load; the signed types have a mode of their own (Linux 6.6). */
export const LOAD_CODE: Readonly<Record<LoadType, number>> = {
  u8: SIZE.B | MODE.MEM,
  u16: SIZE.H | MODE.MEM,
  u32: SIZE.W | MODE.MEM,
  u64: SIZE.DW | MODE.MEM,
  s8: SIZE.B | MODE.MEMSX,
  s16: SIZE.H | MODE.MEMSX,
  s32: SIZE.W | MODE.MEMSX,
};
/** Size bits of a legacy packet load. */
export const LEGACY_SIZE: Readonly<Record<LdAbs['type'], number>> = { u8: SIZE.B, u16: SIZE.H, u32: SIZE.W };
/** Opcode of a byte swap. */
export const END_CODE: Readonly<Record<EndOp, number>> = {
  le: CLASS.ALU | ALU_END,
  be: CLASS.ALU | ALU_END | SOURCE_REGISTER,
  bswap: CLASS.ALU64 | ALU_END,
};
/** Immediate of a byte swap. */
export const END_BITS: Readonly<Record<End['bits'], number>> = { 16: 16, 32: 32, 64: 64 };
/** Offset of a sign-extending move, by its width. */
export const MOVSX_BITS: Readonly<Record<Width, Readonly<Partial<Record<Movsx['bits'], number>>>>> = {
  32: { 8: 8, 16: 16 },
  64: { 8: 8, 16: 16, 32: 32 },
};
