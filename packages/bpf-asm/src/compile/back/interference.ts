import { eachTerminatorUse, liveOut } from './liveness.ts';
import { eachDefinition, eachUse, FIRST_VIRTUAL, FRAME, isMove, type MachineFunction, type Reg } from './machine.ts';

/** A copy from one register to another, which goes away when both are the same. */
export interface Move {
  readonly dst: Reg;
  readonly src: Reg;
}

/** Which registers hold values at the same time, and which would like to be one. */
export interface Interference {
  /** For each register those that it meets; registers of the machine have no lists. */
  readonly neighbours: readonly Set<Reg>[];
  readonly moves: readonly Move[];
  /** How much it costs to put each register aside: reads and writes, those in loops tenfold for each loop. */
  readonly costs: Float64Array;
}

/** Finds which registers meet (a value that is copied does not meet its copy). */
export function interference(fn: MachineFunction, depths: ReadonlyMap<number, number>): Interference {
  const neighbours = Array.from({ length: fn.registers }, () => new Set<Reg>());
  const costs = new Float64Array(fn.registers);
  const moves: Move[] = [];
  const meet = (a: Reg, b: Reg): void => {
    if (a === b) return;
    if (a >= FIRST_VIRTUAL) neighbours[a]?.add(b);
    if (b >= FIRST_VIRTUAL) neighbours[b]?.add(a);
  };
  const outs = liveOut(fn);
  for (const block of fn.blocks) {
    const weight = 10 ** Math.min(depths.get(block.id) ?? 0, 6);
    const live = new Set(outs.get(block));
    const use = (reg: Reg): void => {
      live.add(reg);
      costs[reg] = (costs[reg] ?? 0) + weight;
    };
    eachTerminatorUse(block.terminator, use);
    for (let i = block.instructions.length - 1; i >= 0; i--) {
      const m = block.instructions[i];
      if (m === undefined) continue;
      if (isMove(m) && m.src !== FRAME) {
        live.delete(m.src);
        moves.push({ dst: m.dst, src: m.src });
      }
      eachDefinition(m, (reg) => {
        costs[reg] = (costs[reg] ?? 0) + weight;
        for (const other of live) meet(reg, other);
      });
      eachDefinition(m, (reg) => live.delete(reg));
      eachUse(m, use);
    }
  }
  return { neighbours, moves: moves.toReversed(), costs };
}
