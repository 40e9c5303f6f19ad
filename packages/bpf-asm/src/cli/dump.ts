import { parseArgs } from 'node:util';
import { PROGRAM_TYPE, type MapDefinition, type ProgramType } from '../asm/index.ts';
import { readObject, type ObjectFile, type ObjectProgram } from '../elf/index.ts';
import { print, toJson } from '../text/index.ts';
import type { Command } from './command.ts';
import { BYTE_ORDERS, choice, formatHex, isObject, readInput, readProgram } from './input.ts';

/** `bpf-asm dump`. */
export const command: Command = {
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        type: { type: 'string' },
        'byte-order': { type: 'string' },
        raw: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
    const type = choice('type', values.type, Object.keys(PROGRAM_TYPE) as ProgramType[]);
    const byteOrder = choice('byte-order', values['byte-order'], BYTE_ORDERS);
    const { bytes } = await readInput(positionals, io);
    const { raw, json = false } = values;
    if (raw === true || !isObject(bytes)) {
      const { instructions } = await readProgram(bytes, { byteOrder, raw });
      io.print(
        json ? `${JSON.stringify({ format: 'raw', instructions: toJson(instructions) })}\n` : print(instructions),
      );
      return;
    }
    const object = readObject(bytes, type === undefined ? {} : { type });
    io.print(json ? `${JSON.stringify(objectJson(object))}\n` : objectText(object));
  },
};

function objectJson({ byteOrder, licence, programs, maps, data, pinned }: ObjectFile): object {
  return {
    format: 'elf',
    byteOrder,
    licence,
    maps,
    data: Object.fromEntries([...data].map(([name, bytes]) => [name, formatHex(bytes)])),
    pinned,
    programs: programs.map(({ instructions, maps: own, ...program }) => {
      const names = own.map(({ name }) => name);
      return Object.assign(program, { maps: names, instructions: toJson(instructions) });
    }),
  };
}

function objectText({ byteOrder, licence, programs, maps, data, pinned }: ObjectFile): string {
  const lines = [`eBPF object, ${byteOrder} endian, licence ${licence === '' ? 'not named' : JSON.stringify(licence)}`];
  for (const map of maps) {
    const initial = data.get(map.name);
    const contents = initial === undefined ? '' : `, holds ${shown(initial)}`;
    lines.push(`map ${map.name}: ${mapText(map)}${pinned.includes(map.name) ? ', pinned by name' : ''}${contents}`);
  }
  return `${lines.join('\n')}\n${programs.map(programText).join('')}`;
}

/** No more than a line's worth. */
function shown(bytes: Uint8Array): string {
  return bytes.length <= 32 ? formatHex(bytes) : `${formatHex(bytes.subarray(0, 32))}… (${bytes.length} bytes)`;
}

function mapText({ type, keySize, valueSize, maxEntries, flags = 0, inner }: MapDefinition): string {
  const text = `${type}, key ${keySize} bytes, value ${valueSize} bytes, ${maxEntries} entries`;
  const flagged = flags === 0 ? text : `${text}, flags 0x${flags.toString(16)}`;
  return inner === undefined ? flagged : `${flagged}, of maps (${mapText(inner)})`;
}

function programText({ name, section, type, expectedAttachType, instructions, functions }: ObjectProgram): string {
  const attach = expectedAttachType === undefined ? '' : ` for ${expectedAttachType}`;
  const [, ...others] = functions;
  const calls = others.length === 0 ? '' : `, with ${others.map((one) => one.name).join(', ')}`;
  const listing = print(instructions, { sources: true });
  return `\nprogram ${name} in section ${section}: ${type}${attach}, ${instructions.length} instructions${calls}\n${listing}`;
}
