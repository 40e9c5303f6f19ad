import { decode, Vm, type Instruction } from 'bpf-asm';
import fc from 'fast-check';
import { createProbes, openSys } from 'netlink-tc';
import { expect, onTestFinished, test } from 'vitest';
import { arbitraryProgram, MEMORY } from './support/arbitrary-program.ts';
import { describeWith, root } from './support/needs.ts';
import { createOracle, type Oracle, type Outcome } from './support/oracle.ts';
import { describeConformance } from './support/vectors.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

async function oracle(): Promise<{ judge: Oracle; version: 3 | 4 }> {
  const sys = await openSys();
  const judge = createOracle(sys);
  onTestFinished(() => judge.close());
  return { judge, version: createProbes(sys).instructionSet(4).answer === 'yes' ? 4 : 3 };
}

function interpreted(instructions: readonly Instruction[], memory: Uint8Array): Outcome {
  const copy = memory.slice();
  return { r0: new Vm(instructions).run({ memory: copy }).r0, memory: copy };
}

/** What RFC 9669 has and the verifier refuses: constant shifts by the width or more, and calls by register. */
const isBeyondVerifier = (instruction: Instruction): boolean =>
  instruction.kind === 'callx' ||
  (instruction.kind === 'alu' &&
    instruction.op.endsWith('sh') &&
    typeof instruction.src === 'number' &&
    instruction.src >>> 0 >= instruction.width);

describeWith([root], 'the kernel agrees with the interpreter', () => {
  describeConformance('about the conformance suite', (cases) => {
    test('in result and memory of every positive case', async () => {
      const { judge, version } = await oracle();
      const positive = cases.filter(
        ({ kind, cpu_version: needs }) => kind === 'positive' && Number((needs ?? 'v1').slice(1)) <= version,
      );
      expect(positive.length).toBeGreaterThan(100);
      const wrong = positive.flatMap<object>(({ name, insns = '', mem = '', result = '' }) => {
        const instructions = decode(hex(insns));
        const outcome = judge.run(instructions, hex(mem));
        if ('refused' in outcome)
          return instructions.some(isBeyondVerifier) ? [] : [{ name, refused: outcome.refused }];
        const expected = interpreted(instructions, hex(mem));
        const same =
          outcome.r0 === BigInt(result) &&
          outcome.r0 === expected.r0 &&
          Buffer.compare(outcome.memory, expected.memory) === 0;
        return same ? [] : [{ name, outcome, expected }];
      });
      expect(wrong).toEqual([]);
    });
  });

  const seed = Number(process.env['SEED'] ?? Date.now() % 0x7fff_ffff);
  const runs = Number(process.env['RUNS'] ?? 2000);
  test(`about ${runs} random programs (SEED=${seed})`, async () => {
    const { judge, version } = await oracle();
    const bytes = fc.uint8Array({ minLength: MEMORY, maxLength: MEMORY });
    let refused = 0;
    fc.assert(
      fc.property(arbitraryProgram(version), bytes, (instructions, memory) => {
        const outcome = judge.run(instructions, memory);
        if ('refused' in outcome) refused += 1;
        expect(outcome).toEqual(interpreted(instructions, memory));
      }),
      { numRuns: runs, seed },
    );
    expect(refused).toBe(0);
  }, 300_000);
});
