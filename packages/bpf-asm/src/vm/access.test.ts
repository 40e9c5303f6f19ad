import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exit, lddw, mov64, ldxdw } from '../asm/index.ts';
import { ATOMIC_CODE, type AtomicOp, type Instruction, type LoadType, type StoreType } from '../isa/index.ts';
import { isBpfAsmError } from '../error.ts';
import { Vm } from './index.ts';

const SIZE = 24;
const memory = fc.uint8Array({ minLength: SIZE, maxLength: SIZE });
const word = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const offset = fc.integer({ min: -8, max: SIZE + 8 });

const READ: Record<LoadType, (view: DataView, at: number) => bigint> = {
  u8: (view, at) => BigInt(view.getUint8(at)),
  u16: (view, at) => BigInt(view.getUint16(at, true)),
  u32: (view, at) => BigInt(view.getUint32(at, true)),
  u64: (view, at) => view.getBigUint64(at, true),
  s8: (view, at) => BigInt.asUintN(64, BigInt(view.getInt8(at))),
  s16: (view, at) => BigInt.asUintN(64, BigInt(view.getInt16(at, true))),
  s32: (view, at) => BigInt.asUintN(64, BigInt(view.getInt32(at, true))),
};
const bytesOf = (type: LoadType): number => Number(type.slice(1)) / 8;
const inside = (at: number, size: number): boolean => at >= 0 && at + size <= SIZE;

/** What a run returns, or that it traps at its second instruction. */
function outcome(vm: Vm, bytes: Uint8Array): bigint | 'trap' {
  try {
    return vm.run({ memory: bytes }).r0;
  } catch (error) {
    if (isBpfAsmError(error, 'ERR_TRAP') && error.instruction === 1) return 'trap';
    throw error;
  }
}

describe('loads', () => {
  it.each(Object.keys(READ) as LoadType[])('%s reads what a DataView reads, and nothing outside', (type) => {
    fc.assert(
      fc.property(memory, offset, (bytes, at) => {
        const vm = new Vm([mov64('r2', 'r1'), { kind: 'load', type, dst: 'r0', src: 'r2', offset: at }, exit()]);
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        const expected = inside(at, bytesOf(type)) ? READ[type](view, at) : 'trap';
        expect(outcome(vm, bytes)).toBe(expected);
      }),
    );
  });

  it('reads after arithmetic that left the region for a moment', () => {
    const there = [
      mov64('r2', 'r1'),
      { kind: 'alu', op: 'sub', width: 64, dst: 'r2', src: 100 },
    ] satisfies Instruction[];
    const vm = new Vm([...there, ldxdw('r0', 'r2', 104), exit()]);
    const bytes = new Uint8Array(SIZE).fill(7, 4, 12);
    expect(vm.run({ memory: bytes }).r0).toBe(0x0707_0707_0707_0707n);
  });
});

it('a refused access names the instruction, the address and the size', () => {
  const refusal = (instructions: readonly Instruction[]): unknown => {
    try {
      return new Vm([...instructions, exit()]).run({ memory: new Uint8Array(SIZE) });
    } catch (error) {
      return error;
    }
  };
  const null8 = refusal([mov64('r2', 0x10), ldxdw('r0', 'r2', 8)]);
  expect(null8).toMatchObject({ code: 'ERR_TRAP', instruction: 1, address: 0x18n, size: 8 });
  const beyond = refusal([{ kind: 'store', type: 'u32', dst: 'r1', offset: SIZE - 2, src: 1 }]);
  expect(beyond).toMatchObject({ code: 'ERR_TRAP', instruction: 0, size: 4 });
  expect(Number((beyond as { address: bigint }).address & 0xffff_ffffn)).toBe(SIZE - 2);
});

describe('stores', () => {
  it.each(['u8', 'u16', 'u32', 'u64'] as StoreType[])(
    '%s writes what a DataView writes, and nothing outside',
    (type) => {
      fc.assert(
        fc.property(memory, offset, word, fc.boolean(), (bytes, at, value, immediate) => {
          const src = immediate ? Number(BigInt.asIntN(32, value)) : ('r3' as const);
          const vm = new Vm([lddw('r3', value), { kind: 'store', type, dst: 'r1', offset: at, src }, exit()]);
          const expected = bytes.slice();
          const fits = inside(at, bytesOf(type));
          let rest = immediate ? BigInt.asUintN(64, BigInt(src)) : value;
          const written = fits ? bytesOf(type) : 0;
          for (let i = 0; i < written; i++, rest >>= 8n) expected[at + i] = Number(rest & 0xffn);
          expect(outcome(vm, bytes)).toBe(fits ? 0n : 'trap');
          expect(bytes).toEqual(expected);
        }),
      );
    },
  );
});

const COMBINE: Record<AtomicOp, (old: bigint, value: bigint, compare: bigint) => bigint> = {
  add: (old, value) => old + value,
  or: (old, value) => old | value,
  and: (old, value) => old & value,
  xor: (old, value) => old ^ value,
  fetch_add: (old, value) => old + value,
  fetch_or: (old, value) => old | value,
  fetch_and: (old, value) => old & value,
  fetch_xor: (old, value) => old ^ value,
  xchg: (_, value) => value,
  cmpxchg: (old, value, compare) => (old === compare ? value : old),
};

describe.each([32, 64] as const)('atomic operations on %i bits', (width) => {
  it.each(Object.keys(ATOMIC_CODE) as AtomicOp[])('%s', (op) => {
    fc.assert(
      fc.property(
        memory,
        fc.integer({ min: 0, max: 16 }),
        word,
        word,
        fc.boolean(),
        (bytes, at, value, other, equal) => {
          const cut = (number: bigint): bigint => BigInt.asUintN(width, number);
          const view = new DataView(bytes.buffer, bytes.byteOffset);
          const read = (): bigint => READ[width === 64 ? 'u64' : 'u32'](view, at);
          const old = read();
          const compare = equal ? old : other;
          const atomic = { kind: 'atomic', op, width, dst: 'r1', offset: at, src: 'r3' } as const;
          const pick = op === 'cmpxchg' ? 'r0' : 'r3';
          const vm = new Vm([lddw('r3', value), lddw('r0', compare), atomic, mov64('r0', pick), exit()]);
          const { r0 } = vm.run({ memory: bytes });
          expect(read()).toBe(cut(COMBINE[op](old, cut(value), cut(compare))));
          expect(r0).toBe(op === 'cmpxchg' || op === 'xchg' || op.startsWith('fetch') ? old : value);
        },
      ),
    );
  });
});

it('load_acquire and store_release read and write', () => {
  const vm = new Vm([
    lddw('r3', 0x1122_3344_5566_7788n),
    { kind: 'store_release', type: 'u32', dst: 'r1', offset: 8, src: 'r3' },
    { kind: 'load_acquire', type: 'u16', dst: 'r0', src: 'r1', offset: 8 },
    exit(),
  ]);
  expect(vm.run({ memory: new Uint8Array(SIZE) }).r0).toBe(0x7788n);
});
