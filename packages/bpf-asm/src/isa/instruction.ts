import type { ALU_CODE, ATOMIC_CODE, JUMP_CODE } from './opcode.ts';
import type { Register } from './register.ts';
import type { SourcePosition } from '../source.ts';

/**
 * Where a jump, a local call or a function pointer goes: a number counts 8-byte slots from the one after
 * the instruction's first, as it is encoded; a string is a label, which linking turns into a number.
 */
export type Target = number | string;

/** Width of an arithmetic operation or a comparison in bits. Operations on 32 bits clear the upper half of their result. */
export type Width = 32 | 64;

/** What a plain load reads from memory: the `s` types are sign-extended to 64 bits, the others zero-extended. */
export type LoadType = 'u8' | 'u16' | 'u32' | 'u64' | 's8' | 's16' | 's32';

/** What a store writes to memory. */
export type StoreType = 'u8' | 'u16' | 'u32' | 'u64';

/** Arithmetic with two operands (RFC 9669 section 4.1). `sdiv` and `smod` are from Linux 6.6. */
export type AluOp = keyof typeof ALU_CODE;

/** Conditional jumps (RFC 9669 section 4.3). An `s` compares signed. */
export type JumpOp = keyof typeof JUMP_CODE;

/** Atomic read-modify-write operations (RFC 9669 section 5.3); all but the first four put the old value in a register. */
export type AtomicOp = keyof typeof ATOMIC_CODE;

/** Byte swaps (RFC 9669 section 4.2): to little endian, to big endian, or unconditionally (`bswap`, Linux 6.6). */
export type EndOp = 'le' | 'be' | 'bswap';

/** What every instruction may carry besides its fields. It is not encoded. */
interface Annotated {
  /** The place in the author's source that asked for it. */
  readonly source?: SourcePosition;
}

/** `dst = dst op src`, or `dst = src` for `mov`. An immediate is a signed 32-bit number, sign-extended where the width is 64. */
export interface Alu extends Annotated {
  readonly kind: 'alu';
  readonly op: AluOp;
  readonly width: Width;
  readonly dst: Register;
  readonly src: Register | number;
}

/** `dst = -dst`. */
export interface Neg extends Annotated {
  readonly kind: 'neg';
  readonly width: Width;
  readonly dst: Register;
}

/** `dst = (s8|s16|s32) src`: a move with sign extension (Linux 6.6). 32 bits only where the width is 64. */
export interface Movsx extends Annotated {
  readonly kind: 'movsx';
  readonly width: Width;
  readonly bits: 8 | 16 | 32;
  readonly dst: Register;
  readonly src: Register;
}

/** `dst = le16(dst)` and so on. */
export interface End extends Annotated {
  readonly kind: 'end';
  readonly op: EndOp;
  readonly bits: 16 | 32 | 64;
  readonly dst: Register;
}

/** Converts an arena pointer between address spaces (Linux 6.9). The spaces are different 16-bit numbers; Linux has 0 and 1. */
export interface AddrSpaceCast extends Annotated {
  readonly kind: 'addr_space_cast';
  readonly dst: Register;
  readonly src: Register;
  readonly dstSpace: number;
  readonly srcSpace: number;
}

/** Turns a per-CPU offset into an address. Only the verifier may write it (Linux 6.10); seen in dumps. */
export interface MovPercpu extends Annotated {
  readonly kind: 'mov_percpu';
  readonly dst: Register;
  readonly src: Register;
}

/** A speculation barrier. Only the verifier may write it (Linux 5.14); seen in dumps. */
export interface Nospec extends Annotated {
  readonly kind: 'nospec';
}

/** What a 64-bit immediate load loads (RFC 9669 section 5.4). */
export type Imm64<T extends Target = number> =
  /** A number, unsigned: 0 to 2^64 - 1. */
  | { readonly type: 'const'; readonly value: bigint }
  /** Address of a map: a number is its file descriptor, a string its name, which the loader resolves. */
  | { readonly type: 'map'; readonly map: number | string }
  /** Address of byte `offset` of the value of an array map of one element (Linux 5.2). */
  | { readonly type: 'map_value'; readonly map: number | string; readonly offset: number }
  /** Address of a kernel variable by its BTF id, in the BTF object of `fd` or vmlinux where that is 0 (Linux 5.10). */
  | { readonly type: 'btf_id'; readonly id: number; readonly fd: number }
  /** Address of a function of the program, for callbacks (Linux 5.13). */
  | { readonly type: 'func'; readonly target: T }
  /** As `map`, by index into the loader's fd array (Linux 5.14). */
  | { readonly type: 'map_index'; readonly index: number }
  /** As `map_value`, by index into the loader's fd array (Linux 5.14). */
  | { readonly type: 'map_index_value'; readonly index: number; readonly offset: number };

/** `dst = value`, 64 bits. The only instruction that takes two slots. */
export interface LdImm64<T extends Target = number> extends Annotated {
  readonly kind: 'ld_imm64';
  readonly dst: Register;
  readonly value: Imm64<T>;
}

/** `dst = *(type *)(src + offset)`. Sign-extending loads are from Linux 6.6. */
export interface Load extends Annotated {
  readonly kind: 'load';
  readonly type: LoadType;
  readonly dst: Register;
  readonly src: Register;
  readonly offset: number;
}

/** `*(type *)(dst + offset) = src`. An immediate is a signed 32-bit number. */
export interface Store extends Annotated {
  readonly kind: 'store';
  readonly type: StoreType;
  readonly dst: Register;
  readonly offset: number;
  readonly src: Register | number;
}

