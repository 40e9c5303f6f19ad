/* oxlint-disable oxc/no-map-spread -- these are arbitraries, not arrays */
import type { AluOp, AtomicOp, Instruction, Register } from 'bpf-asm';
import fc from 'fast-check';

/** Bytes of memory that the programs work on, and of stack that each of their functions uses. */
export const MEMORY = 64;

/** Registers that hold numbers. */
export const SCALARS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r7'] as const;

/** Registers that lead to {@link MEMORY} bytes: `r6` and `r8` to their first, `r10` behind their last. */
export type Base = 'r6' | 'r8' | 'r10';

const SIZES = { u8: 1, u16: 2, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4 } as const;

/** A register that holds a number. */
export const scalar: fc.Arbitrary<Register> = fc.constantFrom<Register>(...SCALARS);
/** Bits that an instruction works on. */
export const width: fc.Arbitrary<32 | 64> = fc.constantFrom(32 as const, 64 as const);
/** A number that stands in an instruction. */
export const imm: fc.Arbitrary<number> = fc.oneof(
  fc.integer(),
  fc.constantFrom(0, 1, -1, 2, 31, 63, 0x7fff_ffff, -0x8000_0000),
);

/** Arithmetic over {@link SCALARS} that the verifier takes. */
export function alu(version: 3 | 4): fc.Arbitrary<Instruction> {
  const ops: AluOp[] = [
    'add',
    'sub',
    'mul',
    'div',
    'or',
    'and',
    'mod',
    'xor',
    'mov',
    ...(version === 4 ? (['sdiv', 'smod'] as const) : []),
  ];
  const nonZero = imm.map((value) => (value === 0 ? 1 : value));
  const plain = fc
    .record({ op: fc.constantFrom(...ops), width, dst: scalar, src: fc.oneof(scalar, nonZero) })
    .map((fields): Instruction => ({ kind: 'alu', ...fields }));
  const shift = fc
    .record({
      op: fc.constantFrom<AluOp>('lsh', 'rsh', 'arsh'),
      width,
      dst: scalar,
      amount: fc.integer({ min: 0, max: 63 }),
      by: fc.option(scalar),
    })
    // The verifier refuses a constant amount of the width or more, not one in a register.
    .map(({ op, width: bits, dst, amount, by }): Instruction => ({
      kind: 'alu',
      op,
      width: bits,
      dst,
      src: by ?? amount % bits,
    }));
  const neg = fc.record({ width, dst: scalar }).map((fields): Instruction => ({ kind: 'neg', ...fields }));
  const swap = fc
    .record({
      op: fc.constantFrom('le' as const, 'be' as const),
      bits: fc.constantFrom(16 as const, 32 as const, 64 as const),
      dst: scalar,
    })
    .map((fields): Instruction => ({ kind: 'end', ...fields }));
  const extended = fc.oneof(
    fc.record({
      width: fc.constant(64 as const),
      bits: fc.constantFrom(8 as const, 16 as const, 32 as const),
      dst: scalar,
      src: scalar,
    }),
    fc.record({
      width: fc.constant(32 as const),
      bits: fc.constantFrom(8 as const, 16 as const),
      dst: scalar,
      src: scalar,
    }),
  );
  const newer = fc.oneof(
    extended.map((fields): Instruction => ({ kind: 'movsx', ...fields })),
    fc
      .record({ bits: fc.constantFrom(16 as const, 32 as const, 64 as const), dst: scalar })
      .map((fields): Instruction => ({ kind: 'end', op: 'bswap', ...fields })),
  );
  const wide = fc
    .record({ dst: scalar, value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) })
    .map(({ dst, value }): Instruction => ({ kind: 'ld_imm64', dst, value: { type: 'const', value } }));
  const all = [
    { weight: 6, arbitrary: plain },
    { weight: 3, arbitrary: shift },
    { weight: 1, arbitrary: neg },
    { weight: 1, arbitrary: swap },
    { weight: 1, arbitrary: wide },
  ];
  return fc.oneof(...all, ...(version === 4 ? [{ weight: 2, arbitrary: newer }] : []));
}

/** Loads, stores and atomics, aligned, of what `bases` lead to. */
export function memory(version: 3 | 4, bases: readonly Base[]): fc.Arbitrary<Instruction> {
  const at = fc.record({ base: fc.constantFrom(...bases), slot: fc.nat({ max: MEMORY - 1 }) });
  const offset = ({ base, slot }: { base: Base; slot: number }, size: number): number =>
    (base === 'r10' ? -MEMORY : 0) + slot - (slot % size);
  const signed = version === 4 ? (['s8', 's16', 's32'] as const) : [];
  const load = fc
    .record({
      at,
      type: fc.constantFrom('u8' as const, 'u16' as const, 'u32' as const, 'u64' as const, ...signed),
      dst: scalar,
    })
    .map(({ at: place, type, dst }): Instruction => ({
      kind: 'load',
      type,
      dst,
      src: place.base,
      offset: offset(place, SIZES[type]),
    }));
  const store = fc
    .record({
      at,
      type: fc.constantFrom('u8' as const, 'u16' as const, 'u32' as const, 'u64' as const),
      src: fc.oneof(scalar, imm),
    })
    .map(({ at: place, type, src }): Instruction => ({
      kind: 'store',
      type,
      dst: place.base,
      offset: offset(place, SIZES[type]),
      src,
    }));
  const ops: AtomicOp[] = [
    'add',
    'or',
    'and',
    'xor',
    'fetch_add',
    'fetch_or',
    'fetch_and',
    'fetch_xor',
    'xchg',
    'cmpxchg',
  ];
  const atomic = fc
    .record({ at, op: fc.constantFrom(...ops), width, src: scalar })
    .map(({ at: place, op, width: bits, src }): Instruction => ({
      kind: 'atomic',
      op,
      width: bits,
      dst: place.base,
      offset: offset(place, bits / 8),
      src,
    }));
  return fc.oneof(load, store, atomic);
}
