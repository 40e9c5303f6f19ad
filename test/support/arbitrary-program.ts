/* oxlint-disable oxc/no-map-spread -- these are arbitraries, not arrays */
import {
  callLocal,
  exit,
  func,
  label,
  link,
  mov64,
  type AluOp,
  type AtomicOp,
  type Instruction,
  type Item,
  type JumpOp,
  type Register,
} from 'bpf-asm';
import fc from 'fast-check';

/** Bytes of memory that the programs work on, and of stack that they use. */
export const MEMORY = 64;

/** Registers that hold numbers. `r6` leads to the memory, `r10` to the stack. */
const SCALARS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r7'] as const;
const SIZES = { u8: 1, u16: 2, u32: 4, u64: 8, s8: 1, s16: 2, s32: 4 } as const;

type Step =
  | readonly Instruction[]
  | { readonly skip: (target: string) => Instruction; readonly over: readonly Instruction[] }
  | 'call';

const scalar = fc.constantFrom<Register>(...SCALARS);
const width = fc.constantFrom(32 as const, 64 as const);
const imm = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2, 31, 63, 0x7fff_ffff, -0x8000_0000));

function alu(version: 3 | 4): fc.Arbitrary<Instruction> {
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

function memory(version: 3 | 4): fc.Arbitrary<Instruction> {
  const at = fc.record({ base: fc.constantFrom<'r6' | 'r10'>('r6', 'r10'), slot: fc.nat({ max: MEMORY - 1 }) });
  const offset = ({ base, slot }: { base: 'r6' | 'r10'; slot: number }, size: number): number =>
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

function step(version: 3 | 4): fc.Arbitrary<Step> {
  const one = fc.oneof(alu(version), memory(version));
  const jumps: JumpOp[] = ['jeq', 'jne', 'jgt', 'jge', 'jlt', 'jle', 'jset', 'jsgt', 'jsge', 'jslt', 'jsle'];
  const skip = fc.record({
    op: fc.constantFrom(...jumps),
    width,
    dst: scalar,
    src: fc.oneof(scalar, imm),
    over: fc.array(one, { minLength: 1, maxLength: 4 }),
  });
  return fc.oneof(
    { weight: 12, arbitrary: one.map((instruction) => [instruction]) },
    {
      weight: 3,
      arbitrary: skip.map(({ over, ...fields }) => ({
        skip: (target: string): Instruction => ({ kind: 'jump', ...fields, target: target as unknown as number }),
        over,
      })),
    },
    { weight: 1, arbitrary: fc.constant('call' as const) },
  );
}

/**
 * Programs that the verifier takes: arithmetic, forward jumps, memory, stack, atomics and calls of one function, over registers
 * that all hold numbers. `r1` leads to {@link MEMORY} bytes. Linked.
 * @param version of the instruction set
 */
export function arbitraryProgram(version: 3 | 4): fc.Arbitrary<readonly Instruction[]> {
  const parts = {
    steps: fc.array(step(version), { minLength: 1, maxLength: 24 }),
    callee: fc.array(alu(version), { maxLength: 6 }),
    seeds: fc.array(imm, { minLength: 8, maxLength: 8 }),
  };
  return fc.record(parts).map(({ steps, callee, seeds }) => {
    const fill = (registers: readonly Register[]): Item[] =>
      registers.map((register, i) => mov64(register, seeds[i] ?? i));
    const items: Item[] = [mov64('r6', 'r1'), ...fill(SCALARS)];
    for (let at = -MEMORY; at < 0; at += 8)
      items.push({ kind: 'store', type: 'u64', dst: 'r10', offset: at, src: seeds[(-at >> 3) - 1] ?? 0 });
    steps.forEach((part, i) => {
      // A call leaves nothing in r1 to r5.
      if (part === 'call') items.push(callLocal('callee'), ...fill(['r1', 'r2', 'r3', 'r4', 'r5']));
      else if ('skip' in part) items.push(part.skip(`after ${i}`) as Item, ...part.over, label(`after ${i}`));
      else items.push(...part);
    });
    // All that the registers hold counts.
    for (const register of SCALARS.slice(1))
      items.push({ kind: 'alu', op: 'xor', width: 64, dst: 'r0', src: register });
    items.push(exit());
    if (steps.includes('call')) items.push(func('callee'), ...fill(['r0', 'r7']), ...callee, exit());
    return link(items).instructions;
  });
}
