import type {
  Atomic,
  AtomicOp,
  Load,
  LoadAcquire,
  LdAbs,
  LdInd,
  LoadType,
  Register,
  Store,
  StoreRelease,
  StoreType,
  Width,
} from '../isa/index.ts';

/** Makes `dst = *(type *)(src + offset)`; the offset is a signed 16-bit number of bytes, 0 where none is given. */
export type LoadConstructor = (dst: Register, src: Register, offset?: number) => Load;

/** Makes `*(type *)(dst + offset) = src`, from a register or a signed 32-bit immediate. */
export type StoreConstructor = (dst: Register, offset: number, src: Register | number) => Store;

/** Makes an atomic operation of `src` on the memory at `dst + offset`. */
export type AtomicConstructor = (dst: Register, offset: number, src: Register) => Atomic;

function ldx(type: LoadType): LoadConstructor {
  return (dst, src, offset = 0) => ({ kind: 'load', type, dst, src, offset });
}

function st(type: StoreType): StoreConstructor {
  return (dst, offset, src) => ({ kind: 'store', type, dst, offset, src });
}

function atomic(op: AtomicOp, width: Width): AtomicConstructor {
  return (dst, offset, src) => ({ kind: 'atomic', op, width, dst, offset, src });
}

/** Loads 8 bits, zero-extended. */
export const ldxb: LoadConstructor = ldx('u8');
/** Loads 16 bits, zero-extended. */
export const ldxh: LoadConstructor = ldx('u16');
/** Loads 32 bits, zero-extended. */
export const ldxw: LoadConstructor = ldx('u32');
/** Loads 64 bits. */
export const ldxdw: LoadConstructor = ldx('u64');
/** Loads 8 bits, sign-extended (Linux 6.6). */
export const ldxsb: LoadConstructor = ldx('s8');
/** Loads 16 bits, sign-extended (Linux 6.6). */
export const ldxsh: LoadConstructor = ldx('s16');
/** Loads 32 bits, sign-extended (Linux 6.6). */
export const ldxsw: LoadConstructor = ldx('s32');

/** Stores the low 8 bits of a register or of an immediate. */
export const stb: StoreConstructor = st('u8');
/** Stores the low 16 bits of a register or of an immediate. */
export const sth: StoreConstructor = st('u16');
/** Stores the low 32 bits of a register or of an immediate. */
export const stw: StoreConstructor = st('u32');
/** Stores the low 64 bits of a register or of an immediate, sign-extended. */
export const stdw: StoreConstructor = st('u64');

/** Adds to memory, 64 bits. */
export const atomicAdd64: AtomicConstructor = atomic('add', 64);
/** Ors into memory, 64 bits (Linux 5.12). */
export const atomicOr64: AtomicConstructor = atomic('or', 64);
/** Ands into memory, 64 bits (Linux 5.12). */
export const atomicAnd64: AtomicConstructor = atomic('and', 64);
/** Xors into memory, 64 bits (Linux 5.12). */
export const atomicXor64: AtomicConstructor = atomic('xor', 64);
/** Adds to memory; the old value comes into `src`, 64 bits (Linux 5.12). */
export const atomicFetchAdd64: AtomicConstructor = atomic('fetch_add', 64);
/** Ors into memory; the old value comes into `src`, 64 bits (Linux 5.12). */
export const atomicFetchOr64: AtomicConstructor = atomic('fetch_or', 64);
/** Ands into memory; the old value comes into `src`, 64 bits (Linux 5.12). */
export const atomicFetchAnd64: AtomicConstructor = atomic('fetch_and', 64);
/** Xors into memory; the old value comes into `src`, 64 bits (Linux 5.12). */
export const atomicFetchXor64: AtomicConstructor = atomic('fetch_xor', 64);
/** Exchanges memory and `src`, 64 bits (Linux 5.12). */
export const atomicXchg64: AtomicConstructor = atomic('xchg', 64);
/** Stores `src` where memory equals `r0`; the old value comes into `r0`, 64 bits (Linux 5.12). */
export const atomicCmpxchg64: AtomicConstructor = atomic('cmpxchg', 64);
/** Adds to memory, 32 bits. */
export const atomicAdd32: AtomicConstructor = atomic('add', 32);
/** Ors into memory, 32 bits (Linux 5.12). */
export const atomicOr32: AtomicConstructor = atomic('or', 32);
/** Ands into memory, 32 bits (Linux 5.12). */
export const atomicAnd32: AtomicConstructor = atomic('and', 32);
/** Xors into memory, 32 bits (Linux 5.12). */
export const atomicXor32: AtomicConstructor = atomic('xor', 32);
/** Adds to memory; the old value comes into `src`, 32 bits (Linux 5.12). */
export const atomicFetchAdd32: AtomicConstructor = atomic('fetch_add', 32);
/** Ors into memory; the old value comes into `src`, 32 bits (Linux 5.12). */
export const atomicFetchOr32: AtomicConstructor = atomic('fetch_or', 32);
/** Ands into memory; the old value comes into `src`, 32 bits (Linux 5.12). */
export const atomicFetchAnd32: AtomicConstructor = atomic('fetch_and', 32);
/** Xors into memory; the old value comes into `src`, 32 bits (Linux 5.12). */
export const atomicFetchXor32: AtomicConstructor = atomic('fetch_xor', 32);
/** Exchanges memory and `src`, 32 bits (Linux 5.12). */
export const atomicXchg32: AtomicConstructor = atomic('xchg', 32);
/** Stores `src` where memory equals `r0`; the old value comes into `r0`, 32 bits (Linux 5.12). */
export const atomicCmpxchg32: AtomicConstructor = atomic('cmpxchg', 32);

/** Loads with acquire ordering: `dst = load_acquire((type *)(src + offset))` (Linux 6.15). */
export function loadAcquire(type: StoreType, dst: Register, src: Register, offset = 0): LoadAcquire {
  return { kind: 'load_acquire', type, dst, src, offset };
}

/** Stores with release ordering: `store_release((type *)(dst + offset), src)` (Linux 6.15). */
export function storeRelease(type: StoreType, dst: Register, offset: number, src: Register): StoreRelease {
  return { kind: 'store_release', type, dst, offset, src };
}

/** Legacy packet load at a fixed offset; ends the program with 0 beyond the packet. `r6` must hold the context. */
export function ldAbs(type: LdAbs['type'], offset: number): LdAbs {
  return { kind: 'ld_abs', type, offset };
}

/** Legacy packet load at `src + offset`; ends the program with 0 beyond the packet. `r6` must hold the context. */
export function ldInd(type: LdInd['type'], src: Register, offset = 0): LdInd {
  return { kind: 'ld_ind', type, src, offset };
}
