import type { AluOp, AtomicOp, Imm64, Instruction, JumpOp, LoadType, Raw, StoreType } from './instruction.ts';
import {
  ADDR_SPACE_CAST_OFFSET,
  ALU_CODE,
  ALU_END,
  ALU_NEG,
  ATOMIC_CODE,
  CALL_SOURCE,
  CLASS,
  IMM64_SOURCE,
  JUMP_CALL,
  JUMP_CODE,
  JUMP_EXIT,
  JUMP_JA,
  JUMP_JCOND,
  LOAD_ACQUIRE,
  MODE,
  OPCODE_LD_IMM64,
  PERCPU_OFFSET,
  SIGNED_OFFSET,
  SIZE,
  SOURCE_REGISTER,
  STORE_RELEASE,
} from './opcode.ts';
import { REGISTERS, type Register } from './register.ts';

/** The five fields of one 8-byte slot. `dst` and `src` are 0 to 15, `offset` is signed 16-bit, `imm` signed 32-bit. */
export interface Fields {
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
}

/** Names of `table` by their numbers. */
function byNumber<K extends string>(
  table: Readonly<Record<K, number>>,
  skip: readonly K[] = [],
): ReadonlyMap<number, K> {
  const names = Object.keys(table) as K[];
  return new Map(names.filter((name) => !skip.includes(name)).map((name) => [table[name], name]));
}

const ALU_NAME = byNumber<AluOp>(ALU_CODE, ['sdiv', 'smod']);
const JUMP_NAME = byNumber<JumpOp>(JUMP_CODE);
const ATOMIC_NAME = byNumber<AtomicOp>(ATOMIC_CODE);
const TYPE_NAME = new Map<number, StoreType>([
  [SIZE.B, 'u8'],
  [SIZE.H, 'u16'],
  [SIZE.W, 'u32'],
  [SIZE.DW, 'u64'],
]);
const SIGNED_NAME = new Map<number, LoadType>([
  [SIZE.B, 's8'],
  [SIZE.H, 's16'],
  [SIZE.W, 's32'],
]);

/**
 * Makes the instruction that a slot's fields are: the known one where there is one, else a raw one with the same fields. A known
 * instruction has zero in every field that it does not use.
 *
 * @param fields - the slot; values outside a field's range are not checked here, encoding does.
 * @param next - the slot after it, which belongs to a 64-bit immediate load.
 */
export function instructionFromFields(fields: Fields, next?: Fields): Instruction {
  return known(fields, next) ?? raw(fields);
}

function raw({ opcode, dst, src, offset, imm }: Fields): Raw {
  return { kind: 'raw', opcode, dst, src, offset, imm };
}

function known(f: Fields, next: Fields | undefined): Instruction | undefined {
  switch (f.opcode & 0x07) {
    case CLASS.ALU:
    case CLASS.ALU64:
      return alu(f);
    case CLASS.JMP:
    case CLASS.JMP32:
      return jump(f);
    case CLASS.LDX:
      return load(f);
    case CLASS.ST:
    case CLASS.STX:
      return store(f);
    default:
      return f.opcode === OPCODE_LD_IMM64 ? ldImm64(f, next) : legacy(f);
  }
}

function alu({ opcode, dst: d, src: s, offset, imm }: Fields): Instruction | undefined {
  const dst = REGISTERS[d];
  if (dst === undefined) return undefined;
  const width = (opcode & 0x07) === CLASS.ALU64 ? 64 : 32;
  const code = opcode & 0xf0;
  const fromRegister = (opcode & SOURCE_REGISTER) !== 0;

  if (code === ALU_END) {
    if (s !== 0 || offset !== 0 || (imm !== 16 && imm !== 32 && imm !== 64)) return undefined;
    if (width === 32) return { kind: 'end', op: fromRegister ? 'be' : 'le', bits: imm, dst };
    return fromRegister ? undefined : { kind: 'end', op: 'bswap', bits: imm, dst };
  }
  if (code === ALU_NEG) {
    return fromRegister || s !== 0 || offset !== 0 || imm !== 0 ? undefined : { kind: 'neg', width, dst };
  }
  const name = ALU_NAME.get(code);
  if (name === undefined) return undefined;
  if (!fromRegister) {
    if (s !== 0) return undefined;
    const op = aluVariant(name, offset);
    return op === undefined ? undefined : { kind: 'alu', op, width, dst, src: imm };
  }
  const src = REGISTERS[s];
  if (src === undefined) return undefined;
  if (name === 'mov' && offset !== 0) return movVariant(width, dst, src, offset, imm);
  const op = aluVariant(name, offset);
  return op === undefined || imm !== 0 ? undefined : { kind: 'alu', op, width, dst, src };
}

