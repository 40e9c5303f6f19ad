import { predecessorsOf, reversePostorder } from '../ir/graph.ts';
import type { IrBlock, IrFunction, IrInstruction, IrValue, MemoryClass } from '../ir/ir.ts';

const CLASSES: readonly MemoryClass[] = ['context', 'packet', 'stack', 'map', 'other'];

/** A part of the memory whose accesses may meet: a class, or one slot of the stack. */
export type MemoryPart = MemoryClass | `slot ${number}`;

/** The part of the memory that an access is to. */
export function partOf({ base, memory }: { readonly base: IrValue; readonly memory: MemoryClass }): MemoryPart {
  return memory === 'stack' && base.op === 'stack_address' ? `slot ${base.slot.id}` : memory;
}

/**
 * Numbers the states of the memory, one class at a time, and of each slot of the stack: two loads with the same number and the same address
 * give the same. Where paths with different states meet, a new one begins.
 */
export class MemoryVersions {
  readonly #atHead = new Map<IrBlock, Map<MemoryPart, number>>();
  #next = 1;

  constructor(fn: IrFunction) {
    const parts = new Set<MemoryPart>(CLASSES);
    for (const block of fn.blocks) for (const i of block.instructions) if ('memory' in i) parts.add(partOf(i));
    const predecessors = predecessorsOf(fn);
    const atEnd = new Map<IrBlock, Map<MemoryPart, number>>();
    for (const block of reversePostorder(fn)) {
      const before = (predecessors.get(block) ?? []).map((predecessor) => atEnd.get(predecessor));
      const versions = new Map<MemoryPart, number>();
      for (const part of parts) {
        const first = before[0]?.get(part);
        const same = first !== undefined && before.every((other) => other?.get(part) === first);
        versions.set(part, same ? first : this.#next++);
      }
      this.#atHead.set(block, new Map(versions));
      for (const instruction of block.instructions) this.pass(instruction, versions);
      atEnd.set(block, versions);
    }
  }

  /** The states at the head of a block; a copy. */
  atHead(block: IrBlock): Map<MemoryPart, number> {
    return new Map(this.#atHead.get(block));
  }

  /** Goes past an instruction: what it may write gets a new number. */
  pass(instruction: IrInstruction, versions: Map<MemoryPart, number>): void {
    const renew = (part: MemoryPart): void => {
      versions.set(part, this.#next++);
    };
    switch (instruction.op) {
      case 'store':
      case 'atomic': {
        const part = partOf(instruction);
        if (part === 'stack') this.#renewStack(versions);
        else {
          renew(part);
          if (part.startsWith('slot')) renew('stack');
        }
        return;
      }
      case 'call':
        for (const part of instruction.effects.writes) {
          if (part === 'stack') this.#renewStack(versions);
          else renew(part);
        }
        return;
      default:
    }
  }

  #renewStack(versions: Map<MemoryPart, number>): void {
    for (const part of versions.keys())
      if (part === 'stack' || part.startsWith('slot')) versions.set(part, this.#next++);
  }
}
