import { func, label, type Item } from '../../asm/index.ts';
import type { Instruction, JumpOp } from '../../isa/index.ts';
import type { SourcePosition } from '../../source.ts';
import { INVERSE_COMPARE } from '../ir/compare.ts';
import { finished, registerName, type MachineBlock, type MachineBranch, type MachineFunction } from './machine.ts';

/**
 * Writes a function as instructions and labels, its blocks in their order. A jump to the block that follows is left out, and a branch falls
 * through to it wherever it can.
 */
export function emit(fn: MachineFunction): Item[] {
  const targets = new Set<MachineBlock>();
  const bodies = fn.blocks.map((block, index) => {
    const name = (to: MachineBlock): string => {
      targets.add(to);
      return labelOf(fn, to);
    };
    return [...block.instructions.map(finished), ...terminate(block, fn.blocks[index + 1], name)];
  });
  const items: Item[] = [func(fn.name)];
  fn.blocks.forEach((block, index) => {
    if (targets.has(block)) items.push(label(labelOf(fn, block)));
    items.push(...(bodies[index] ?? []));
  });
  return items;
}

function labelOf(fn: MachineFunction, block: MachineBlock): string {
  return `${fn.name}.${block.id}`;
}

function terminate(
  { terminator }: MachineBlock,
  next: MachineBlock | undefined,
  name: (to: MachineBlock) => string,
): Instruction<string>[] {
  const source: { readonly source?: SourcePosition } =
    terminator.source === undefined ? {} : { source: terminator.source };
  switch (terminator.kind) {
    case 'exit':
      return [{ kind: 'exit', ...source }];
    case 'jump':
      return terminator.to === next ? [] : [{ kind: 'ja', target: name(terminator.to), ...source }];
    case 'branch': {
      const inverse = INVERSE_COMPARE[terminator.op];
      if (terminator.yes === next && inverse !== undefined) {
        return [conditional(terminator, inverse, name(terminator.no), source)];
      }
      const jump = conditional(terminator, terminator.op, name(terminator.yes), source);
      return terminator.no === next ? [jump] : [jump, { kind: 'ja', target: name(terminator.no), ...source }];
    }
  }
}

function conditional(
  { a, b, width, immediate }: MachineBranch,
  op: JumpOp,
  target: string,
  source: { readonly source?: SourcePosition },
): Instruction<string> {
  const src = b >= 0 ? registerName(b) : immediate;
  return { kind: 'jump', op, width, dst: registerName(a), src, target, ...source };
}
