import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { exit, lddw, mov64 } from '../asm/index.ts';
import { JUMP_CODE, type JumpOp } from '../isa/index.ts';
import { Vm } from './index.ts';

const edges = [
  0n,
  1n,
  2n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_ffffn,
  1n << 32n,
  (1n << 63n) - 1n,
  1n << 63n,
  (1n << 64n) - 1n,
];
const word = fc.oneof(fc.constantFrom(...edges), fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }));
const immediate = fc.oneof(fc.integer(), fc.constantFrom(0, 1, -1, -0x8000_0000, 0x7fff_ffff));

function reference(op: JumpOp, width: 32 | 64, dst: bigint, src: bigint): boolean {
  const a = BigInt.asUintN(width, dst);
  const b = BigInt.asUintN(width, src);
  const sa = BigInt.asIntN(width, dst);
  const sb = BigInt.asIntN(width, src);
  const results: Record<JumpOp, boolean> = {
    jeq: a === b,
    jne: a !== b,
    jgt: a > b,
    jge: a >= b,
    jlt: a < b,
    jle: a <= b,
    jset: (a & b) !== 0n,
    jsgt: sa > sb,
    jsge: sa >= sb,
    jslt: sa < sb,
    jsle: sa <= sb,
  };
  return results[op];
}

describe.each([64, 32] as const)('jumps on %i bits', (width) => {
  it.each(Object.keys(JUMP_CODE) as JumpOp[])('%s', (op) => {
    const tail = [mov64('r0', 0), exit()];
    const byRegister = (a: bigint, b: bigint): void => {
      const jump = { kind: 'jump', op, width, dst: 'r1', src: 'r2', target: 1 } as const;
      const { r0 } = new Vm([mov64('r0', 1), lddw('r1', a), lddw('r2', b), jump, ...tail]).run();
      expect(r0 === 1n).toBe(reference(op, width, a, b));
    };
    for (const a of edges) for (const b of edges) byRegister(a, b);
    fc.assert(fc.property(word, word, byRegister), { numRuns: 300 });
    fc.assert(
      fc.property(word, immediate, (a, src) => {
        const jump = { kind: 'jump', op, width, dst: 'r1', src, target: 1 } as const;
        const { r0 } = new Vm([mov64('r0', 1), lddw('r1', a), jump, ...tail]).run();
        expect(r0 === 1n).toBe(reference(op, width, a, BigInt(src)));
      }),
      { numRuns: 300 },
    );
  });
});
