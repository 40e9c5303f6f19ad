import { BpfAsmError } from '../../error.ts';
import { colour } from './colour.ts';
import type { Frame } from './frame.ts';
import { interference } from './interference.ts';
import { isMove, NO_REGISTER, type MachineFunction, type Reg } from './machine.ts';
import { spill } from './spill.ts';

/** More rounds of putting registers aside than any program has needed: each one leaves fewer to put aside. */
const MOST_ROUNDS = 64;

/**
 * Gives registers of the machine to the virtual ones. What finds none is put on the stack and read again where it is used.
 *
 * @param fn - changed in place; afterwards it uses r0 to r10 only, and copies from a register to itself are gone.
 * @param depths - how many loops each block is in, by its id.
 * @throws BpfAsmError `ERR_COMPILE` when the stack is full.
 */
export function allocate(fn: MachineFunction, frame: Frame, depths: ReadonlyMap<number, number>): void {
  const unspillable = new Set<Reg>();
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const graph = interference(fn, depths);
    const { registers, spilled } = colour(graph, unspillable);
    if (spilled.length === 0) {
      rename(fn, registers);
      return;
    }
    for (const reg of spill(fn, spilled, graph, frame)) unspillable.add(reg);
  }
  throw new BpfAsmError('ERR_COMPILE', `function ${fn.name} needs more registers than there are`, {
    hint: 'split it into functions',
  });
}

function rename(fn: MachineFunction, registers: Int32Array): void {
  const given = (reg: Reg): Reg => (reg === NO_REGISTER ? reg : (registers[reg] as Reg));
  for (const block of fn.blocks) {
    for (const m of block.instructions) {
      m.dst = given(m.dst);
      m.src = given(m.src);
    }
    block.instructions = block.instructions.filter((m) => !isMove(m) || m.dst !== m.src);
    const { terminator } = block;
    if (terminator.kind !== 'branch') continue;
    terminator.a = given(terminator.a);
    terminator.b = given(terminator.b);
  }
}
