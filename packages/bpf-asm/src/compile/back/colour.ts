import type { Interference, Move } from './interference.ts';
import { FIRST_VIRTUAL, type Reg } from './machine.ts';

/** Registers that values may be in: r0 to r9. */
const COLOURS = 10;

/** The order in which registers are tried: those that calls use up first, r0 last of them because results and verdicts come into it. */
const PREFERENCE: readonly Reg[] = [1, 2, 3, 4, 5, 0, 6, 7, 8, 9];

/** What colouring comes to: a register of the machine for each virtual one, and those for which there was none. */
export interface Colouring {
  readonly registers: Int32Array;
  readonly spilled: readonly Reg[];
}

/**
 * Gives registers of the machine to virtual ones by iterated register coalescing (George and Appel, "Iterated Register Coalescing", 1996): values that are
 * copies of each other share a register wherever that does not make the graph harder to colour.
 *
 * @param unspillable - registers that must not be put aside: they were made for that.
 */
export function colour(graph: Interference, unspillable: ReadonlySet<Reg>): Colouring {
  return new Colourer(graph, unspillable).run();
}

class Colourer {
  readonly #count: number;
  readonly #neighbours: Set<Reg>[];
  readonly #degree: Int32Array;
  readonly #costs: Float64Array;
  readonly #unspillable: ReadonlySet<Reg>;
  readonly #moves: readonly Move[];
  /** For each register the moves that it is in. */
  readonly #movesOf: Set<number>[];
  /** Moves that may still be removed, in order. */
  #waiting = new Set<number>();
  /** Moves that would make the graph harder, for now. */
  readonly #refused = new Set<number>();
  readonly #simplify = new Set<Reg>();
  readonly #freeze = new Set<Reg>();
  readonly #spill = new Set<Reg>();
  readonly #stack: Reg[] = [];
  /** Registers that are on the stack, or one with another: no longer in the graph. */
  readonly #gone: Uint8Array;
  readonly #alias: Int32Array;

  constructor(graph: Interference, unspillable: ReadonlySet<Reg>) {
    const { neighbours } = graph;
    this.#count = neighbours.length;
    this.#neighbours = neighbours.map((set) => new Set(set));
    this.#degree = Int32Array.from(neighbours, (set, reg) => (reg < FIRST_VIRTUAL ? 0x3fff_ffff : set.size));
    this.#costs = Float64Array.from(graph.costs);
    this.#unspillable = unspillable;
    this.#moves = graph.moves;
    this.#movesOf = neighbours.map(() => new Set<number>());
    this.#gone = new Uint8Array(this.#count);
    this.#alias = Int32Array.from(neighbours, (_, reg) => reg);
    graph.moves.forEach(({ dst, src }, index) => {
      this.#movesOf[dst]?.add(index);
      this.#movesOf[src]?.add(index);
      this.#waiting.add(index);
    });
  }

