import type { StoreType } from '../../isa/index.ts';
import { evaluateAlu } from '../ir/evaluate.ts';
import type { IrBlock, IrConst, IrFunction, IrInstruction, IrStackSlot, IrStore } from '../ir/ir.ts';

const WIDER: Readonly<Partial<Record<StoreType, StoreType>>> = { u8: 'u16', u16: 'u32', u32: 'u64' };

/**
 * Makes one store of two constants side by side on the stack.
 */
export function joinStores(fn: IrFunction): void {
  for (const block of fn.blocks) while (joinPair(fn, block));
}

function sizeOf(type: string): number {
  return Number(type.slice(1)) / 8;
}

/** A store to a known place of the stack. */
function isPlaced(i: IrInstruction): i is IrStore & { base: { op: 'stack_address'; slot: IrStackSlot } } {
  return i.op === 'store' && i.base.op === 'stack_address';
}

/** Joins the first two stores of constants to adjacent, together aligned places with nothing that touches the stack in between. */
function joinPair(fn: IrFunction, block: IrBlock): boolean {
  const recent: { store: IrStore; index: number }[] = [];
  for (const [index, i] of block.instructions.entries()) {
    if (isPlaced(i) && i.value.op === 'const') {
      const partner = recent.find(
        ({ store }, at) => adjacent(store, i) && !recent.slice(at + 1).some((later) => overlap(store, later.store)),
      );
      if (partner !== undefined) {
        const joined = join(fn, partner.store, i);
        block.instructions[index] = joined;
        block.instructions.splice(partner.index, 1);
        return true;
      }
      recent.push({ store: i, index });
    } else if (i.op === 'store' && i.memory !== 'stack') {
      continue;
    } else if (i.op === 'store' || i.op === 'call' || i.op === 'atomic' || (i.op === 'load' && i.memory === 'stack')) {
      recent.length = 0;
    }
  }
  return false;
}

function overlap(a: IrStore, b: IrStore): boolean {
  return a.base === b.base && a.offset < b.offset + sizeOf(b.type) && b.offset < a.offset + sizeOf(a.type);
}

function adjacent(a: IrStore, b: IrStore): boolean {
  if (a.base !== b.base || a.type !== b.type || a.base.op !== 'stack_address') return false;
  const wider = WIDER[a.type];
  const low = Math.min(a.offset, b.offset);
  if (wider === undefined || Math.abs(a.offset - b.offset) !== sizeOf(a.type)) return false;
  if (low % sizeOf(wider) !== 0 || a.base.slot.align < sizeOf(wider)) return false;
  return wider !== 'u64' || fitsImmediate(pair(a, b));
}

function pair(a: IrStore, b: IrStore): bigint {
  const bits = sizeOf(a.type) * 8;
  const [low, high] = a.offset < b.offset ? [a, b] : [b, a];
  const lowBits = BigInt.asUintN(bits, (low.value as IrConst).value);
  const highBits = evaluateAlu('lsh', 64, BigInt.asUintN(bits, (high.value as IrConst).value), BigInt(bits));
  return lowBits | highBits;
}

function fitsImmediate(value: bigint): boolean {
  const signed = BigInt.asIntN(64, value);
  return signed >= -0x8000_0000n && signed <= 0x7fff_ffffn;
}

function join(fn: IrFunction, a: IrStore, b: IrStore): IrStore {
  const type = WIDER[a.type] ?? a.type;
  return { ...b, id: fn.newId(), type, offset: Math.min(a.offset, b.offset), value: fn.constant(pair(a, b)) };
}
