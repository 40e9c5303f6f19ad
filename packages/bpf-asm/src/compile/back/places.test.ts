import { expect, it } from 'vitest';
import { built } from '../../../test/ir-change.ts';
import type { FunctionBuilder, IrStackSlot } from '../index.ts';
import { Frame } from './frame.ts';
import { placeSlots } from './places.ts';

const MAP_LOOKUP = { kind: 'helper', id: 1 } as const;

/** Stores to a slot and hands it to a helper, as a key. */
function use(b: FunctionBuilder, slot: IrStackSlot): void {
  b.store('u64', b.stackAddress(slot), 0, b.constant(1), 'stack');
  b.call(MAP_LOOKUP, [b.map('pods'), b.stackAddress(slot)]);
}

function places(write: (b: FunctionBuilder, one: IrStackSlot, other: IrStackSlot) => void): number[] {
  let slots: IrStackSlot[] = [];
  const fn = built((b) => {
    slots = [b.stackSlot(8, 8, 'one'), b.stackSlot(8, 8, 'other')];
    write(b, slots[0] as IrStackSlot, slots[1] as IrStackSlot);
    b.return(b.constant(0));
  });
  const frame = new Frame('test');
  placeSlots(fn, frame);
  return slots.map((slot) => frame.offsetOf(slot));
}

it('lets slots share that are used one after the other', () => {
  expect(places((b, one, other) => [one, other].forEach((slot) => use(b, slot)))).toEqual([-8, -8]);
});

it('keeps apart what one call needs', () => {
  const both = places((b, one, other) => b.call(MAP_LOOKUP, [b.stackAddress(one), b.stackAddress(other)]));
  expect(both).toEqual([-8, -16]);
});

it('keeps apart what is used in turns', () => {
  expect(places((b, one, other) => [one, other, one].forEach((slot) => use(b, slot)))).toEqual([-8, -16]);
});

it('follows an address that was moved', () => {
  const moved = places((b, one, other) => {
    const inside = b.alu('add', b.stackAddress(one), b.load('u32', b.param(0), 0, 'context'));
    b.store('u8', inside, 0, b.constant(1), 'stack');
    use(b, other);
    b.call(MAP_LOOKUP, [b.map('pods'), inside]);
  });
  expect(moved).toEqual([-8, -16]);
});

it('shares nothing with a slot whose address is kept somewhere', () => {
  const kept = places((b, one, other) => {
    b.store('u64', b.param(0), 0, b.stackAddress(one), 'other');
    use(b, other);
  });
  expect(kept).toEqual([-8, -16]);
});
