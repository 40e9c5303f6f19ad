import type { Frame } from './frame.ts';
import type { Interference } from './interference.ts';
import {
  eachDefinition,
  eachUse,
  FRAME,
  isMove,
  machine,
  type MachineBlock,
  type MachineFunction,
  type MachineInstruction,
  type Reg,
} from './machine.ts';
import { Templates } from './template.ts';

/**
 * Puts registers aside: what they hold is stored where it is made, and loaded again before each use. A register that only ever holds a constant
 * or the address of a map is made anew instead.
 *
 * @param fn - changed in place.
 * @param graph - of the function as it is: registers that do not meet share a place.
 * @returns the new registers, each of which lives for an instruction or two.
 */
export function spill(fn: MachineFunction, registers: readonly Reg[], graph: Interference, frame: Frame): Reg[] {
  const spiller = new Spiller(fn, registers, graph, frame);
  for (const block of fn.blocks) spiller.block(block);
  return spiller.made;
}

class Spiller {
  readonly made: Reg[] = [];
  readonly #fn: MachineFunction;
  readonly #wanted: ReadonlySet<Reg>;
  readonly #recipes: ReadonlyMap<Reg, MachineInstruction>;
  readonly #offsets: ReadonlyMap<Reg, number>;
  #out: MachineInstruction[] = [];

  constructor(fn: MachineFunction, registers: readonly Reg[], graph: Interference, frame: Frame) {
    this.#fn = fn;
    this.#wanted = new Set(registers);
    this.#recipes = recipes(fn, this.#wanted);
    const stored = registers.filter((reg) => !this.#recipes.has(reg));
    this.#offsets = places(stored, graph, frame);
  }

  block(block: MachineBlock): void {
    this.#out = [];
    for (const m of block.instructions) this.#instruction(m);
    const { terminator } = block;
    if (terminator.kind === 'branch') {
      const make = new Templates(terminator.source);
      const a = this.#wanted.has(terminator.a) ? this.#reload(terminator.a, make) : terminator.a;
      if (terminator.b === terminator.a) terminator.b = a;
      else if (this.#wanted.has(terminator.b)) terminator.b = this.#reload(terminator.b, make);
      terminator.a = a;
    }
    block.instructions = this.#out;
  }

  #instruction(m: MachineInstruction): void {
    const make = new Templates(m.instruction.source);
    if (this.#recipes.has(m.dst) && this.#defines(m, m.dst)) return;
    const toItself = isMove(m) && this.#offsets.has(m.dst) && this.#offset(m.dst) === this.#offsets.get(m.src);
    if (toItself) return;
    if (isMove(m) && m.src !== FRAME && this.#wanted.has(m.dst) && !this.#wanted.has(m.src)) {
      this.#out.push(make.store('u64', FRAME, this.#offset(m.dst), { reg: m.src }));
      return;
    }
    if (isMove(m) && this.#wanted.has(m.src) && !this.#wanted.has(m.dst)) {
      this.#load(m.src, m.dst, make);
      return;
    }
    const { dst, src } = m;
    const read = new Set<Reg>();
    const written = new Set<Reg>();
    eachUse(m, (reg) => read.add(reg));
    eachDefinition(m, (reg) => written.add(reg));
    const stands = new Map<Reg, Reg>();
    for (const reg of new Set([dst, src])) {
      if (!this.#wanted.has(reg)) continue;
      stands.set(reg, read.has(reg) ? this.#reload(reg, make) : this.#fresh());
    }
    m.dst = stands.get(dst) ?? dst;
    m.src = stands.get(src) ?? src;
    this.#out.push(m);
    for (const [reg, by] of stands) {
      if (written.has(reg)) this.#out.push(make.store('u64', FRAME, this.#offset(reg), { reg: by }));
    }
  }

  #defines(m: MachineInstruction, reg: Reg): boolean {
    let defines = false;
    eachDefinition(m, (defined) => {
      if (defined === reg) defines = true;
    });
    return defines;
  }

  #fresh(): Reg {
    const reg = this.#fn.registers++;
    this.made.push(reg);
    return reg;
  }

  #reload(reg: Reg, make: Templates): Reg {
    const fresh = this.#fresh();
    this.#load(reg, fresh, make);
    return fresh;
  }

  #load(reg: Reg, into: Reg, make: Templates): void {
    const recipe = this.#recipes.get(reg);
    this.#out.push(
      recipe === undefined
        ? make.load('u64', into, FRAME, this.#offset(reg))
        : machine(recipe.instruction, into, recipe.src),
    );
  }

  #offset(reg: Reg): number {
    return this.#offsets.get(reg) as number;
  }
}

/** A place on the stack for each register. Copies of each other get the same one where they can, so that copying them takes nothing. */
function places(registers: readonly Reg[], { neighbours, moves }: Interference, frame: Frame): Map<Reg, number> {
  const offsets: number[] = [];
  const placed = new Map<Reg, number>();
  const copies = new Map<Reg, Reg[]>();
  for (const { dst, src } of moves) {
    copies.set(dst, [...(copies.get(dst) ?? []), src]);
    copies.set(src, [...(copies.get(src) ?? []), dst]);
  }
  for (const reg of registers) {
    const taken = new Set<number | undefined>();
    for (const other of neighbours[reg] ?? []) taken.add(placed.get(other));
    const wanted = (copies.get(reg) ?? []).map((other) => placed.get(other));
    let offset = [...wanted, ...offsets].find((candidate) => candidate !== undefined && !taken.has(candidate));
    if (offset === undefined) {
      offset = frame.spill();
      offsets.push(offset);
    }
    placed.set(reg, offset);
  }
  return placed;
}

/** How to make what registers hold anew: those that one instruction without operands gives their value. */
function recipes(fn: MachineFunction, registers: ReadonlySet<Reg>): Map<Reg, MachineInstruction> {
  const found = new Map<Reg, MachineInstruction>();
  const several = new Set<Reg>();
  for (const block of fn.blocks) {
    for (const m of block.instructions) {
      eachDefinition(m, (reg) => {
        if (!registers.has(reg)) return;
        const { instruction: i } = m;
        const simple = i.kind === 'ld_imm64' || (i.kind === 'alu' && i.op === 'mov' && m.src < 0);
        if (!simple || found.has(reg)) several.add(reg);
        else found.set(reg, m);
      });
    }
  }
  for (const reg of several) found.delete(reg);
  return found;
}
