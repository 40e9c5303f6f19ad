import { liveOut } from './liveness.ts';
import type { MachineBlock, MachineBranch, MachineFunction, MachineInstruction, Reg } from './machine.ts';
import { eachDefinition, eachUse, isMove } from './machine.ts';
import { machinePredecessors, tidy } from './machine-graph.ts';

/**
 * Sets a register before a branch instead of on one side of it, where the other side does not need what the register held: `if c goto A; r1 = 2; goto B; A: r1 = 1; B:` becomes
 * `r1 = 1; if c goto B; r1 = 2; B:`. Only for sides that do nothing but set one register to a constant and go on.
 */
export function setBeforeBranch(fn: MachineFunction): void {
  const predecessors = machinePredecessors(fn);
  // What is set early is not needed on the other side, so that this stays right.
  const live = liveOut(fn);
  const sources = copySources(fn);
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (terminator.kind !== 'branch') continue;
    const sides = [terminator.no, terminator.yes];
    for (const [index, side] of sides.entries()) {
      const other = sides[1 - index] as MachineBlock;
      const setting = settingOf(side);
      if (setting === undefined || (predecessors.get(side)?.length ?? 0) !== 1 || side === other) continue;
      if (terminator.a === setting.dst || terminator.b === setting.dst) continue;
      if (neededAtHead(other, setting.dst, live)) continue;
      // A register that it is a copy of elsewhere could not be the same one any more.
      if (sources.get(setting.dst)?.some((source) => live.get(block)?.has(source) === true) === true) continue;
      block.instructions.push(setting);
      skip(terminator, side);
      break;
    }
  }
  tidy(fn);
}

/** The registers that each register is copied from. */
function copySources(fn: MachineFunction): Map<Reg, Reg[]> {
  const sources = new Map<Reg, Reg[]>();
  for (const block of fn.blocks) {
    for (const m of block.instructions) if (isMove(m)) sources.set(m.dst, [...(sources.get(m.dst) ?? []), m.src]);
  }
  return sources;
}

/** The one instruction of a block that sets a register to a constant and goes on. */
function settingOf({ instructions, terminator }: MachineBlock): MachineInstruction | undefined {
  const [only] = instructions;
  if (terminator.kind !== 'jump' || instructions.length !== 1 || only === undefined) return undefined;
  const { instruction: i } = only;
  return i.kind === 'alu' && i.op === 'mov' && only.src < 0 ? only : undefined;
}

function skip(branch: MachineBranch, side: MachineBlock): void {
  if (side.terminator.kind !== 'jump') return;
  if (branch.yes === side) branch.yes = side.terminator.to;
  if (branch.no === side) branch.no = side.terminator.to;
}

/** Tells whether what a register holds at the head of a block is still needed. */
function neededAtHead(block: MachineBlock, reg: Reg, live: ReadonlyMap<MachineBlock, ReadonlySet<Reg>>): boolean {
  for (const m of block.instructions) {
    let [read, written] = [false, false];
    eachUse(m, (used) => {
      if (used === reg) read = true;
    });
    eachDefinition(m, (defined) => {
      if (defined === reg) written = true;
    });
    if (read) return true;
    if (written) return false;
  }
  const { terminator } = block;
  if (terminator.kind === 'exit') return reg === 0;
  if (terminator.kind === 'branch' && (terminator.a === reg || terminator.b === reg)) return true;
  return live.get(block)?.has(reg) === true;
}
