import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { isBpfAsmError } from '../error.ts';
import type { Instruction } from '../isa/index.ts';
import { parse, parseItems, print, type Dialect, type PrintOptions } from './index.ts';

const runs = { numRuns: 3000 };
const dialects: readonly Dialect[] = ['kernel', 'conformance'];
const program = fc.array(arbitraryInstruction, { maxLength: 12 });

describe.each(dialects)('the %s dialect', (dialect) => {
  it('gives back every program', () => {
    fc.assert(
      fc.property(program, (instructions) => {
        expect(parse(print(instructions, { dialect }), { dialect })).toEqual(instructions);
      }),
      runs,
    );
  });

  it('gives back every program with labels, sources, numbers and opcodes on or off', () => {
    const near = fc.integer({ min: -14, max: 14 });
    const jumps = fc.array(
      fc.oneof(
        arbitraryInstruction,
        near.map((target) => ({ kind: 'ja' as const, target })),
        near.map((target) => ({ kind: 'call_local' as const, target })),
        near.map((target) => ({
          kind: 'ld_imm64' as const,
          dst: 'r1' as const,
          value: { type: 'func' as const, target },
        })),
      ),
      { maxLength: 12 },
    );
    const options: fc.Arbitrary<PrintOptions> = fc.record({
      labels: fc.boolean(),
      sources: fc.boolean(),
      numbers: fc.boolean(),
      opcodes: fc.boolean(),
    });
    fc.assert(
      fc.property(jumps, options, (instructions, chosen) => {
        expect(parse(print(instructions, { ...chosen, dialect }), { dialect })).toEqual(instructions);
      }),
      runs,
    );
  });

  it('gives an error of ours with line and column, or a program, for every text', () => {
    const words =
      'r0 w1 %r1 = += s>> ( ) [ ] * u32 skb 0x -5 99999999999999999999 goto pc +3 if == lock fetch add call local # ; // : \n " \\ , map id lddw ldxw ll raw code=0x85 atomic64_xchg exit L1 \u0000 é'.split(
        ' ',
      );
    const text = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string(),
      fc.array(fc.constantFrom(...words, ' '), { maxLength: 20 }).map((parts) => parts.join(' ')),
      mutated(dialect),
    );
    fc.assert(
      fc.property(text, (given) => {
        const result = outcome(given, dialect);
        expect(typeof result === 'string' ? result : 'taken').toBe('taken');
      }),
      { numRuns: 10_000 },
    );
  });

  it('keeps names of maps and labels, whatever they are', () => {
    const name = fc.oneof(fc.string(), fc.constantFrom('id', 'pc', 'idx', 'a"b\\', 'x\ny', 'undefined'));
    fc.assert(
      fc.property(name, (map) => {
        const item = { kind: 'ld_imm64' as const, dst: 'r1' as const, value: { type: 'map' as const, map } };
        const jump = { kind: 'gotol' as const, target: map };
        expect(parseItems(print([item, jump], { dialect }), { dialect })).toEqual([item, jump]);
      }),
    );
  });
});

/** What is wrong with how a text is taken or refused, or the program. */
function outcome(text: string, dialect: Dialect): string | readonly Instruction[] {
  try {
    const instructions = parse(text, { dialect });
    const again = print(parse(print(instructions, { dialect }), { dialect }), { dialect });
    return again === print(instructions, { dialect }) ? instructions : `printed as ${again}`;
  } catch (error) {
    if (!isBpfAsmError(error)) throw error;
    const { code, line = 0, column = 0 } = error;
    if (!['ERR_SYNTAX', 'ERR_OUT_OF_RANGE', 'ERR_MISSING_LABEL', 'ERR_DUPLICATE_LABEL'].includes(code))
      return `refused with ${code}`;
    const place = text.split('\n')[line - 1];
    return place !== undefined && column >= 1 && column <= place.length + 1
      ? []
      : `refused at line ${line}, column ${column}`;
  }
}

/** A program's text with a few characters changed. */
function mutated(dialect: Dialect): fc.Arbitrary<string> {
  return fc
    .tuple(
      fc.array(arbitraryInstruction, { minLength: 1, maxLength: 3 }),
      fc.nat(),
      fc.constantFrom('', ' ', 'r', '0', '(', '\n', ':', '"', '-'),
    )
    .map(([instructions, seed, put]) => {
      const text = print(instructions, { dialect });
      const at = seed % text.length;
      return text.slice(0, at) + put + text.slice(at + (seed % 3));
    });
}

it('refuses to print a field that has no such value', () => {
  const bad = [
    { kind: 'neg', width: 64, dst: 'r99' },
    { kind: 'alu', op: 'pow', width: 64, dst: 'r0', src: 1 },
    { kind: 'jump', op: 'jmaybe', width: 64, dst: 'r0', src: 1, target: 0 },
  ] as never[];
  for (const dialect of ['kernel', 'conformance'] as const) {
    for (const one of bad) {
      expect(() => print([one], { dialect })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_INSTRUCTION' }));
    }
    expect(print([{ kind: 'ja', target: 'undefined' }], { dialect })).toContain('undefined');
  }
});