function aluVariant(name: AluOp, offset: number): AluOp | undefined {
  if (offset === 0) return name;
  if (offset !== SIGNED_OFFSET) return undefined;
  return name === 'div' ? 'sdiv' : name === 'mod' ? 'smod' : undefined;
}

function movVariant(
  width: 32 | 64,
  dst: Register,
  src: Register,
  offset: number,
  imm: number,
): Instruction | undefined {
  if (imm === 0 && (offset === 8 || offset === 16)) return { kind: 'movsx', width, bits: offset, dst, src };
  if (width === 32) return undefined;
  if (imm === 0 && offset === 32) return { kind: 'movsx', width, bits: offset, dst, src };
  if (imm === 0 && offset === PERCPU_OFFSET) return { kind: 'mov_percpu', dst, src };
  // A cast to the same space is none: Linux takes 0 to 1 and 1 to 0 (check_alu_op in kernel/bpf/verifier.c).
  if (offset !== ADDR_SPACE_CAST_OFFSET || imm >>> 16 === (imm & 0xffff)) return undefined;
  return { kind: 'addr_space_cast', dst, src, dstSpace: imm >>> 16, srcSpace: imm & 0xffff };
}

function jump({ opcode, dst: d, src: s, offset, imm }: Fields): Instruction | undefined {
  const width = (opcode & 0x07) === CLASS.JMP ? 64 : 32;
  const fromRegister = (opcode & SOURCE_REGISTER) !== 0;
  switch (opcode & 0xf0) {
    case JUMP_JA:
      if (s !== 0) return undefined;
      if (fromRegister) {
        const dst = REGISTERS[d];
        return width === 32 || offset !== 0 || imm !== 0 || dst === undefined ? undefined : { kind: 'gotox', dst };
      }
      if (d !== 0) return undefined;
      if (width === 32) return offset === 0 ? { kind: 'gotol', target: imm } : undefined;
      return imm === 0 ? { kind: 'ja', target: offset } : undefined;
    case JUMP_CALL: {
      if (width === 32) return undefined;
      if (fromRegister) {
        const dst = REGISTERS[d];
        return s !== 0 || offset !== 0 || imm !== 0 || dst === undefined ? undefined : { kind: 'callx', dst };
      }
      if (d !== 0) return undefined;
      if (s === CALL_SOURCE.KFUNC) return { kind: 'call_kfunc', id: imm, offset };
      if (offset !== 0) return undefined;
      if (s === CALL_SOURCE.HELPER) return { kind: 'call', helper: imm };
      return s === CALL_SOURCE.LOCAL ? { kind: 'call_local', target: imm } : undefined;
    }
    case JUMP_EXIT:
      return width === 32 || fromRegister || d !== 0 || s !== 0 || offset !== 0 || imm !== 0
        ? undefined
        : { kind: 'exit' };
    case JUMP_JCOND:
      if (width === 32 || fromRegister || d !== 0 || imm !== 0 || s > 1) return undefined;
      return { kind: s === 0 ? 'may_goto' : 'goto_or_nop', target: offset };
    default: {
      const op = JUMP_NAME.get(opcode & 0xf0);
      const dst = REGISTERS[d];
      if (op === undefined || dst === undefined) return undefined;
      if (!fromRegister) return s === 0 ? { kind: 'jump', op, width, dst, src: imm, target: offset } : undefined;
      const src = REGISTERS[s];
      return src === undefined || imm !== 0 ? undefined : { kind: 'jump', op, width, dst, src, target: offset };
    }
  }
}

