import { decode, encode, lint, parse } from 'bpf-asm';
import { expect, it } from 'vitest';
import { describeConformance, type ConformanceCase } from './support/vectors.ts';

/** What refuses a negative case: the assembler, the decoder (an instruction that it does not know), or lint. */
function refusal({ asm, raw_bytes: raw }: ConformanceCase): string | undefined {
  try {
    const instructions =
      raw === undefined ? parse(asm ?? '', { dialect: 'conformance' }) : decode(Buffer.from(raw, 'hex'));
    if (instructions.some(({ kind }) => kind === 'raw')) return 'decoder';
    return lint(instructions).some(({ severity }) => severity === 'error') ? 'lint' : undefined;
  } catch {
    return 'assembler';
  }
}

describeConformance('the conformance suite', (cases) => {
  // This case is for the runner that compares results: its program is right and its result on purpose wrong.
  const negative = cases.filter(({ kind, name }) => kind === 'negative' && !name.startsWith('incorrect_return_value'));

  it.each(negative.map((one) => [one.name, one] as const))('%s is refused', (_, one) => {
    expect(refusal(one)).toBe(
      one.assembler_error !== undefined ? 'assembler' : one.raw_bytes !== undefined ? 'decoder' : 'lint',
    );
  });

  const assembled = cases.filter(({ asm, insns }) => asm !== undefined && insns !== undefined);
  it.each(assembled.map((one) => [one.name, one] as const))(
    '%s assembles to the same bytes',
    (_, { asm = '', insns }) => {
      expect(Buffer.from(encode(parse(asm, { dialect: 'conformance' }))).toString('hex')).toBe(insns);
    },
  );
});
