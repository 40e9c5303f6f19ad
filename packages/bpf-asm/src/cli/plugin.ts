import { decode } from '../isa/index.ts';
import { Vm } from '../vm/index.ts';
import { UsageError, type Command } from './command.ts';
import { isObject, parseHex, readProgram } from './input.ts';

/** Options that plugins of other runtimes have, and that runners therefore pass. */
const IGNORED: ReadonlySet<string> = new Set(['--elf', '--jit', '--interpret', '--debug']);

/** `bpf-asm plugin`. */
export const command: Command = {
  async run(args, io) {
    // The runner passes all its options as one argument, which is empty where there are none; so may the memory be.
    const words = args
      .flatMap((arg) => (arg.startsWith('-') ? arg.trim().split(/\s+/) : [arg.trim()]))
      .filter((word) => word !== '');
    const unknown = words.find((word) => word.startsWith('-') && !IGNORED.has(word));
    if (unknown !== undefined) throw new UsageError(`there is no option ${unknown}`);
    const [memory = '', ...more] = words.filter((word) => !word.startsWith('-'));
    if (more.length > 0) throw new UsageError(`the memory is one argument, and there is also ${more.join(', ')}`);
    const program = parseHex(new TextDecoder('latin1').decode(await io.input()), 'the program');
    const instructions = isObject(program) ? (await readProgram(program, {})).instructions : decode(program);
    const { r0 } = new Vm(instructions).run({ memory: parseHex(memory, 'the memory') });
    io.print(`${r0.toString(16)}\n`);
  },
};
