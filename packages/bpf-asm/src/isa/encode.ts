import { BpfAsmError, type BpfAsmErrorCode } from '../error.ts';
import {
  ALU_CLASS,
  JUMP_CLASS,
  ATOMIC_SIZE,
  TYPE_SIZE,
  LOAD_CODE,
  LEGACY_SIZE,
  END_CODE,
  END_BITS,
  MOVSX_BITS,
} from './field-codes.ts';
import { isLittle, type CodecOptions } from './byte-order.ts';
import { checkInstructions } from './check.ts';
import { describeInstruction, show } from './describe.ts';
import { instructionFromFields } from './fields.ts';
import { slotsOf, type Imm64, type Instruction, type Target } from './instruction.ts';
import {
  ADDR_SPACE_CAST_OFFSET,
  ALU_CODE,
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
  SOURCE_REGISTER,
  STORE_RELEASE,
} from './opcode.ts';
import { REGISTER_NUMBER, type Register } from './register.ts';

/**
 * Encodes instructions, eight bytes a slot (RFC 9669 section 3). The inverse of `decode`: `decode(encode(x))` is `x`.
 *
 * @param instructions - linked instructions: their jumps are numbers and their maps file descriptors.
 * @param options - the byte order.
 * @returns the bytes, `8 * slots`.
 * @throws BpfAsmError `ERR_OUT_OF_RANGE` when a field does not fit, `ERR_INVALID_INSTRUCTION` when a field has no such value,
 * `ERR_UNRESOLVED` when a label or the name of a map is left; each names the instruction and the field.
 * @example
 * ```ts
 * encode([{ kind: 'alu', op: 'mov', width: 64, dst: 'r0', src: 2 }, { kind: 'exit' }]); // b7 00 00 00 02 00 00 00 95 …
 * ```
 */
export function encode(instructions: readonly Instruction<Target>[], options: CodecOptions = {}): Uint8Array {
  const little = isLittle(options);
  checkInstructions(instructions);
  let slots = 0;
  for (let i = 0; i < instructions.length; i++) slots += slotsOf(instructions[i] as Instruction<Target>);
  const bytes = new Uint8Array(slots * 8);
  const encoder = new Encoder(bytes, little, instructions);
  encoder.run();
  return bytes;
}

class Encoder {
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #instructions: readonly Instruction<Target>[];
  #position = 0;
  #index = 0;

  constructor(bytes: Uint8Array, little: boolean, instructions: readonly Instruction<Target>[]) {
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#little = little;
    this.#instructions = instructions;
  }

  run(): void {
    const { length } = this.#instructions;
    for (let i = 0; i < length; i++) {
      this.#index = i;
      this.#instruction(this.#instructions[i] as Instruction<Target>);
    }
  }

