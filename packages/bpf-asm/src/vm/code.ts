import { landing, slotMap, type SlotMap } from '../asm/flow.ts';
import { BpfAsmError, type BpfAsmErrorCode } from '../error.ts';
import { helperById } from '../helpers/index.ts';
import {
  ALU_CODE,
  ALU_NEG,
  JUMP_CODE,
  REGISTER_NUMBER,
  type Instruction,
  type LdImm64,
  type Register,
} from '../isa/index.ts';
import type { HelperFunction, HelperTable } from './helper.ts';
import type { VmMap } from './maps/index.ts';
import { ACCESS_CODE, ATOMIC_OPERATION, CONTROL_CODE, EXTEND_CODE, GROUP, SIGNED_CODE } from './operation.ts';
import { Region } from './region.ts';
import { OWN_REGISTERS } from './registers.ts';

/** The address of a byte, before the region has a number. */
export interface SymbolicAddress {
  readonly region: Region;
  readonly offset: number;
}

/** What instructions may refer to. */
export interface CodeEnvironment {
  /** Maps by their names; by the number in decimal where an instruction names a file descriptor or an index. */
  readonly maps: Readonly<Record<string, VmMap>>;
  readonly helpers: HelperTable;
}

/**
 * Instructions made ready to run: four words each (operation, destination, source, and what the operation needs besides), with
 * jumps as indices of instructions, and immediates as registers beyond the program's own.
 */
export class Code {
  readonly instructions: readonly Instruction[];
  /** Four words an instruction, and one instruction more, which traps: control fell off the end. */
  readonly words: Int32Array;
  readonly constantsLo: Int32Array;
  readonly constantsHi: Int32Array;
  readonly helpers: readonly (HelperFunction | undefined)[];
  readonly addresses: readonly SymbolicAddress[];
  /** What pointers to functions of this program point into; the offset is the index of an instruction. */
  readonly handle: Region;
  readonly #table: HelperTable;

  /**
   * @throws BpfAsmError `ERR_INVALID_INSTRUCTION` when an instruction is raw, writes to `r10` or jumps out of the program,
   * `ERR_UNRESOLVED` when it names a map that is not there, `ERR_UNSUPPORTED` when no interpreter could run it.
   */
  constructor(instructions: readonly Instruction[], environment: CodeEnvironment) {
    const builder = new CodeBuilder(instructions, environment, Region.handle('code', this));
    this.instructions = instructions;
    this.words = builder.words;
    this.constantsLo = Int32Array.from(builder.constants, (value) => Number(BigInt.asIntN(32, value)));
    this.constantsHi = Int32Array.from(builder.constants, (value) => Number(BigInt.asIntN(32, value >> 32n)));
    this.helpers = builder.helpers;
    this.addresses = builder.addresses;
    this.handle = builder.handle;
    this.#table = environment.helpers;
  }