  run(): Colouring {
    for (let reg = FIRST_VIRTUAL; reg < this.#count; reg++) this.#sort(reg);
    for (;;) {
      const next = first(this.#simplify);
      if (next !== undefined) {
        this.#simplify.delete(next);
        this.#push(next);
        continue;
      }
      const move = first(this.#waiting);
      if (move !== undefined) {
        this.#waiting.delete(move);
        this.#coalesce(move);
        continue;
      }
      const frozen = first(this.#freeze);
      if (frozen !== undefined) {
        this.#freeze.delete(frozen);
        this.#simplify.add(frozen);
        this.#freezeMoves(frozen);
        continue;
      }
      const victim = this.#cheapest();
      if (victim === undefined) return this.#assign();
      this.#spill.delete(victim);
      this.#simplify.add(victim);
      this.#freezeMoves(victim);
    }
  }

  /** Puts a register on the list of what can be done with it. */
  #sort(reg: Reg): void {
    if (this.#degreeOf(reg) >= COLOURS) this.#spill.add(reg);
    else if (this.#isMoveRelated(reg)) this.#freeze.add(reg);
    else this.#simplify.add(reg);
  }

  #isMoveRelated(reg: Reg): boolean {
    for (const move of this.#movesOf[reg] ?? []) if (this.#waiting.has(move) || this.#refused.has(move)) return true;
    return false;
  }

  #degreeOf(reg: Reg): number {
    return this.#degree[reg] as number;
  }

  #push(reg: Reg): void {
    this.#stack.push(reg);
    this.#gone[reg] = 1;
    this.#eachNeighbour(reg, (other) => this.#lessen(other));
  }

  #eachNeighbour(reg: Reg, visit: (other: Reg) => void): void {
    for (const other of this.#neighbours[reg] ?? []) if (this.#gone[other] === 0) visit(other);
  }

  #lessen(reg: Reg): void {
    if (reg < FIRST_VIRTUAL) return;
    const degree = this.#degreeOf(reg);
    this.#degree[reg] = degree - 1;
    if (degree !== COLOURS) return;
    this.#enableMoves(reg);
    this.#eachNeighbour(reg, (other) => this.#enableMoves(other));
    if (!this.#spill.delete(reg)) return;
    if (this.#isMoveRelated(reg)) this.#freeze.add(reg);
    else this.#simplify.add(reg);
  }

  #enableMoves(reg: Reg): void {
    for (const move of this.#movesOf[reg] ?? []) if (this.#refused.delete(move)) this.#waiting.add(move);
  }

  #find(reg: Reg): Reg {
    let last = reg;
    while (this.#alias[last] !== last) last = this.#alias[last] as number;
    return last;
  }

  #coalesce(index: number): void {
    const { dst, src } = this.#moves[index] as Move;
    const [x, y] = [this.#find(dst), this.#find(src)];
    // A register of the machine, if there is one, is the one that stays.
    const [stays, goes] = y < FIRST_VIRTUAL ? [y, x] : [x, y];
    if (stays === goes) {
      this.#settle(stays);
    } else if (goes < FIRST_VIRTUAL || this.#meets(goes, stays)) {
      this.#settle(stays);
      this.#settle(goes);
    } else if (stays < FIRST_VIRTUAL ? this.#fitsMachine(goes, stays) : this.#staysEasy(stays, goes)) {
      this.#combine(stays, goes);
      this.#settle(stays);
    } else {
      this.#refused.add(index);
    }
  }

  #meets(virtual: Reg, other: Reg): boolean {
    return this.#neighbours[virtual]?.has(other) ?? false;
  }

  /** George's test: each neighbour is easy, or meets the register already. */
  #fitsMachine(goes: Reg, stays: Reg): boolean {
    for (const other of this.#neighbours[goes] as Set<Reg>) {
      if (this.#gone[other] === 1) continue;
      if (other < FIRST_VIRTUAL ? other === stays : this.#degreeOf(other) >= COLOURS && !this.#meets(other, stays)) {
        return false;
      }
    }
    return true;
  }

  /** Briggs' test: together they have less than {@link COLOURS} neighbours that are hard. */
  #staysEasy(a: Reg, b: Reg): boolean {
    let hard = 0;
    for (const other of this.#neighbours[a] as Set<Reg>) {
      if (this.#gone[other] === 1 || this.#degreeOf(other) < COLOURS) continue;
      // One that meets both has a neighbour less afterwards.
      if (other >= FIRST_VIRTUAL && this.#degreeOf(other) === COLOURS && this.#meets(b, other)) continue;
      if (++hard >= COLOURS) return false;
    }
    for (const other of this.#neighbours[b] as Set<Reg>) {
      if (this.#gone[other] === 1 || this.#degreeOf(other) < COLOURS || this.#meets(a, other)) continue;
      if (++hard >= COLOURS) return false;
    }
    return true;
  }

  #combine(stays: Reg, goes: Reg): void {
    this.#freeze.delete(goes);
    this.#spill.delete(goes);
    this.#gone[goes] = 1;
    this.#alias[goes] = stays;
    this.#costs[stays] = (this.#costs[stays] as number) + (this.#costs[goes] as number);
    for (const move of this.#movesOf[goes] ?? []) this.#movesOf[stays]?.add(move);
    this.#enableMoves(goes);
    this.#eachNeighbour(goes, (other) => {
      this.#join(other, stays);
      this.#lessen(other);
    });
    if (stays >= FIRST_VIRTUAL && this.#degreeOf(stays) >= COLOURS && this.#freeze.delete(stays))
      this.#spill.add(stays);
  }

  #join(a: Reg, b: Reg): void {
    if (a >= FIRST_VIRTUAL && !this.#meets(a, b)) {
      this.#neighbours[a]?.add(b);
      this.#degree[a] = this.#degreeOf(a) + 1;
    }
    if (b >= FIRST_VIRTUAL && !this.#meets(b, a)) {
      this.#neighbours[b]?.add(a);
      this.#degree[b] = this.#degreeOf(b) + 1;
    }
  }

  /** A register that is in no move any more can be taken out of the graph. */
  #settle(reg: Reg): void {
    if (
      reg >= FIRST_VIRTUAL &&
      !this.#isMoveRelated(reg) &&
      this.#degreeOf(reg) < COLOURS &&
      this.#freeze.delete(reg)
    ) {
      this.#simplify.add(reg);
    }
  }

  #freezeMoves(reg: Reg): void {
    for (const move of this.#movesOf[reg] ?? []) {
      if (!this.#waiting.delete(move) && !this.#refused.delete(move)) continue;
      const { dst, src } = this.#moves[move] as Move;
      const other = this.#find(dst) === this.#find(reg) ? this.#find(src) : this.#find(dst);
      this.#settle(other);
    }
  }

  #cheapest(): Reg | undefined {
    let best: Reg | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const reg of this.#spill) {
      const cost = this.#unspillable.has(reg) ? 1e15 : (this.#costs[reg] as number) / this.#degreeOf(reg);
      if (cost >= least) continue;
      best = reg;
      least = cost;
    }
    return best;
  }

