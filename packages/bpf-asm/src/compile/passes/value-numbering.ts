import { Dominators, reversePostorder } from '../ir/graph.ts';
import type { IrBlock, IrFunction, IrInstruction, IrValue } from '../ir/ir.ts';
import { isPure, replaceValues, rewriteOperands } from '../ir/operands.ts';
import { MemoryVersions, partOf, type MemoryPart } from './memory-versions.ts';

/**
 * Makes each value once: an operation, or a load from memory that nothing has changed, that was made before on every path is not made again.
 * Nothing moves, so that a load never comes before the check that allows it.
 */
export function numberValues(fn: IrFunction): void {
  const dominators = new Dominators(fn);
  const memory = new MemoryVersions(fn);
  const made = new Map<string, { value: IrValue; block: IrBlock }[]>();
  const replaced = new Map<IrValue, IrValue>();
  const resolve = (value: IrValue): IrValue => {
    let last = value;
    for (let next = replaced.get(last); next !== undefined; next = replaced.get(last)) last = next;
    return last;
  };
  for (const block of reversePostorder(fn)) {
    const versions = memory.atHead(block);
    block.instructions = block.instructions.filter((instruction) => {
      rewriteOperands(instruction, resolve);
      const key = keyOf(instruction, versions);
      memory.pass(instruction, versions);
      if (key === undefined) return true;
      const candidates = made.get(key);
      const same = candidates?.find((candidate) => dominators.dominates(candidate.block, block));
      if (same === undefined) {
        if (candidates === undefined) made.set(key, [{ value: instruction, block }]);
        else candidates.push({ value: instruction, block });
        return true;
      }
      replaced.set(instruction, same.value);
      return false;
    });
  }
  replaceValues(fn, replaced);
}

function keyOf(i: IrInstruction, versions: ReadonlyMap<MemoryPart, number>): string | undefined {
  if (i.op === 'load') {
    return i.volatile ? undefined : `load ${i.type} ${i.base.id} ${i.offset} ${partOf(i)} ${versions.get(partOf(i))}`;
  }
  if (!isPure(i)) return undefined;
  switch (i.op) {
    case 'alu':
      return `${i.alu} ${i.width} ${i.a.id} ${i.b.id}`;
    case 'neg':
      return `neg ${i.width} ${i.a.id}`;
    case 'sext':
    case 'zext':
      return `${i.op} ${i.bits} ${i.a.id}`;
    case 'swap':
      return `${i.swap} ${i.bits} ${i.a.id}`;
    default:
      return undefined;
  }
}