/** An atomic operation on `*(dst + offset)`. `cmpxchg` compares with and returns in `r0`; the other fetching ones return in `src`. */
export interface Atomic extends Annotated {
  readonly kind: 'atomic';
  readonly op: AtomicOp;
  readonly width: Width;
  readonly dst: Register;
  readonly offset: number;
  readonly src: Register;
}

/** `dst = load_acquire((type *)(src + offset))` (Linux 6.15). */
export interface LoadAcquire extends Annotated {
  readonly kind: 'load_acquire';
  readonly type: StoreType;
  readonly dst: Register;
  readonly src: Register;
  readonly offset: number;
}

/** `store_release((type *)(dst + offset), src)` (Linux 6.15). */
export interface StoreRelease extends Annotated {
  readonly kind: 'store_release';
  readonly type: StoreType;
  readonly dst: Register;
  readonly offset: number;
  readonly src: Register;
}

/** Legacy packet load `r0 = *(type *)skb[offset]`, network byte order turned to host order (RFC 9669 section 5.5). */
export interface LdAbs extends Annotated {
  readonly kind: 'ld_abs';
  readonly type: 'u8' | 'u16' | 'u32';
  readonly offset: number;
}

/** Legacy packet load `r0 = *(type *)skb[src + offset]` (RFC 9669 section 5.5). */
export interface LdInd extends Annotated {
  readonly kind: 'ld_ind';
  readonly type: 'u8' | 'u16' | 'u32';
  readonly src: Register;
  readonly offset: number;
}

/** Unconditional jump within 16 bits of slots. */
export interface Ja<T extends Target = number> extends Annotated {
  readonly kind: 'ja';
  readonly target: T;
}

/** Unconditional jump within 32 bits of slots (cpu v4; Linux 6.6). */
export interface Gotol<T extends Target = number> extends Annotated {
  readonly kind: 'gotol';
  readonly target: T;
}

/** Jump to the address in a register, from a jump table (Linux 6.19). */
export interface Gotox extends Annotated {
  readonly kind: 'gotox';
  readonly dst: Register;
}

/** `if dst op src goto target`. Compares on 32 bits are from cpu v3 (Linux 5.1). */
export interface Jump<T extends Target = number> extends Annotated {
  readonly kind: 'jump';
  readonly op: JumpOp;
  readonly width: Width;
  readonly dst: Register;
  readonly src: Register | number;
  readonly target: T;
}

/** Jumps when the verifier's loop budget is used up (Linux 6.9). */
export interface MayGoto<T extends Target = number> extends Annotated {
  readonly kind: 'may_goto';
  readonly target: T;
}

/** A jump that the kernel may turn into a no-op (`BPF_JCOND` with source 1; reserved in `uapi/linux/bpf.h`). */
export interface GotoOrNop<T extends Target = number> extends Annotated {
  readonly kind: 'goto_or_nop';
  readonly target: T;
}

/** Calls a helper by its number (`enum bpf_func_id`). */
export interface Call extends Annotated {
  readonly kind: 'call';
  readonly helper: number;
}

/** Calls a function of the program (Linux 4.16). */
export interface CallLocal<T extends Target = number> extends Annotated {
  readonly kind: 'call_local';
  readonly target: T;
}

/** Calls a kernel function by its BTF id; `offset` is an index into the fd array, 0 for vmlinux (Linux 5.13). */
export interface CallKfunc extends Annotated {
  readonly kind: 'call_kfunc';
  readonly id: number;
  readonly offset: number;
}

/** Calls the function whose address is in a register. No kernel accepts it so far; interpreters do. */
export interface Callx extends Annotated {
  readonly kind: 'callx';
  readonly dst: Register;
}

/** Returns from the function, with `r0`. */
export interface Exit extends Annotated {
  readonly kind: 'exit';
}

/**
 * Eight bytes that are no instruction known to this package, every field kept. `dst` and `src` are 0 to 15, `offset` is a
 * signed 16-bit number, `imm` a signed 32-bit number. Fields of a known instruction are refused when it is encoded, so that each
 * sequence of bytes has one value: use `instructionFromFields` to make one from numbers.
 */
export interface Raw extends Annotated {
  readonly kind: 'raw';
  readonly opcode: number;
  readonly dst: number;
  readonly src: number;
  readonly offset: number;
  readonly imm: number;
}

/**
 * An eBPF instruction. `Instruction` as such is ready to encode (its jumps are numbers); `Instruction<Target>` may also name
 * labels, which linking resolves.
 */
export type Instruction<T extends Target = number> =
  | Alu
  | Neg
  | Movsx
  | End
  | AddrSpaceCast
  | MovPercpu
  | Nospec
  | LdImm64<T>
  | Load
  | Store
  | Atomic
  | LoadAcquire
  | StoreRelease
  | LdAbs
  | LdInd
  | Ja<T>
  | Gotol<T>
  | Gotox
  | Jump<T>
  | MayGoto<T>
  | GotoOrNop<T>
  | Call
  | CallLocal<T>
  | CallKfunc
  | Callx
  | Exit
  | Raw;

/** Number of 8-byte slots an instruction takes when encoded: 2 for a 64-bit immediate load, else 1. */
export function slotsOf(instruction: Instruction<Target>): 1 | 2 {
  return instruction.kind === 'ld_imm64' ? 2 : 1;
}
