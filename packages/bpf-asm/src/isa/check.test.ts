import { describe, expect, it } from 'vitest';
import { link, lint } from '../asm/index.ts';
import { controlFlow, print, toJson } from '../text/index.ts';
import { Vm } from '../vm/index.ts';
import { encode, type Instruction } from './index.ts';

/** Everything that is given a list of instructions. */
const readers: [string, (instructions: readonly Instruction[]) => unknown][] = [
  ['encode', (list) => encode(list)],
  ['link', (list) => link(list)],
  ['lint', (list) => lint(list)],
  ['print', (list) => print(list)],
  ['toJson', (list) => toJson(list)],
  ['controlFlow', (list) => controlFlow(list)],
  ['Vm', (list) => new Vm(list)],
];

describe.each(readers)('%s', (_, read) => {
  it.each([undefined, null, 5, 'exit', {}])('refuses %j for a list', (value) => {
    expect(() => read(value as unknown as Instruction[])).toThrow(
      expect.objectContaining({ name: 'BpfAsmError', code: 'ERR_INVALID_ARGUMENT' }),
    );
  });

  it.each([undefined, null, 5, 'exit', { kind: 'ld_imm64', dst: 'r1' }])('refuses %j for an instruction', (value) => {
    expect(() => read([{ kind: 'exit' }, value as unknown as Instruction])).toThrow(
      expect.objectContaining({ name: 'BpfAsmError', code: 'ERR_INVALID_INSTRUCTION', instruction: 1 }),
    );
  });
});
