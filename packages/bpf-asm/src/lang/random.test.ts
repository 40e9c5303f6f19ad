import fc from 'fast-check';
import { expect, test } from 'vitest';
import { calculate } from '../../test/language.ts';
import { programOf } from '../../test/random-language.ts';
import { Reference } from '../../test/random-reference.ts';
import { told } from '../../test/random-told.ts';

const word = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 1n, 80n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 2n ** 64n - 1n),
);

test('random programs come to the same, by C, optimised and as written', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1 << 16), { minLength: 50, maxLength: 250 }),
      fc.array(fc.tuple(word, word, word), { minLength: 3, maxLength: 3 }),
      (numbers, inputs) => {
        const program = programOf(numbers);
        const run = calculate(told(program));
        for (const [a, b, c] of inputs) expect(run(a, b, c)).toBe(new Reference([a, b, c]).run(program));
      },
    ),
    { numRuns: Number(process.env['RANDOM_PROGRAMS'] ?? 1000) },
  );
});
