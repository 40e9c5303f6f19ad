import { eachDefinition, isMove, type MachineBlock, type MachineFunction, type MachineInstruction } from './machine.ts';
import { machinePredecessors } from './machine-graph.ts';

/** What each register holds, as far as it can be told: equal texts are equal contents. */
type Contents = Map<number, string>;

/** Removes copies to registers that hold the same already, and constants that a register has, or that a comparison has just shown it to have. */
export function dropRedundantSettings(fn: MachineFunction): void {
  const predecessors = machinePredecessors(fn);
  const atEnd = new Map<MachineBlock, Contents>();
  let next = 0;
  for (const block of fn.blocks) {
    const [only, ...others] = predecessors.get(block) ?? [];
    const known = only !== undefined && others.length === 0 ? atEnd.get(only) : undefined;
    const contents: Contents = new Map(known);
    if (known !== undefined && only !== undefined) learn(only, block, contents);
    block.instructions = block.instructions.filter((m) => {
      const made = contentOf(m, contents);
      if (made !== undefined && contents.get(m.dst) === made) return false;
      eachDefinition(m, (reg) => contents.set(reg, `${next++}`));
      if (made === undefined) return true;
      // A copy of something unknown: from here on both are known to be equal.
      if (isMove(m) && !contents.has(m.src)) contents.set(m.src, made);
      contents.set(m.dst, made);
      return true;
    });
    atEnd.set(block, contents);
  }
}

function contentOf(m: MachineInstruction, contents: Contents): string | undefined {
  if (isMove(m)) return contents.get(m.src) ?? `first r${m.src}`;
  const { instruction: i } = m;
  return i.kind === 'alu' && i.op === 'mov' && i.width === 64 && m.src < 0 ? `= ${String(i.src)}` : undefined;
}

/** What the way from one block to another shows of a register. */
function learn({ terminator }: MachineBlock, to: MachineBlock, contents: Contents): void {
  if (terminator.kind !== 'branch' || terminator.b >= 0 || terminator.width !== 64) return;
  const equal = terminator.op === 'jeq' ? terminator.yes : terminator.op === 'jne' ? terminator.no : undefined;
  if (equal === to && terminator.yes !== terminator.no) contents.set(terminator.a, `= ${terminator.immediate}`);
}
