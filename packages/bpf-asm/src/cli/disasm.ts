import { parseArgs } from 'node:util';
import { encode, type Instruction } from '../isa/index.ts';
import { print, toJson } from '../text/index.ts';
import type { Command } from './command.ts';
import { BYTE_ORDERS, choice, DIALECTS, formatHex, readInput, readProgram } from './input.ts';

/** `bpf-asm disasm`. */
export const command: Command = {
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        dialect: { type: 'string' },
        'byte-order': { type: 'string' },
        labels: { type: 'boolean' },
        program: { type: 'string' },
        raw: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
    const dialect = choice('dialect', values.dialect, DIALECTS) ?? 'kernel';
    const byteOrder = choice('byte-order', values['byte-order'], BYTE_ORDERS);
    const { bytes } = await readInput(positionals, io);
    const { program, raw, labels = false } = values;
    const { instructions } = await readProgram(bytes, { byteOrder, program, raw });
    if (values.json === true) io.print(`${JSON.stringify(listing(instructions, byteOrder ?? 'little'))}\n`);
    else io.print(print(instructions, { dialect, labels }));
  },
};

/** Maps that are still names have no bytes; then there are none of the whole. */
function listing(instructions: readonly Instruction[], byteOrder: 'little' | 'big'): object {
  const named = instructions.some((i) => i.kind === 'ld_imm64' && 'map' in i.value && typeof i.value.map === 'string');
  const bytes = named ? {} : { bytes: formatHex(encode(instructions, { byteOrder })) };
  return { ...bytes, instructions: toJson(instructions) };
}
