import {
  ALU_CODE,
  ALU_END,
  ALU_NEG,
  CLASS,
  JUMP_CALL,
  JUMP_CODE,
  JUMP_EXIT,
  JUMP_JA,
  JUMP_JCOND,
  MODE,
  OPCODE_LD_IMM64,
  SIZE,
  SOURCE_REGISTER,
  type Instruction,
  type Target,
} from '../isa/index.ts';

const SIZE_OF = { u8: SIZE.B, u16: SIZE.H, u32: SIZE.W, u64: SIZE.DW, s8: SIZE.B, s16: SIZE.H, s32: SIZE.W } as const;

const MOV_FROM_REGISTER = CLASS.ALU64 | ALU_CODE.mov | SOURCE_REGISTER;

/** The opcode byte of an instruction, which listings show in parentheses; NaN or 0 where a field has no such value. */
export function opcodeOf(i: Instruction<Target>): number {
  switch (i.kind) {
    case 'alu':
      return aluClass(i.width) | ALU_CODE[i.op] | sourceBit(i.src);
    case 'neg':
      return aluClass(i.width) | ALU_NEG;
    case 'movsx':
      return aluClass(i.width) | ALU_CODE.mov | SOURCE_REGISTER;
    case 'end':
      return i.op === 'bswap' ? CLASS.ALU64 | ALU_END : CLASS.ALU | ALU_END | (i.op === 'be' ? SOURCE_REGISTER : 0);
    case 'addr_space_cast':
    case 'mov_percpu':
      return MOV_FROM_REGISTER;
    case 'nospec':
      return CLASS.ST | MODE.NOSPEC;
    case 'ld_imm64':
      return OPCODE_LD_IMM64;
    case 'load':
      return CLASS.LDX | (i.type.startsWith('s') ? MODE.MEMSX : MODE.MEM) | SIZE_OF[i.type];
    case 'store':
      return (typeof i.src === 'number' ? CLASS.ST : CLASS.STX) | MODE.MEM | SIZE_OF[i.type];
    case 'atomic':
      return CLASS.STX | MODE.ATOMIC | (i.width === 64 ? SIZE.DW : SIZE.W);
    case 'load_acquire':
    case 'store_release':
      return CLASS.STX | MODE.ATOMIC | SIZE_OF[i.type];
    case 'ld_abs':
      return CLASS.LD | MODE.ABS | SIZE_OF[i.type];
    case 'ld_ind':
      return CLASS.LD | MODE.IND | SIZE_OF[i.type];
    case 'ja':
      return CLASS.JMP | JUMP_JA;
    case 'gotol':
      return CLASS.JMP32 | JUMP_JA;
    case 'gotox':
      return CLASS.JMP | JUMP_JA | SOURCE_REGISTER;
    case 'jump':
      return (i.width === 64 ? CLASS.JMP : CLASS.JMP32) | JUMP_CODE[i.op] | sourceBit(i.src);
    case 'may_goto':
    case 'goto_or_nop':
      return CLASS.JMP | JUMP_JCOND;
    case 'call':
    case 'call_local':
    case 'call_kfunc':
      return CLASS.JMP | JUMP_CALL;
    case 'callx':
      return CLASS.JMP | JUMP_CALL | SOURCE_REGISTER;
    case 'exit':
      return CLASS.JMP | JUMP_EXIT;
    case 'raw':
      return i.opcode;
  }
}

function aluClass(width: 32 | 64): number {
  return width === 64 ? CLASS.ALU64 : CLASS.ALU;
}

function sourceBit(src: string | number): number {
  return typeof src === 'number' ? 0 : SOURCE_REGISTER;
}
