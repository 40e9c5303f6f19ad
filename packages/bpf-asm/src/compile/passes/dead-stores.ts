import { successorsOf } from '../ir/graph.ts';
import type { IrBlock, IrFunction, IrInstruction, IrStackSlot } from '../ir/ir.ts';
import { findSlots, placeOf, slotsOf } from '../ir/slots.ts';

/** For each slot the bytes that nothing reads any more before they are written again, as a mask. */
type DeadBytes = Map<IrStackSlot, bigint>;

/** Removes stores to the stack that are overwritten on every path before anything can read them, or that nothing reads. */
export function removeDeadStores(fn: IrFunction): void {
  const { slots, escaped } = findSlots(fn);
  for (const slot of escaped) slots.delete(slot);
  if (slots.size === 0) return;
  const all: DeadBytes = new Map([...slots].map((slot) => [slot, mask(0, slot.size)]));
  const atHead = new Map<IrBlock, DeadBytes>(fn.blocks.map((block) => [block, all]));
  for (let changed = true; changed;) {
    changed = false;
    for (const block of fn.blocks.toReversed()) {
      const dead = atEnd(block, atHead, all);
      for (const i of block.instructions.toReversed()) pass(i, dead);
      const before = atHead.get(block) as DeadBytes;
      if ([...dead].every(([slot, bytes]) => before.get(slot) === bytes)) continue;
      atHead.set(block, dead);
      changed = true;
    }
  }
  for (const block of fn.blocks) {
    const dead = atEnd(block, atHead, all);
    const kept = block.instructions.toReversed().filter((i) => {
      const needless = isDead(i, dead);
      if (!needless) pass(i, dead);
      return !needless;
    });
    block.instructions = kept.toReversed();
  }
}

function mask(offset: number, size: number): bigint {
  return ((1n << BigInt(size)) - 1n) << BigInt(offset);
}

function atEnd(block: IrBlock, atHead: ReadonlyMap<IrBlock, DeadBytes>, all: DeadBytes): DeadBytes {
  const dead = new Map(all);
  for (const successor of successorsOf(block.terminator)) {
    for (const [slot, bytes] of atHead.get(successor) ?? []) dead.set(slot, (dead.get(slot) ?? 0n) & bytes);
  }
  return dead;
}

/** The bytes of a slot that an access is to. */
function touched(i: IrInstruction): { slot: IrStackSlot; bytes: bigint } | undefined {
  if (i.op !== 'load' && i.op !== 'store' && i.op !== 'atomic') return undefined;
  const place = placeOf(i.base);
  if (place === undefined) return undefined;
  const size = (i.op === 'atomic' ? i.width : Number(i.type.slice(1))) / 8;
  const offset = place.offset + i.offset;
  // Outside the slot is for the verifier to refuse.
  return offset < 0 ? undefined : { slot: place.slot, bytes: mask(offset, size) };
}

function isDead(i: IrInstruction, dead: DeadBytes): boolean {
  if (i.op !== 'store') return false;
  const place = touched(i);
  const bytes = place === undefined ? undefined : dead.get(place.slot);
  return place !== undefined && bytes !== undefined && (place.bytes & ~bytes) === 0n;
}

/** Goes past an instruction, backwards. */
function pass(i: IrInstruction, dead: DeadBytes): void {
  if (i.op === 'call') {
    for (const slot of slotsOf(i)) if (dead.has(slot)) dead.set(slot, 0n);
    return;
  }
  const place = touched(i);
  const before = place === undefined ? undefined : dead.get(place.slot);
  if (place === undefined || before === undefined) return;
  dead.set(place.slot, i.op === 'store' ? before | place.bytes : before & ~place.bytes);
}