function load({ opcode, dst: d, src: s, offset, imm }: Fields): Instruction | undefined {
  const dst = REGISTERS[d];
  const src = REGISTERS[s];
  if (dst === undefined || src === undefined || imm !== 0) return undefined;
  const mode = opcode & 0xe0;
  if (mode !== MODE.MEM && mode !== MODE.MEMSX) return undefined;
  const type = (mode === MODE.MEM ? TYPE_NAME : SIGNED_NAME).get(opcode & 0x18);
  return type === undefined ? undefined : { kind: 'load', type, dst, src, offset };
}

function store({ opcode, dst: d, src: s, offset, imm }: Fields): Instruction | undefined {
  const dst = REGISTERS[d];
  const src = REGISTERS[s];
  const type = TYPE_NAME.get(opcode & 0x18);
  if (dst === undefined || src === undefined || type === undefined) return undefined;
  const mode = opcode & 0xe0;
  if ((opcode & 0x07) === CLASS.ST) {
    if (mode === MODE.MEM) return s === 0 ? { kind: 'store', type, dst, offset, src: imm } : undefined;
    const barrier = opcode === (CLASS.ST | MODE.NOSPEC) && d === 0 && s === 0 && offset === 0 && imm === 0;
    return barrier ? { kind: 'nospec' } : undefined;
  }
  if (mode === MODE.MEM) return imm === 0 ? { kind: 'store', type, dst, offset, src } : undefined;
  if (mode !== MODE.ATOMIC) return undefined;
  if (imm === LOAD_ACQUIRE) return { kind: 'load_acquire', type, dst, src, offset };
  if (imm === STORE_RELEASE) return { kind: 'store_release', type, dst, offset, src };
  const op = ATOMIC_NAME.get(imm);
  if (op === undefined || (type !== 'u32' && type !== 'u64')) return undefined;
  return { kind: 'atomic', op, width: type === 'u64' ? 64 : 32, dst, offset, src };
}

function legacy({ opcode, dst: d, src: s, offset, imm }: Fields): Instruction | undefined {
  const type = TYPE_NAME.get(opcode & 0x18);
  if (type === undefined || type === 'u64' || d !== 0 || offset !== 0) return undefined;
  const mode = opcode & 0xe0;
  if (mode === MODE.ABS) return s === 0 ? { kind: 'ld_abs', type, offset: imm } : undefined;
  const src = REGISTERS[s];
  return mode === MODE.IND && src !== undefined ? { kind: 'ld_ind', type, src, offset: imm } : undefined;
}

function ldImm64({ dst: d, src, offset, imm }: Fields, next: Fields | undefined): Instruction | undefined {
  const dst = REGISTERS[d];
  if (dst === undefined || offset !== 0 || next === undefined) return undefined;
  if (next.opcode !== 0 || next.dst !== 0 || next.src !== 0 || next.offset !== 0) return undefined;
  const value = imm64(src, imm, next.imm);
  return value === undefined ? undefined : { kind: 'ld_imm64', dst, value };
}

function imm64(src: number, low: number, high: number): Imm64 | undefined {
  switch (src) {
    case IMM64_SOURCE.CONST:
      return { type: 'const', value: (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0) };
    case IMM64_SOURCE.MAP:
      return high === 0 ? { type: 'map', map: low } : undefined;
    case IMM64_SOURCE.MAP_VALUE:
      return { type: 'map_value', map: low, offset: high >>> 0 };
    case IMM64_SOURCE.BTF_ID:
      return { type: 'btf_id', id: low, fd: high };
    case IMM64_SOURCE.FUNC:
      return high === 0 ? { type: 'func', target: low } : undefined;
    case IMM64_SOURCE.MAP_INDEX:
      return high === 0 ? { type: 'map_index', index: low } : undefined;
    case IMM64_SOURCE.MAP_INDEX_VALUE:
      return { type: 'map_index_value', index: low, offset: high >>> 0 };
    default:
      return undefined;
  }
}
