import fc from 'fast-check';
import { expect, it } from 'vitest';
import { irUnit, MEMORY_SIZE } from '../../test/arbitrary-ir.ts';
import { evaluateUnit } from '../../test/ir-evaluator.ts';
import { lint } from '../asm/index.ts';
import { encode } from '../isa/index.ts';
import { runProgram } from '../vm/index.ts';
import { compile } from './index.ts';

const memory = fc.uint8Array({ minLength: MEMORY_SIZE, maxLength: MEMORY_SIZE });
/** Each is compiled at both levels for each version. */
const RUNS = 400;

it.each([2, 3, 4] as const)(
  'gives what the unit means, read and run, for cpu v%i',
  (cpu) => {
    fc.assert(
      fc.property(irUnit, memory, (source, bytes) => {
        const unit = { functions: source.build() };
        const wanted = evaluateUnit(unit, bytes);
        for (const optimise of [false, true]) {
          const { instructions } = compile(unit, { cpu, optimise });
          expect(lint(instructions).filter(({ severity }) => severity === 'error')).toEqual([]);
          const given = bytes.slice();
          const { r0 } = runProgram(instructions, { memory: given });
          expect({ r0, memory: given }).toEqual(wanted);
        }
      }),
      { numRuns: RUNS },
    );
  },
  60_000,
);

it('gives the same bytes each time, and leaves the unit as it was', () => {
  fc.assert(
    fc.property(irUnit, (source) => {
      const unit = { functions: source.build() };
      const first = encode(compile(unit).instructions);
      expect(encode(compile(unit).instructions)).toEqual(first);
      expect(encode(compile({ functions: source.build() }).instructions)).toEqual(first);
    }),
    { numRuns: 100 },
  );
});
