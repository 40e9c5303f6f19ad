import { machineSuccessors, type MachineBlock, type MachineFunction, type MachineTerminator } from './machine.ts';

/** The blocks that lead to each block. */
export function machinePredecessors(fn: MachineFunction): Map<MachineBlock, MachineBlock[]> {
  const predecessors = new Map<MachineBlock, MachineBlock[]>(fn.blocks.map((block) => [block, []]));
  for (const block of fn.blocks) {
    for (const successor of machineSuccessors(block.terminator)) predecessors.get(successor)?.push(block);
  }
  return predecessors;
}

/** Makes a terminator lead elsewhere. */
export function retarget(terminator: MachineTerminator, to: (block: MachineBlock) => MachineBlock): void {
  if (terminator.kind === 'jump') terminator.to = to(terminator.to);
  if (terminator.kind !== 'branch') return;
  terminator.yes = to(terminator.yes);
  terminator.no = to(terminator.no);
}

/** Skips blocks that only lead on, turns branches to one place into jumps, and drops blocks that nothing leads to. */
export function tidy(fn: MachineFunction): void {
  for (const block of fn.blocks) {
    retarget(block.terminator, destination);
    const { terminator } = block;
    if (terminator.kind === 'branch' && terminator.yes === terminator.no) {
      block.terminator = { kind: 'jump', to: terminator.yes, source: terminator.source };
    }
  }
  const entry = fn.blocks[0];
  const reached = new Set(entry === undefined ? [] : [entry]);
  for (const block of reached) for (const successor of machineSuccessors(block.terminator)) reached.add(successor);
  fn.blocks = fn.blocks.filter((block) => reached.has(block));
}

/** Where a jump to a block ends up: past blocks that hold nothing but a jump. */
function destination(block: MachineBlock): MachineBlock {
  const passed = new Set<MachineBlock>();
  let at = block;
  while (at.instructions.length === 0 && at.terminator.kind === 'jump' && !passed.has(at)) {
    passed.add(at);
    at = at.terminator.to;
  }
  return at;
}
