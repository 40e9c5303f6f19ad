import { parseArgs } from 'node:util';
import { Vm } from '../vm/index.ts';
import { UsageError, type Command } from './command.ts';
import { formatHex, parseHex, readInput, readProgram } from './input.ts';

/** `bpf-asm run`. */
export const command: Command = {
  async run(args, io) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        mem: { type: 'string' },
        steps: { type: 'string' },
        program: { type: 'string' },
        raw: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    });
    const { program, raw, steps = '1000000' } = values;
    const stepLimit = /^\d{1,10}$/.test(steps) ? Number(steps) : 0;
    if (stepLimit < 1 || stepLimit > 0x7fff_ffff)
      throw new UsageError(`--steps is a number from 1 to ${0x7fff_ffff}, and not ${steps}`);
    const memory = parseHex(values.mem ?? '', '--mem');
    const { bytes } = await readInput(positionals, io);
    const read = await readProgram(bytes, { program, raw });
    const vm = new Vm(read.program, { stepLimit });
    for (const [name, initial] of read.data) {
      if (Object.hasOwn(vm.maps, name)) vm.map(name).set(new Uint8Array(4), initial);
    }
    const result = vm.run({ memory });
    const r0 = `0x${result.r0.toString(16)}`;
    if (values.json === true) io.print(`${JSON.stringify({ r0, steps: result.steps, memory: formatHex(memory) })}\n`);
    else io.print(`${r0}\n`);
  },
};
