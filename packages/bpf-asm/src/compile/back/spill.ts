import type { Frame } from './frame.ts';
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
 * @returns the new registers, each of which lives for an instruction or two.
 */
export function spill(fn: MachineFunction, registers: readonly Reg[], frame: Frame): Reg[] {
  const spiller = new Spiller(fn, registers, frame);
  for (const block of fn.blocks) spiller.block(block);
  return spiller.made;
}

class Spiller {
  readonly made: Reg[] = [];
  readonly #fn: MachineFunction;
  readonly #frame: Frame;
  readonly #wanted: ReadonlySet<Reg>;
  readonly #recipes: ReadonlyMap<Reg, MachineInstruction>;
  readonly #offsets = new Map<Reg, number>();
  #out: MachineInstruction[] = [];

  constructor(fn: MachineFunction, registers: readonly Reg[], frame: Frame) {
    this.#fn = fn;
    this.#frame = frame;
    this.#wanted = new Set(registers);
    this.#recipes = recipes(fn, this.#wanted);
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
    const known = this.#offsets.get(reg);
    if (known !== undefined) return known;
    const offset = this.#frame.spill();
    this.#offsets.set(reg, offset);
    return offset;
  }
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
