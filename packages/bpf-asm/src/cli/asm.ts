import { rename, rm, stat, writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isBpfAsmError } from '../error.ts';
import { encode, type ByteOrder, type Instruction } from '../isa/index.ts';
import { parse, toJson, type Dialect } from '../text/index.ts';
import { InputError, type Command } from './command.ts';
import { BYTE_ORDERS, choice, DIALECTS, formatHex, readInput } from './input.ts';

/** `bpf-asm asm`. */
export const command: Command = {
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        output: { type: 'string', short: 'o' },
        dialect: { type: 'string' },
        'byte-order': { type: 'string' },
        json: { type: 'boolean' },
      },
    });
    const dialect = choice('dialect', values.dialect, DIALECTS) ?? 'kernel';
    const byteOrder = choice('byte-order', values['byte-order'], BYTE_ORDERS) ?? 'little';
    const { name, bytes: text } = await readInput(positionals, io);
    const { instructions, bytes } = assemble(new TextDecoder().decode(text), { dialect, byteOrder, file: name });
    if (values.output !== undefined) await writeWhole(values.output, bytes);
    if (values.json === true)
      io.print(`${JSON.stringify({ bytes: formatHex(bytes), instructions: toJson(instructions) })}\n`);
    else if (values.output === undefined) io.print(formatHex(bytes).replaceAll(/.{16}/g, '$&\n'));
  },
};

interface AssembleOptions {
  readonly dialect: Dialect;
  readonly byteOrder: ByteOrder;
  readonly file: string;
}

/** Errors get their line, which those of encoding know as the source of the instruction. */
function assemble(
  text: string,
  { dialect, byteOrder, file }: AssembleOptions,
): { instructions: Instruction[]; bytes: Uint8Array } {
  try {
    const instructions = parse(text, { dialect, file });
    return { instructions, bytes: encode(instructions, { byteOrder }) };
  } catch (error) {
    throw isBpfAsmError(error) ? new InputError(file, error) : error;
  }
}

/** Writes a file whole or not at all: beside it first, then in its place. What is no regular file (a device, a pipe) is written to as it is. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const there = await stat(path).catch(() => undefined);
  if (there !== undefined && !there.isFile()) return writeFile(path, bytes);
  const beside = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(beside, bytes);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