  /** The helper of a number; nothing where there is none. */
  helper(id: number): HelperFunction | undefined {
    return findHelper(this.#table, id);
  }
}

function findHelper(table: HelperTable, id: number): HelperFunction | undefined {
  const name = helperById(id)?.name ?? String(id);
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

class CodeBuilder {
  readonly words: Int32Array;
  readonly constants: bigint[] = [];
  readonly helpers: (HelperFunction | undefined)[] = [];
  readonly addresses: SymbolicAddress[] = [];
  readonly handle: Region;
  readonly #instructions: readonly Instruction[];
  readonly #environment: CodeEnvironment;
  readonly #constantSlots = new Map<bigint, number>();
  readonly #slots: SlotMap;
  #index = 0;

  constructor(instructions: readonly Instruction[], environment: CodeEnvironment, handle: Region) {
    this.#instructions = instructions;
    this.#environment = environment;
    this.handle = handle;
    this.words = new Int32Array((instructions.length + 1) * 4);
    this.#slots = slotMap(instructions);
    for (const [index, instruction] of instructions.entries()) {
      this.#index = index;
      this.#instruction(instruction);
    }
    this.#index = instructions.length;
    this.#put(GROUP.CONTROL | CONTROL_CODE.end, 0, 0, 0);
  }

  #instruction(i: Instruction): void {
    switch (i.kind) {
      case 'alu': {
        const code = i.op === 'sdiv' || i.op === 'smod' ? SIGNED_CODE[i.op] : this.#known(ALU_CODE, i.op) >> 4;
        this.#put((i.width === 64 ? GROUP.ALU64 : GROUP.ALU32) | code, this.#written(i.dst), this.#operand(i.src), 0);
        return;
      }
      case 'neg':
        this.#put((i.width === 64 ? GROUP.ALU64 : GROUP.ALU32) | (ALU_NEG >> 4), this.#written(i.dst), 0, 0);
        return;
      case 'movsx':
        this.#put(
          GROUP.EXTEND | this.#known(EXTEND_CODE, `s${i.bits}to${i.width}`),
          this.#written(i.dst),
          this.#read(i.src),
          0,
        );
        return;
      case 'end': {
        const d = this.#written(i.dst);
        this.#put(GROUP.EXTEND | this.#known(EXTEND_CODE, `${i.op === 'le' ? 'le' : 'swap'}${i.bits}`), d, d, 0);
        return;
      }
      case 'nospec':
        this.#put(GROUP.CONTROL | CONTROL_CODE.ja, 0, 0, this.#index + 1);
        return;
      case 'ld_imm64':
        this.#ldImm64(i);
        return;
      case 'load':
      case 'load_acquire':
        this.#put(
          GROUP.LOAD | this.#known(ACCESS_CODE, i.type),
          this.#written(i.dst),
          this.#read(i.src),
          this.#offset(i),
        );
        return;
      case 'store':
      case 'store_release':
        this.#put(
          GROUP.STORE | this.#known(ACCESS_CODE, i.type),
          this.#read(i.dst),
          this.#operand(i.src),
          this.#offset(i),
        );
        return;
      case 'atomic': {
        const group = i.width === 64 ? GROUP.ATOMIC64 : GROUP.ATOMIC32;
        const fetches = this.#known(ATOMIC_OPERATION, i.op) >= ATOMIC_OPERATION.fetch_add && i.op !== 'cmpxchg';
        const src = fetches ? this.#written(i.src) : this.#read(i.src);
        this.#put(group | this.#known(ATOMIC_OPERATION, i.op), this.#read(i.dst), src, this.#offset(i));
        return;
      }
      case 'ld_abs':
        this.#put(GROUP.CONTROL | CONTROL_CODE.ld_abs, this.#known(ACCESS_CODE, i.type), 0, i.offset);
        return;
      case 'ld_ind':
        this.#put(GROUP.CONTROL | CONTROL_CODE.ld_ind, this.#known(ACCESS_CODE, i.type), this.#read(i.src), i.offset);
        return;
      case 'ja':
      case 'gotol':
      case 'may_goto':
      case 'call_local': {
        const code = CONTROL_CODE[i.kind === 'gotol' ? 'ja' : i.kind];
        this.#put(GROUP.CONTROL | code, 0, 0, this.#target());
        return;
      }
      case 'jump': {
        const group = i.width === 64 ? GROUP.JUMP64 : GROUP.JUMP32;
        const code = this.#known(JUMP_CODE, i.op) >> 4;
        this.#put(group | code, this.#read(i.dst), this.#operand(i.src), this.#target());
        return;
      }
      case 'call':
        this.#put(GROUP.CONTROL | CONTROL_CODE.call, 0, 0, this.#helper(i.helper));
        return;
      case 'callx':
      case 'gotox':
        this.#put(GROUP.CONTROL | CONTROL_CODE[i.kind], this.#read(i.dst), 0, 0);
        return;
      case 'exit':
        this.#put(GROUP.CONTROL | CONTROL_CODE.exit, 0, 0, 0);
        return;
      case 'raw':
        throw this.#error(
          'ERR_INVALID_INSTRUCTION',
          `opcode 0x${i.opcode.toString(16)} with these fields is no instruction`,
        );
      default:
        throw this.#error('ERR_UNSUPPORTED', `the interpreter does not run ${String((i as Instruction).kind)}`);
    }
  }

  #ldImm64(i: LdImm64): void {
    const d = this.#written(i.dst);
    const { value } = i;
    switch (value.type) {
      case 'const':
        this.#put(GROUP.ALU64 | (ALU_CODE.mov >> 4), d, this.#constant(value.value), 0);
        return;
      case 'map':
        this.#address(d, this.#map(value.map).handle, 0);
        return;
      case 'map_index':
        this.#address(d, this.#map(value.index).handle, 0);
        return;
      case 'map_value':
        this.#address(d, this.#mapValue(value.map), value.offset);
        return;
      case 'map_index_value':
        this.#address(d, this.#mapValue(value.index), value.offset);
        return;
      case 'func':
        this.#address(d, this.handle, this.#target());
        return;
      default:
        throw this.#error('ERR_UNSUPPORTED', 'the interpreter has no kernel variables');
    }
  }

  #put(operation: number, d: number, s: number, extra: number): void {
    this.words.set([operation, d, s, extra], this.#index * 4);
  }

  #address(d: number, region: Region, offset: number): void {
    const known = this.addresses.push({ region, offset: region.start + offset }) - 1;
    this.#put(GROUP.CONTROL | CONTROL_CODE.address, d, 0, known);
  }

  #read(register: Register): number {
    return this.#known(REGISTER_NUMBER, register);
  }

  #written(register: Register): number {
    if (register === 'r10') throw this.#error('ERR_INVALID_INSTRUCTION', 'the frame pointer r10 is read-only');
    return this.#read(register);
  }

  #offset({ offset }: { readonly offset: number }): number {
    return this.#within(offset, 0x7fff);
  }

  #operand(src: Register | number): number {
    return typeof src === 'number' ? this.#constant(BigInt(this.#within(src, 0x7fff_ffff))) : this.#read(src);
  }

  /** A number that its field holds when it is encoded: a program that cannot be is none. */
  #within(value: number, most: number): number {
    if (Number.isInteger(value) && value >= -most - 1 && value <= most) return value;
    throw this.#error('ERR_OUT_OF_RANGE', `${value} is not an integer from ${-most - 1} to ${most}`);
  }

  #constant(value: bigint): number {
    const known = this.#constantSlots.get(value);
    if (known !== undefined) return known;
    const register = OWN_REGISTERS + this.constants.push(value) - 1;
    this.#constantSlots.set(value, register);
    return register;
  }

  #target(): number {
    const at = landing(this.#instructions, this.#slots, this.#index);
    if (typeof at === 'number') return at;
    const where = at === 'middle' ? 'into the middle of a 64-bit immediate load' : 'outside the program';
    throw this.#error('ERR_INVALID_INSTRUCTION', `it leads ${where}`, 'link the instructions first');
  }

  #helper(id: number): number {
    return this.helpers.push(findHelper(this.#environment.helpers, id)) - 1;
  }

  #map(key: string | number): VmMap {
    const { maps } = this.#environment;
    const map = Object.hasOwn(maps, key) ? maps[key] : undefined;
    if (map === undefined)
      throw this.#error('ERR_UNRESOLVED', `there is no map ${key}`, 'give it with the option maps');
    return map;
  }

  #mapValue(key: string | number): Region {
    const value = this.#map(key).directValue();
    if (value === undefined) throw this.#error('ERR_UNSUPPORTED', `map ${key} is not an array of one element`);
    return value;
  }

  #known<K extends string>(table: Readonly<Record<K, number>>, key: string): number {
    const code = Object.hasOwn(table, key) ? table[key as K] : undefined;
    if (code === undefined) throw this.#error('ERR_INVALID_INSTRUCTION', `there is no ${key}`);
    return code;
  }

  #error(code: BpfAsmErrorCode, what: string, hint?: string): BpfAsmError {
    const { source, kind } = this.#instructions[this.#index] as Instruction;
    return new BpfAsmError(code, `${kind}: ${what}`, {
      instruction: this.#index,
      ...(source === undefined ? {} : { source }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
