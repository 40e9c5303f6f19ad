import fc from 'fast-check';
import { loadProgram, openSys, testRun } from 'netlink-tc';
import { expect, test } from 'vitest';
import { calculation, DONE, Input } from '../packages/bpf-asm/test/language.ts';
import { programOf } from '../packages/bpf-asm/test/random-language.ts';
import { Reference } from '../packages/bpf-asm/test/random-reference.ts';
import { told } from '../packages/bpf-asm/test/random-told.ts';
import { describeWith, root } from './support/needs.ts';

const word = fc.oneof(fc.bigInt(0n, 2n ** 64n - 1n), fc.constantFrom(0n, 1n, 2n ** 31n, 2n ** 63n, 2n ** 64n - 1n));

describeWith([root], 'programs in the language, in the kernel', () => {
  const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fff_ffff);
  const runs = Number(process.env['RUNS'] ?? 100);
  test(`${runs} random ones come to what the reference says, at both levels (SEED=${seed})`, async () => {
    const sys = await openSys();
    fc.assert(
      fc.property(
        fc.array(fc.nat(1 << 16), { minLength: 30, maxLength: 120 }),
        fc.array(fc.tuple(word, word, word), { minLength: 3, maxLength: 3 }),
        (numbers, inputs) => {
          const program = programOf(numbers);
          for (const optimise of [true, false]) {
            using loaded = loadProgram(sys, calculation(told(program), optimise));
            for (const [a, b, c] of inputs) {
              expect(testRun(sys, loaded, { data: Input.encode({ a, b, c }) }).result).toBe(DONE);
              expect(loaded.maps.get('result')?.lookup(0 as never)).toBe(new Reference([a, b, c]).run(program));
            }
          }
        },
      ),
      { numRuns: runs, seed },
    );
  }, 300_000);
});
