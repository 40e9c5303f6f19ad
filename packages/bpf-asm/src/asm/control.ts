import { BpfAsmError } from '../error.ts';
import type {
  AddrSpaceCast,
  Call,
  CallKfunc,
  CallLocal,
  Callx,
  End,
  Exit,
  Gotol,
  Gotox,
  Ja,
  LdImm64,
  MayGoto,
  Movsx,
  Neg,
  Register,
  Target,
} from '../isa/index.ts';

/** `dst = -dst`, 64 bits. */
export function neg64(dst: Register): Neg {
  return { kind: 'neg', width: 64, dst };
}

/** `dst = -dst`, 32 bits. */
export function neg32(dst: Register): Neg {
  return { kind: 'neg', width: 32, dst };
}

/** `dst = src`, sign-extended from 8, 16 or 32 bits to 64 (Linux 6.6). */
export function movsx64(dst: Register, src: Register, bits: 8 | 16 | 32): Movsx {
  return { kind: 'movsx', width: 64, bits, dst, src };
}

/** `dst = src`, sign-extended from 8 or 16 bits to 32 (Linux 6.6). */
export function movsx32(dst: Register, src: Register, bits: 8 | 16): Movsx {
  return { kind: 'movsx', width: 32, bits, dst, src };
}

/** Converts between host order and little endian: the identity, truncated, on a little-endian machine. */
export function le(dst: Register, bits: End['bits']): End {
  return { kind: 'end', op: 'le', bits, dst };
}

/** Converts between host order and big endian, which is network order. */
export function be(dst: Register, bits: End['bits']): End {
  return { kind: 'end', op: 'be', bits, dst };
}

/** Swaps the bytes whatever the machine's order (Linux 6.6). */
export function bswap(dst: Register, bits: End['bits']): End {
  return { kind: 'end', op: 'bswap', bits, dst };
}

/** Converts an arena pointer between address spaces (Linux 6.9). */
export function addrSpaceCast(dst: Register, src: Register, dstSpace: number, srcSpace: number): AddrSpaceCast {
  return { kind: 'addr_space_cast', dst, src, dstSpace, srcSpace };
}

/**
 * Loads a 64-bit number, given signed or unsigned.
 *
 * @throws BpfAsmError `ERR_OUT_OF_RANGE` when it is not an integer from -2^63 to 2^64 - 1.
 */
export function lddw(dst: Register, value: bigint | number): LdImm64<never> {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) {
    throw new BpfAsmError('ERR_OUT_OF_RANGE', `lddw: field value: ${value} is not an exact integer`, {
      field: 'value',
      hint: 'write it as a bigint',
    });
  }
  const wide = BigInt(value);
  if (wide < -(2n ** 63n) || wide >= 2n ** 64n) {
    throw new BpfAsmError('ERR_OUT_OF_RANGE', `lddw: field value: ${wide} does not fit 64 bits`, { field: 'value' });
  }
  return { kind: 'ld_imm64', dst, value: { type: 'const', value: BigInt.asUintN(64, wide) } };
}

/** Loads the address of a map: by name until load, or by file descriptor. */
export function ldMap(dst: Register, map: string | number): LdImm64<never> {
  return { kind: 'ld_imm64', dst, value: { type: 'map', map } };
}

/** Loads the address of byte `offset` of the value of an array map of one element (Linux 5.2). */
export function ldMapValue(dst: Register, map: string | number, offset = 0): LdImm64<never> {
  return { kind: 'ld_imm64', dst, value: { type: 'map_value', map, offset } };
}

/** Loads the address of a kernel variable by BTF id (Linux 5.10); `fd` is the module's BTF object, 0 for vmlinux. */
export function ldBtfId(dst: Register, id: number, fd = 0): LdImm64<never> {
  return { kind: 'ld_imm64', dst, value: { type: 'btf_id', id, fd } };
}

/** Loads the address of a function of the program, for a callback (Linux 5.13). */
export function ldFunction<T extends Target>(dst: Register, target: T): LdImm64<T> {
  return { kind: 'ld_imm64', dst, value: { type: 'func', target } };
}

/** Loads the address of a map by its index in the loader's fd array (Linux 5.14). */
export function ldMapIndex(dst: Register, index: number): LdImm64<never> {
  return { kind: 'ld_imm64', dst, value: { type: 'map_index', index } };
}

/** As {@link ldMapValue}, by index in the loader's fd array (Linux 5.14). */
export function ldMapIndexValue(dst: Register, index: number, offset = 0): LdImm64<never> {
  return { kind: 'ld_imm64', dst, value: { type: 'map_index_value', index, offset } };
}

/** Jumps. A label beyond 16 bits is relaxed by linking. */
export function ja<T extends Target>(target: T): Ja<T> {
  return { kind: 'ja', target };
}

/** Jumps within 32 bits of slots (cpu v4; Linux 6.6). */
export function gotol<T extends Target>(target: T): Gotol<T> {
  return { kind: 'gotol', target };
}

/** Jumps to the address in a register, which must come from a jump table (`BPF_MAP_TYPE_INSN_ARRAY`, Linux 6.19). */
export function gotox(dst: Register): Gotox {
  return { kind: 'gotox', dst };
}

/** Jumps when the verifier's loop budget is used up (Linux 6.9). */
export function mayGoto<T extends Target>(target: T): MayGoto<T> {
  return { kind: 'may_goto', target };
}

/** Calls a helper by its number (`enum bpf_func_id`). */
export function call(helper: number): Call {
  return { kind: 'call', helper };
}

/** Calls a function of the program (Linux 4.16). */
export function callLocal<T extends Target>(target: T): CallLocal<T> {
  return { kind: 'call_local', target };
}

/** Calls a kernel function by BTF id (Linux 5.13); `offset` is an index into the fd array, 0 for vmlinux. */
export function callKfunc(id: number, offset = 0): CallKfunc {
  return { kind: 'call_kfunc', id, offset };
}

/** Calls the function whose address is in a register. Interpreters take it; no kernel does so far. */
export function callx(dst: Register): Callx {
  return { kind: 'callx', dst };
}

/** Returns `r0`. */
export function exit(): Exit {
  return { kind: 'exit' };
}