  #instruction(i: Instruction<Target>): void {
    switch (i.kind) {
      case 'alu': {
        const code = this.#member('op', ALU_CODE, i.op) | this.#member('width', ALU_CLASS, i.width);
        this.#binary(code, i.dst, i.src, i.op === 'sdiv' || i.op === 'smod' ? SIGNED_OFFSET : 0);
        return;
      }
      case 'neg':
        this.#slot(this.#member('width', ALU_CLASS, i.width) | ALU_NEG, this.#register('dst', i.dst), 0, 0, 0);
        return;
      case 'movsx': {
        const code = this.#member('width', ALU_CLASS, i.width) | ALU_CODE.mov | SOURCE_REGISTER;
        const bits = this.#member('bits', MOVSX_BITS[i.width] as Readonly<Record<8 | 16 | 32, number>>, i.bits);
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), bits, 0);
        return;
      }
      case 'end':
        this.#slot(
          this.#member('op', END_CODE, i.op),
          this.#register('dst', i.dst),
          0,
          0,
          this.#member('bits', END_BITS, i.bits),
        );
        return;
      case 'addr_space_cast': {
        const spaces = (this.#u16('dstSpace', i.dstSpace) << 16) | this.#u16('srcSpace', i.srcSpace);
        if (i.dstSpace === i.srcSpace) {
          throw this.#error('ERR_INVALID_INSTRUCTION', 'dstSpace', `a cast from space ${i.srcSpace} to itself is none`);
        }
        const code = CLASS.ALU64 | ALU_CODE.mov | SOURCE_REGISTER;
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), ADDR_SPACE_CAST_OFFSET, spaces);
        return;
      }
      case 'mov_percpu': {
        const code = CLASS.ALU64 | ALU_CODE.mov | SOURCE_REGISTER;
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), PERCPU_OFFSET, 0);
        return;
      }
      case 'nospec':
        this.#slot(CLASS.ST | MODE.NOSPEC, 0, 0, 0, 0);
        return;
      case 'ld_imm64':
        this.#ldImm64(this.#register('dst', i.dst), i.value);
        return;
      case 'load': {
        const code = CLASS.LDX | this.#member('type', LOAD_CODE, i.type);
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), this.#s16('offset', i.offset), 0);
        return;
      }
      case 'store': {
        const size = this.#member('type', TYPE_SIZE, i.type) | MODE.MEM;
        const offset = this.#s16('offset', i.offset);
        const dst = this.#register('dst', i.dst);
        if (typeof i.src === 'number') this.#slot(CLASS.ST | size, dst, 0, offset, this.#s32('src', i.src));
        else this.#slot(CLASS.STX | size, dst, this.#register('src', i.src), offset, 0);
        return;
      }
      case 'atomic': {
        const code = CLASS.STX | MODE.ATOMIC | this.#member('width', ATOMIC_SIZE, i.width);
        const op = this.#member('op', ATOMIC_CODE, i.op);
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), this.#s16('offset', i.offset), op);
        return;
      }
      case 'load_acquire':
      case 'store_release': {
        const code = CLASS.STX | MODE.ATOMIC | this.#member('type', TYPE_SIZE, i.type);
        const op = i.kind === 'load_acquire' ? LOAD_ACQUIRE : STORE_RELEASE;
        this.#slot(code, this.#register('dst', i.dst), this.#register('src', i.src), this.#s16('offset', i.offset), op);
        return;
      }
      case 'ld_abs':
        this.#slot(
          CLASS.LD | MODE.ABS | this.#member('type', LEGACY_SIZE, i.type),
          0,
          0,
          0,
          this.#s32('offset', i.offset),
        );
        return;
      case 'ld_ind': {
        const code = CLASS.LD | MODE.IND | this.#member('type', LEGACY_SIZE, i.type);
        this.#slot(code, 0, this.#register('src', i.src), 0, this.#s32('offset', i.offset));
        return;
      }
      case 'ja':
        this.#slot(CLASS.JMP | JUMP_JA, 0, 0, this.#s16('target', this.#resolved(i.target)), 0);
        return;
      case 'gotol':
        this.#slot(CLASS.JMP32 | JUMP_JA, 0, 0, 0, this.#s32('target', this.#resolved(i.target)));
        return;
      case 'gotox':
        this.#slot(CLASS.JMP | JUMP_JA | SOURCE_REGISTER, this.#register('dst', i.dst), 0, 0, 0);
        return;
      case 'jump': {
        const code = this.#member('op', JUMP_CODE, i.op) | this.#member('width', JUMP_CLASS, i.width);
        this.#binary(code, i.dst, i.src, this.#s16('target', this.#resolved(i.target)));
        return;
      }
      case 'may_goto':
      case 'goto_or_nop':
        this.#slot(
          CLASS.JMP | JUMP_JCOND,
          0,
          i.kind === 'may_goto' ? 0 : 1,
          this.#s16('target', this.#resolved(i.target)),
          0,
        );
        return;
      case 'call':
        this.#slot(CLASS.JMP | JUMP_CALL, 0, CALL_SOURCE.HELPER, 0, this.#s32('helper', i.helper));
        return;
      case 'call_local':
        this.#slot(CLASS.JMP | JUMP_CALL, 0, CALL_SOURCE.LOCAL, 0, this.#s32('target', this.#resolved(i.target)));
        return;
      case 'call_kfunc':
        this.#slot(CLASS.JMP | JUMP_CALL, 0, CALL_SOURCE.KFUNC, this.#s16('offset', i.offset), this.#s32('id', i.id));
        return;
      case 'callx':
        this.#slot(CLASS.JMP | JUMP_CALL | SOURCE_REGISTER, this.#register('dst', i.dst), 0, 0, 0);
        return;
      case 'exit':
        this.#slot(CLASS.JMP | JUMP_EXIT, 0, 0, 0, 0);
        return;
      case 'raw':
        this.#raw(i);
        return;
      default:
        throw this.#error(
          'ERR_INVALID_INSTRUCTION',
          'kind',
          `there is no instruction kind ${show((i as { kind?: unknown }).kind)}`,
        );
    }
  }

  /** An operation whose source is a register or the immediate. */
  #binary(code: number, dst: Register, src: Register | number, offset: number): void {
    const to = this.#register('dst', dst);
    if (typeof src === 'number') this.#slot(code, to, 0, offset, this.#s32('src', src));
    else this.#slot(code | SOURCE_REGISTER, to, this.#register('src', src), offset, 0);
  }

  #ldImm64(dst: number, value: Imm64<Target>): void {
    switch (value?.type) {
      case 'const': {
        if (typeof value.value !== 'bigint' || value.value < 0n || value.value > 0xffff_ffff_ffff_ffffn) {
          throw this.#error('ERR_OUT_OF_RANGE', 'value', `${show(value.value)} is not a bigint from 0 to 2^64 - 1`);
        }
        const low = Number(BigInt.asIntN(32, value.value));
        const high = Number(BigInt.asIntN(32, value.value >> 32n));
        this.#wide(dst, IMM64_SOURCE.CONST, low, high);
        return;
      }
      case 'map':
        this.#wide(dst, IMM64_SOURCE.MAP, this.#s32('map', this.#resolvedMap(value.map)), 0);
        return;
      case 'map_value':
        this.#wide(
          dst,
          IMM64_SOURCE.MAP_VALUE,
          this.#s32('map', this.#resolvedMap(value.map)),
          this.#u32('offset', value.offset),
        );
        return;
      case 'btf_id':
        this.#wide(dst, IMM64_SOURCE.BTF_ID, this.#s32('id', value.id), this.#s32('fd', value.fd));
        return;
      case 'func':
        this.#wide(dst, IMM64_SOURCE.FUNC, this.#s32('target', this.#resolved(value.target)), 0);
        return;
      case 'map_index':
        this.#wide(dst, IMM64_SOURCE.MAP_INDEX, this.#s32('index', value.index), 0);
        return;
      case 'map_index_value':
        this.#wide(
          dst,
          IMM64_SOURCE.MAP_INDEX_VALUE,
          this.#s32('index', value.index),
          this.#u32('offset', value.offset),
        );
        return;
      default:
        throw this.#error('ERR_INVALID_INSTRUCTION', 'value', `there is no 64-bit immediate ${show(value)}`);
    }
  }

  #raw(i: Extract<Instruction, { kind: 'raw' }>): void {
    const opcode = this.#unsigned('opcode', i.opcode, 0xff);
    const dst = this.#unsigned('dst', i.dst, 0xf);
    const src = this.#unsigned('src', i.src, 0xf);
    const offset = this.#s16('offset', i.offset);
    const imm = this.#s32('imm', i.imm);
    const next = this.#instructions[this.#index + 1];
    const known = instructionFromFields({ opcode, dst, src, offset, imm }, next?.kind === 'raw' ? next : undefined);
    if (known.kind !== 'raw') {
      throw this.#error(
        'ERR_INVALID_INSTRUCTION',
        'opcode',
        `these raw fields are the instruction ${show(known.kind)}`,
      );
    }
    this.#slot(opcode, dst, src, offset, imm);
  }

  #wide(dst: number, src: number, low: number, high: number): void {
    this.#slot(OPCODE_LD_IMM64, dst, src, 0, low);
    this.#slot(0, 0, 0, 0, high);
  }

  #slot(opcode: number, dst: number, src: number, offset: number, imm: number): void {
    const view = this.#view;
    const at = this.#position;
    if (this.#little) view.setInt32(at, opcode | (dst << 8) | (src << 12) | (offset << 16), true);
    else view.setInt32(at, (opcode << 24) | (dst << 20) | (src << 16) | (offset & 0xffff), false);
    view.setInt32(at + 4, imm, this.#little);
    this.#position = at + 8;
  }

  #register(field: string, name: Register): number {
    const number = typeof name === 'string' ? REGISTER_NUMBER[name] : undefined;
    if (typeof number !== 'number')
      throw this.#error('ERR_INVALID_INSTRUCTION', field, `${show(name)} is not a register (r0 to r11)`);
    return number;
  }

  #member<K extends PropertyKey>(
    field: string,
    table: Readonly<Partial<Record<K, number>>> | undefined,
    key: K,
  ): number {
    const code = typeof key === 'object' ? undefined : table?.[key];
    if (typeof code !== 'number')
      throw this.#error('ERR_INVALID_INSTRUCTION', field, `${show(key)} is not a value of this field`);
    return code;
  }

  #s16(field: string, value: number): number {
    if (typeof value !== 'number' || (value << 16) >> 16 !== value)
      throw this.#error('ERR_OUT_OF_RANGE', field, `${show(value)} is not an integer from -32768 to 32767`);
    return value;
  }

  #s32(field: string, value: number): number {
    if (typeof value !== 'number' || (value | 0) !== value)
      throw this.#error('ERR_OUT_OF_RANGE', field, `${show(value)} is not an integer from -2^31 to 2^31 - 1`);
    return value;
  }

  #u16(field: string, value: number): number {
    return this.#unsigned(field, value, 0xffff);
  }

  #u32(field: string, value: number): number {
    return this.#unsigned(field, value, 0xffff_ffff) | 0;
  }

  #unsigned(field: string, value: number, max: number): number {
    if (typeof value !== 'number' || value >>> 0 !== value || value > max)
      throw this.#error('ERR_OUT_OF_RANGE', field, `${show(value)} is not an integer from 0 to ${max}`);
    return value;
  }

  #resolved(target: Target): number {
    if (typeof target !== 'string') return target;
    throw this.#error(
      'ERR_UNRESOLVED',
      'target',
      `the label ${show(target)} is not resolved`,
      'link the instructions first',
    );
  }

  #resolvedMap(map: number | string): number {
    if (typeof map !== 'string') return map;
    throw this.#error(
      'ERR_UNRESOLVED',
      'map',
      `the map ${show(map)} is not resolved`,
      'give its file descriptor with resolveMaps',
    );
  }

  /** Cold: makes the error that names the instruction, the field and the author's source. */
  #error(code: BpfAsmErrorCode, field: string, what: string, hint?: string): BpfAsmError {
    const instruction = this.#instructions[this.#index];
    return new BpfAsmError(code, `${describeInstruction(instruction)}: field ${field}: ${what}`, {
      instruction: this.#index,
      field,
      ...(instruction?.source === undefined ? {} : { source: instruction.source }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
