import type { IrBlock, IrFunction, IrInstruction, IrStackSlot, IrValue } from '../ir/ir.ts';
import { predecessorsOf, successorsOf } from '../ir/graph.ts';
import { isLeaf } from '../ir/operands.ts';
import type { Frame } from './frame.ts';

type Slots = ReadonlySet<IrStackSlot>;

/**
 * Gives every slot of the stack its place. Slots that are never in use at once share one: the stack is small, and code that is equal but for
 * where its key stands becomes equal altogether.
 *
 * A slot is in use from any access to any later one. One whose address goes where it cannot be followed (into memory, to another function
 * of the unit, through a phi) shares with none.
 *
 * @param fn - as it will be selected.
 * @param frame - gets the places.
 */
export function placeSlots(fn: IrFunction, frame: Frame): void {
  const uses = new SlotUses(fn);
  const meets = interference(fn, uses);
  const placed = new Map<IrStackSlot, number>();
  for (const slot of uses.slots) {
    const others = uses.escaped.has(slot) ? uses.slots : new Set([...(meets.get(slot) ?? []), ...uses.escaped]);
    const taken = [...placed].filter(([other]) => others.has(other));
    const offset = highestFree(slot, taken);
    placed.set(slot, offset);
    frame.place(slot, offset);
  }
}

/** The highest offset below the frame pointer at which a slot overlaps none of those taken. */
function highestFree(slot: IrStackSlot, taken: readonly (readonly [IrStackSlot, number])[]): number {
  const first = Math.ceil(slot.size / slot.align) * slot.align;
  for (let depth = first; ; depth += slot.align) {
    const end = -depth + slot.size;
    if (taken.every(([other, offset]) => offset >= end || offset + other.size <= -depth)) return -depth;
  }
}

/** Which slots the instructions of a function access. */
class SlotUses {
  /** In the order in which they are met. */
  readonly slots: Set<IrStackSlot> = new Set();
  readonly escaped: Set<IrStackSlot> = new Set();
  readonly #derived = new Map<IrValue, IrStackSlot>();

  constructor(fn: IrFunction) {
    for (const block of fn.blocks) {
      for (const instruction of block.instructions) this.#follow(instruction);
    }
    for (const block of fn.blocks) {
      for (const phi of block.phis) for (const { value } of phi.inputs) this.#escape(value);
      const { terminator } = block;
      if (terminator.op === 'return') this.#escape(terminator.value);
      if (terminator.op === 'branch') [terminator.a, terminator.b].forEach((value) => this.#escape(value));
    }
  }

  /** The slots that an instruction reads or writes. */
  of(instruction: IrInstruction): IrStackSlot[] {
    const values = instruction.op === 'call' ? instruction.args : 'base' in instruction ? [instruction.base] : [];
    return values.map((value) => this.slotOf(value)).filter((slot) => slot !== undefined);
  }

  /** The slot into which a value points. */
  slotOf(value: IrValue): IrStackSlot | undefined {
    return value.op === 'stack_address' ? value.slot : this.#derived.get(value);
  }

  #follow(instruction: IrInstruction): void {
    for (const slot of this.of(instruction)) this.slots.add(slot);
    switch (instruction.op) {
      case 'alu': {
        const [a, b] = [this.slotOf(instruction.a), this.slotOf(instruction.b)];
        const moves =
          (instruction.alu === 'add' && isLeaf(instruction.b)) || (instruction.alu === 'add' && isLeaf(instruction.a));
        if (moves && (a === undefined) !== (b === undefined)) this.#derived.set(instruction, (a ?? b) as IrStackSlot);
        else [instruction.a, instruction.b].forEach((value) => this.#escape(value));
        return;
      }
      case 'store':
      case 'atomic':
        this.#escape(instruction.value);
        return;
      case 'call':
        if (instruction.callee.kind !== 'helper') instruction.args.forEach((value) => this.#escape(value));
        return;
      case 'load':
        return;
      default:
        this.#escape(instruction.a);
    }
  }

  #escape(value: IrValue): void {
    const slot = this.slotOf(value);
    if (slot === undefined) return;
    this.slots.add(slot);
    this.escaped.add(slot);
  }
}

/** For each slot, those that are in use while it is. */
function interference(fn: IrFunction, uses: SlotUses): Map<IrStackSlot, Set<IrStackSlot>> {
  const accessed = new Map(fn.blocks.map((block) => [block, new Set(block.instructions.flatMap((i) => uses.of(i)))]));
  const predecessors = predecessorsOf(fn);
  const before = spread(fn.blocks, accessed, (block) => predecessors.get(block) ?? []);
  const after = spread(fn.blocks.toReversed(), accessed, (block) => successorsOf(block.terminator));
  const meets = new Map<IrStackSlot, Set<IrStackSlot>>([...uses.slots].map((slot) => [slot, new Set()]));
  for (const block of fn.blocks) {
    const seen = new Set(before.get(block));
    const remaining = block.instructions.map((instruction) => uses.of(instruction));
    const last = new Map<IrStackSlot, number>();
    remaining.forEach((slots, index) => slots.forEach((slot) => last.set(slot, index)));
    remaining.forEach((slots, index) => {
      const across = [...seen].filter((slot) => (last.get(slot) ?? -1) > index || after.get(block)?.has(slot));
      const together = new Set([...across, ...slots]);
      for (const slot of together) for (const other of together) if (other !== slot) meets.get(slot)?.add(other);
      for (const slot of slots) seen.add(slot);
    });
  }
  return meets;
}

/** What is accessed in the blocks from which a block is reached (or, the other way round, which it reaches). */
function spread(
  blocks: readonly IrBlock[],
  accessed: ReadonlyMap<IrBlock, Slots>,
  from: (block: IrBlock) => readonly IrBlock[],
): Map<IrBlock, Set<IrStackSlot>> {
  const reaching = new Map<IrBlock, Set<IrStackSlot>>(blocks.map((block) => [block, new Set()]));
  for (let changed = true; changed;) {
    changed = false;
    for (const block of blocks) {
      const set = reaching.get(block) as Set<IrStackSlot>;
      const size = set.size;
      for (const other of from(block)) {
        for (const slot of reaching.get(other) ?? []) set.add(slot);
        for (const slot of accessed.get(other) ?? []) set.add(slot);
      }
      changed ||= set.size > size;
    }
  }
  return reaching;
}
