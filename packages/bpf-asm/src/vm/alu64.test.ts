import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { be, bswap, exit, le, lddw, mov64, movsx32, movsx64, neg32, neg64 } from '../asm/index.ts';
import { ALU_CODE, type AluOp, type Instruction } from '../isa/index.ts';
import { Vm } from './index.ts';

const EDGES = [
  0n, 1n, 2n, 7n, 31n, 32n, 63n, 64n, 0x7fn, 0x80n, 0xffn, 0x8000n, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn,
  0x1_0000_0000n, 0x1f_ffff_ffff_ffffn, 0x20_0000_0000_0000n, 0x7fff_ffff_ffff_ffffn, 0x8000_0000_0000_0000n,
  0xffff_ffff_8000_0000n, 0xffff_ffff_ffff_fffen, 0xffff_ffff_ffff_ffffn,
]; // prettier-ignore
const word = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const immediate = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, 2, 31, 32, 63, -0x8000_0000, 0x7fff_ffff));

/** RFC 9669 section 4.1, said with bigint. */
function reference(op: AluOp, width: 32 | 64, dst: bigint, src: bigint): bigint {
  const u = (value: bigint): bigint => BigInt.asUintN(width, value);
  const s = (value: bigint): bigint => BigInt.asIntN(width, value);
  const a = u(dst);
  const b = u(src);
  const count = b & BigInt(width - 1);
  const results: Record<AluOp, () => bigint> = {
    add: () => a + b,
    sub: () => a - b,
    mul: () => a * b,
    div: () => (b === 0n ? 0n : a / b),
    sdiv: () => (b === 0n ? 0n : s(a) / s(b)),
    mod: () => (b === 0n ? a : a % b),
    smod: () => (b === 0n ? a : s(a) % s(b)),
    or: () => a | b,
    and: () => a & b,
    xor: () => a ^ b,
    mov: () => b,
    lsh: () => a << count,
    rsh: () => a >> count,
    arsh: () => s(a) >> count,
  };
  return u(results[op]());
}

const run = (...instructions: Instruction[]): bigint => new Vm([...instructions, exit()]).run().r0;

describe.each([64, 32] as const)('arithmetic on %i bits', (width) => {
  it.each(Object.keys(ALU_CODE) as AluOp[])('%s', (op) => {
    const check = (a: bigint, b: bigint): void => {
      const result = run(lddw('r0', a), lddw('r1', b), { kind: 'alu', op, width, dst: 'r0', src: 'r1' });
      expect(result).toBe(reference(op, width, a, b));
    };
    for (const a of EDGES) for (const b of EDGES) check(a, b);
    fc.assert(fc.property(word, word, check), { numRuns: 500 });
    fc.assert(
      fc.property(word, immediate, (a, src) => {
        const result = run(lddw('r0', a), { kind: 'alu', op, width, dst: 'r0', src });
        expect(result).toBe(reference(op, width, a, BigInt(src)));
      }),
      { numRuns: 300 },
    );
  });

  it('works on one register as both operands', () => {
    const double: Instruction = { kind: 'alu', op: 'add', width, dst: 'r0', src: 'r0' };
    fc.assert(fc.property(word, (a) => void expect(run(lddw('r0', a), double)).toBe(reference('add', width, a, a))));
  });

  it('negates', () => {
    const neg = width === 64 ? neg64 : neg32;
    fc.assert(fc.property(word, (a) => void expect(run(lddw('r0', a), neg('r0'))).toBe(BigInt.asUintN(width, -a))));
  });
});

describe('moves with sign extension', () => {
  it.each([8, 16, 32] as const)('of %i bits to 64', (bits) => {
    fc.assert(
      fc.property(word, (a) => {
        const result = run(lddw('r1', a), mov64('r0', -1), movsx64('r0', 'r1', bits));
        expect(result).toBe(BigInt.asUintN(64, BigInt.asIntN(bits, a)));
      }),
    );
  });

  it.each([8, 16] as const)('of %i bits to 32', (bits) => {
    fc.assert(
      fc.property(word, (a) => {
        const result = run(lddw('r1', a), mov64('r0', -1), movsx32('r0', 'r1', bits));
        expect(result).toBe(BigInt.asUintN(32, BigInt.asIntN(bits, a)));
      }),
    );
  });
});

describe.each([16, 32, 64] as const)('byte swaps of %i bits', (bits) => {
  const swapped = (value: bigint): bigint => {
    const hex = BigInt.asUintN(bits, value)
      .toString(16)
      .padStart(bits / 4, '0');
    return BigInt(`0x${hex.match(/../g)?.toReversed().join('')}`);
  };

  it('swaps for be and bswap, cuts for le', () => {
    fc.assert(
      fc.property(word, (a) => {
        expect(run(lddw('r0', a), be('r0', bits))).toBe(swapped(a));
        expect(run(lddw('r0', a), bswap('r0', bits))).toBe(swapped(a));
        expect(run(lddw('r0', a), le('r0', bits))).toBe(BigInt.asUintN(bits, a));
      }),
    );
  });
});
