import {
  eachDefinition,
  eachUse,
  machineSuccessors,
  type MachineBlock,
  type MachineFunction,
  type MachineTerminator,
  type Reg,
} from './machine.ts';

/** Calls `visit` with each register that a terminator reads. */
export function eachTerminatorUse(terminator: MachineTerminator, visit: (reg: Reg) => void): void {
  if (terminator.kind === 'exit') visit(0);
  if (terminator.kind !== 'branch') return;
  visit(terminator.a);
  if (terminator.b >= 0) visit(terminator.b);
}

/** The registers whose values are needed after each block. */
export function liveOut(fn: MachineFunction): Map<MachineBlock, Set<Reg>> {
  const summaries = fn.blocks.map((block) => ({ block, ...summary(block), in: new Set<Reg>(), out: new Set<Reg>() }));
  const of = new Map(summaries.map((entry) => [entry.block, entry]));
  for (let changed = true; changed;) {
    changed = false;
    for (let i = summaries.length - 1; i >= 0; i--) {
      const entry = summaries[i] as (typeof summaries)[number];
      for (const successor of machineSuccessors(entry.block.terminator)) {
        for (const reg of of.get(successor)?.in ?? []) entry.out.add(reg);
      }
      const before = entry.in.size;
      for (const reg of entry.uses) entry.in.add(reg);
      for (const reg of entry.out) if (!entry.defines.has(reg)) entry.in.add(reg);
      if (entry.in.size !== before) changed = true;
    }
  }
  return new Map(summaries.map(({ block, out }) => [block, out]));
}

/** What a block reads before it writes it, and what it writes. */
function summary(block: MachineBlock): { uses: Set<Reg>; defines: Set<Reg> } {
  const uses = new Set<Reg>();
  const defines = new Set<Reg>();
  const use = (reg: Reg): void => {
    if (!defines.has(reg)) uses.add(reg);
  };
  for (const instruction of block.instructions) {
    eachUse(instruction, use);
    eachDefinition(instruction, (reg) => defines.add(reg));
  }
  eachTerminatorUse(block.terminator, use);
  return { uses, defines };
}