  #assign(): Colouring {
    const registers = Int32Array.from({ length: this.#count }, (_, reg) => (reg < FIRST_VIRTUAL ? reg : -1));
    const spilled: Reg[] = [];
    for (let reg = this.#stack.pop(); reg !== undefined; reg = this.#stack.pop()) {
      const taken = new Set<number>();
      for (const other of this.#neighbours[reg] ?? []) taken.add(registers[this.#find(other)] as number);
      const free = this.#wanted(reg, registers, taken) ?? PREFERENCE.find((candidate) => !taken.has(candidate));
      if (free === undefined) spilled.push(reg);
      else registers[reg] = free;
    }
    for (let reg = FIRST_VIRTUAL; reg < this.#count; reg++) registers[reg] = registers[this.#find(reg)] as number;
    const lost = new Set(spilled);
    const all: Reg[] = [];
    for (let reg = FIRST_VIRTUAL; reg < this.#count; reg++) if (lost.has(this.#find(reg))) all.push(reg);
    return { registers, spilled: all };
  }

  /** The register that would make a move needless after all. */
  #wanted(reg: Reg, registers: Int32Array, taken: ReadonlySet<number>): Reg | undefined {
    for (const move of this.#movesOf[reg] ?? []) {
      const { dst, src } = this.#moves[move] as Move;
      for (const end of [dst, src]) {
        const given = registers[this.#find(end)] as number;
        if (given >= 0 && given < COLOURS && !taken.has(given)) return given;
      }
    }
    return undefined;
  }
}

function first<T>(set: ReadonlySet<T>): T | undefined {
  for (const item of set) return item;
  return undefined;
}
