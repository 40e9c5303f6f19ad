import { INVERSE_COMPARE } from '../ir/compare.ts';
import type { MachineBlock, MachineFunction } from './machine.ts';
import { machinePredecessors } from './machine-graph.ts';

/**
 * Puts blocks in an order in which control mostly falls through: after each block comes the one it leads to, of two the one that nothing else leads to,
 * of equals the likely one. What is left over comes later, failures last.
 */
export function layOut(fn: MachineFunction): void {
  const predecessors = machinePredecessors(fn);
  const placed = new Set<MachineBlock>();
  const later: MachineBlock[] = [];
  const last: MachineBlock[] = [];
  let at: MachineBlock | undefined = fn.blocks[0];
  while (at !== undefined) {
    placed.add(at);
    at = next(at, placed, predecessors, later, last) ?? take(later, placed) ?? take(last, placed);
  }
  fn.blocks = [...placed];
}

function take(list: MachineBlock[], placed: ReadonlySet<MachineBlock>): MachineBlock | undefined {
  for (let block = list.shift(); block !== undefined; block = list.shift()) if (!placed.has(block)) return block;
  return undefined;
}

function next(
  block: MachineBlock,
  placed: ReadonlySet<MachineBlock>,
  predecessors: ReadonlyMap<MachineBlock, readonly MachineBlock[]>,
  later: MachineBlock[],
  last: MachineBlock[],
): MachineBlock | undefined {
  const { terminator } = block;
  if (terminator.kind === 'exit') return undefined;
  if (terminator.kind === 'jump') return placed.has(terminator.to) ? undefined : terminator.to;
  const { yes, no, unlikely } = terminator;
  const waits = (side: MachineBlock): boolean => (predecessors.get(side) ?? []).some((other) => !placed.has(other));
  let first = placed.has(no) ? yes : placed.has(yes) ? no : undefined;
  if (first === undefined) {
    // A test of bits has no opposite: its other side cannot fall through.
    if (INVERSE_COMPARE[terminator.op] === undefined) first = no;
    else if (waits(yes) !== waits(no)) first = waits(yes) ? no : yes;
    else first = unlikely === 'yes' ? no : yes;
  }
  const other = first === yes ? no : yes;
  if (unlikely === (other === yes ? 'yes' : 'no')) last.push(other);
  else later.unshift(other);
  return placed.has(first) ? undefined : first;
}
