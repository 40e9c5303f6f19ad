import fc from 'fast-check';
import { expect, it } from 'vitest';
import { arbitraryInstruction } from '../../test/arbitrary.ts';
import { isBpfAsmError } from '../error.ts';
import { fromJson, toJson } from './index.ts';

const source = { file: 'a.ts', line: 3, column: 1, text: 'x' };

it('gives back every program through JSON text', () => {
  fc.assert(
    fc.property(fc.array(arbitraryInstruction, { maxLength: 8 }), fc.boolean(), (instructions, annotated) => {
      const given = annotated ? instructions.map((i) => ({ ...i, source })) : instructions;
      expect(fromJson(JSON.parse(JSON.stringify(toJson(given))))).toEqual(given);
    }),
    { numRuns: 3000 },
  );
});

it('has the fields of the instruction, and 64-bit numbers as decimal strings', () => {
  expect(
    JSON.stringify(
      toJson([
        { kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: (1n << 64n) - 1n } },
        { kind: 'gotol', target: 'out' },
      ]),
    ),
  ).toBe(
    '[{"kind":"ld_imm64","dst":"r1","value":{"type":"const","value":"18446744073709551615"}},{"kind":"gotol","target":"out"}]',
  );
});

it.each([
  [{}, undefined, undefined],
  [[1], 0, 'instruction'],
  [[{ kind: 'exit' }, { kind: 'constructor' }], 1, 'kind'],
  [[{ kind: 'neg', width: 64 }], 0, 'dst'],
  [[{ kind: 'neg', width: 64, dst: 'r12' }], 0, 'dst'],
  [[{ kind: 'neg', width: '64', dst: 'r1' }], 0, 'width'],
  [[{ kind: 'exit', dst: 'r1' }], 0, 'dst'],
  [[{ kind: 'call', helper: 1.5 }], 0, 'helper'],
  [[{ kind: 'ld_imm64', dst: 'r1', value: { type: 'const', value: 5 } }], 0, 'value'],
  [[{ kind: 'ld_imm64', dst: 'r1', value: { type: 'toString' } }], 0, 'value'],
  [[{ kind: 'exit', source: { file: 'a.ts' } }], 0, 'source'],
] as const)('%j is refused', (json, instruction, field) => {
  expect(() => fromJson(json)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', instruction, field }) as Error,
  );
});

it('gives an error of ours or a program for any JSON', () => {
  const kinds = ['alu', 'jump', 'ld_imm64', 'raw', 'exit', 'load'];
  const near = fc.array(
    fc.record(
      { kind: fc.constantFrom(...kinds), dst: fc.jsonValue(), src: fc.jsonValue(), value: fc.jsonValue() },
      { requiredKeys: [] },
    ),
  );
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), near), (json) => {
      try {
        return Array.isArray(fromJson(json));
      } catch (error) {
        return isBpfAsmError(error, 'ERR_INVALID_ARGUMENT');
      }
    }),
    { numRuns: 3000 },
  );
});
