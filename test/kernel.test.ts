import { decode, Vm, type Instruction } from 'bpf-asm';
import fc from 'fast-check';
import { createProbes, openSys } from 'netlink-tc';
import { expect, onTestFinished, test } from 'vitest';
import { MEMORY } from './support/arbitrary-instruction.ts';
import { arbitraryProgram, type Abilities } from './support/arbitrary-program.ts';
import { describeWith, root } from './support/needs.ts';
import { createOracle, type Oracle, type Outcome } from './support/oracle.ts';
import { describeConformance } from './support/vectors.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));

async function oracle(): Promise<{ judge: Oracle; abilities: Abilities }> {
  const sys = await openSys();
  const judge = createOracle(sys);
  onTestFinished(() => judge.close());
  const probes = createProbes(sys);
  const version = probes.instructionSet(4).answer === 'yes' ? 4 : 3;
  return { judge, abilities: { version, loop: probes.helper('sched_cls', 'loop').answer === 'yes' } };
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

/** An instruction without its operands: `alu add`, `atomic xchg`, `load u8`. */
function whatItIs(one: Instruction): string {
  const { kind } = one;
  if (kind === 'alu' || kind === 'end' || kind === 'atomic' || kind === 'jump') return `${kind} ${one.op}`;
  if (kind === 'load' || kind === 'store') return `${kind} ${one.type}`;
  return kind === 'ld_imm64' ? `${kind} ${one.value.type}` : kind;
}

/** What random programs are made of. */
const DRAWN = [
  'neg',
  'end le',
  'end be',
  'end bswap',
  'movsx',
  'ld_imm64 const',
  'ld_imm64 func',
  'ja',
  'gotol',
  'call',
  'call_local',
  'exit',
  'atomic xchg',
  'atomic cmpxchg',
  ...['add', 'sub', 'mul', 'div', 'or', 'and', 'mod', 'xor', 'mov', 'lsh', 'rsh', 'arsh', 'sdiv', 'smod'].map(
    (op) => `alu ${op}`,
  ),
  ...['u8', 'u16', 'u32', 'u64'].flatMap((type) => [`load ${type}`, `store ${type}`]),
  ...['s8', 's16', 's32'].map((type) => `load ${type}`),
  ...['eq', 'ne', 'gt', 'ge', 'lt', 'le', 'set', 'sgt', 'sge', 'slt', 'sle'].map((op) => `jump j${op}`),
  ...['add', 'or', 'and', 'xor'].flatMap((op) => [`atomic ${op}`, `atomic fetch_${op}`]),
];

test('random programs have instructions of all kinds', () => {
  const drawn = fc.sample(arbitraryProgram({ version: 4, loop: true }), { numRuns: 500, seed: 1 });
  const kinds = new Set(drawn.flatMap(({ instructions }) => instructions.map(whatItIs)));
  expect([...kinds].toSorted()).toEqual(DRAWN.toSorted());
});

describeWith([root], 'the kernel agrees with the interpreter', () => {
  describeConformance('about the conformance suite', (cases) => {
    test('in result and memory of every positive case', async () => {
      const { judge, abilities } = await oracle();
      const positive = cases.filter(
        ({ kind, cpu_version: needs }) => kind === 'positive' && Number((needs ?? 'v1').slice(1)) <= abilities.version,
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
    const { judge, abilities } = await oracle();
    const bytes = fc.uint8Array({ minLength: MEMORY, maxLength: MEMORY });
    let refused = 0;
    fc.assert(
      fc.property(arbitraryProgram(abilities), bytes, ({ instructions, functions }, memory) => {
        const outcome = judge.run(instructions, memory, functions);
        if ('refused' in outcome) refused += 1;
        expect(outcome).toEqual(interpreted(instructions, memory));
      }),
      { numRuns: runs, seed },
    );
    expect(refused).toBe(0);
  }, 300_000);
});
