import { liveOut } from './liveness.ts';
import { eachDefinition, type MachineBlock, type MachineFunction } from './machine.ts';
import { machinePredecessors, retarget, tidy } from './machine-graph.ts';

/** What r0 holds: a number, or something else. */
type Held = number | undefined;

/**
 * Removes blocks that only set r0 and leave (`r0 = 0; exit`) where r0 can hold the number already when control gets there: because a comparison has just shown it, or
 * because nothing else needs r0 on the way, so that it is set once before all the branches. They then go to an exit that is there anyway.
 */
export function shareVerdicts(fn: MachineFunction): void {
  for (const block of fn.blocks.slice()) {
    const verdict = verdictOf(block);
    if (verdict === undefined || block === fn.blocks[0]) continue;
    if (removeVerdict(fn, block, verdict)) tidy(fn);
  }
}

function verdictOf({ instructions, terminator }: MachineBlock): Held {
  const [only] = instructions;
  if (terminator.kind !== 'exit' || instructions.length !== 1 || only === undefined) return undefined;
  return settingOf(only, 0) ?? undefined;
}

/** What r0 holds after an instruction. */
function settingOf(m: MachineBlock['instructions'][number], before: Held): Held {
  const { instruction: i } = m;
  if (i.kind === 'alu' && i.op === 'mov' && i.width === 64 && m.dst === 0 && m.src < 0) return i.src as number;
  let held = before;
  eachDefinition(m, (reg) => {
    if (reg === 0) held = undefined;
  });
  return held;
}

function removeVerdict(fn: MachineFunction, block: MachineBlock, verdict: number): boolean {
  const predecessors = machinePredecessors(fn);
  const sources = predecessors.get(block) ?? [];
  if (!sources.every(({ terminator }) => terminator.kind === 'branch')) return false;
  const exits = fn.blocks.filter((other) => other !== block && other.terminator.kind === 'exit');
  // One that could go itself is the last choice.
  const exit = exits.find((other) => verdictOf(other) === undefined) ?? exits[0];
  if (exit === undefined) return false;
  const before = heldAtEnds(fn, predecessors, undefined, verdict);
  const missing = sources.filter((source) => !holdsOnEdge(source, block, before, verdict));
  if (missing.length > 0) {
    const place = placeFor(fn, predecessors, missing, verdict);
    if (place === undefined) return false;
    place.instructions.push(block.instructions[0] as (typeof place.instructions)[number]);
  }
  const leave = exitAlone(fn, exit);
  for (const source of sources) retarget(source.terminator, (to) => (to === block ? leave : to));
  fn.blocks = fn.blocks.filter((other) => other !== block);
  return true;
}

/** The exit of a block as a block of its own. */
function exitAlone(fn: MachineFunction, block: MachineBlock): MachineBlock {
  if (block.instructions.length === 0 && block !== fn.blocks[0]) return block;
  const id = Math.max(...fn.blocks.map((other) => other.id)) + 1;
  const alone: MachineBlock = { id, instructions: [], terminator: block.terminator };
  block.terminator = { kind: 'jump', to: alone, source: block.terminator.source };
  fn.blocks.push(alone);
  return alone;
}

/** What r0 holds at the end of each block, as far as that is the verdict; with the verdict set at the end of `place`. */
function heldAtEnds(
  fn: MachineFunction,
  predecessors: ReadonlyMap<MachineBlock, readonly MachineBlock[]>,
  place: MachineBlock | undefined,
  verdict: number,
): Map<MachineBlock, boolean> {
  // Everything is hoped for, and given up where a path shows otherwise.
  const atEnd = new Map(fn.blocks.map((block) => [block, true]));
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks) {
      const before = predecessors.get(block) ?? [];
      const entry = block === fn.blocks[0];
      let holds: Held =
        !entry && before.every((from) => holdsOnEdge(from, block, atEnd, verdict)) ? verdict : undefined;
      for (const m of block.instructions) holds = settingOf(m, holds);
      const now = holds === verdict || block === place;
      if (now === atEnd.get(block)) continue;
      atEnd.set(block, now);
      changed = true;
    }
  }
  return atEnd;
}

function holdsOnEdge(
  from: MachineBlock,
  to: MachineBlock,
  atEnd: ReadonlyMap<MachineBlock, boolean>,
  verdict: number,
): boolean {
  if (atEnd.get(from) === true) return true;
  const { terminator } = from;
  if (terminator.kind !== 'branch' || terminator.a !== 0 || terminator.b >= 0 || terminator.width !== 64) return false;
  if (terminator.immediate !== verdict || terminator.yes === terminator.no) return false;
  return terminator.op === 'jeq' ? terminator.yes === to : terminator.op === 'jne' && terminator.no === to;
}

/** A block at whose end r0 is free, and where setting it serves all of `missing`. */
function placeFor(
  fn: MachineFunction,
  predecessors: ReadonlyMap<MachineBlock, readonly MachineBlock[]>,
  missing: readonly MachineBlock[],
  verdict: number,
): MachineBlock | undefined {
  const live = liveOut(fn);
  return fn.blocks.find((place) => {
    const { terminator } = place;
    if (live.get(place)?.has(0) === true || terminator.kind === 'exit') return false;
    if (terminator.kind === 'branch' && (terminator.a === 0 || terminator.b === 0)) return false;
    const atEnd = heldAtEnds(fn, predecessors, place, verdict);
    return missing.every((source) => atEnd.get(source) === true);
  });
}
