import { BpfAsmError } from '../error.ts';
import { slotMap, landing, type SlotMap } from '../asm/index.ts';
import { checkInstructions } from '../isa/check.ts';
import type { Instruction } from '../isa/index.ts';

/** How control gets from one block to another. */
export interface FlowEdge {
  /** Index of the block it leads to. */
  readonly to: number;
  /** `jump`: a jump that is always taken; `taken` and `else`: the two ways of a conditional one; `next`: the block that follows. */
  readonly kind: 'jump' | 'taken' | 'else' | 'next';
}

/** Instructions that run one after the other: entered at the first, left after the last. */
export interface FlowBlock {
  /** Index of its first instruction. */
  readonly start: number;
  /** Index after its last instruction. */
  readonly end: number;
  /** Slot of its first instruction. */
  readonly slot: number;
  /** Index of the function it belongs to. */
  readonly function: number;
  readonly edges: readonly FlowEdge[];
}

/** A function: the program's beginning, and what local calls and function pointers lead to. Its end is the next one's beginning. */
export interface FlowFunction {
  /** Index of its first instruction. */
  readonly start: number;
  /** Indexes of the functions that it calls or points to, each once. */
  readonly calls: readonly number[];
}

/** The control flow of a program. */
export interface ControlFlow {
  /** In the order of the program. */
  readonly blocks: readonly FlowBlock[];
  /** In the order of the program; the first is the entry. */
  readonly functions: readonly FlowFunction[];
}

/**
 * Finds the basic blocks of a program, the ways between them, and its functions. A `gotox` has no edges: its jump table is a map.
 *
 * @param instructions - linked instructions.
 * @throws BpfAsmError `ERR_OUT_OF_RANGE` where a jump or a call leads outside the program or into a 64-bit immediate load,
 * `ERR_UNRESOLVED` where a label is left.
 */
export function controlFlow(instructions: readonly Instruction[]): ControlFlow {
  checkInstructions(instructions);
  const slots = slotMap(instructions);
  const targets = instructions.map((_, index) => targetIndex(instructions, slots, index));
  const starts = functionStarts(instructions, targets);
  const leaders = new Set(starts);
  instructions.forEach((i, index) => {
    const to = targets[index];
    if (to !== undefined) leaders.add(to);
    if (endsBlock(i)) leaders.add(index + 1);
  });
  leaders.delete(instructions.length);
  const order = [...leaders].sort((a, b) => a - b);
  const blockAt = new Map(order.map((start, block) => [start, block]));
  const functionAt = new Map(starts.map((start, index) => [start, index]));
  let current = 0;
  const blocks = order.map((start, index): FlowBlock => {
    current = functionAt.get(start) ?? current;
    const end = order[index + 1] ?? instructions.length;
    return {
      start,
      end,
      slot: slots.slotOf[start] as number,
      function: current,
      edges: edgesOf(instructions, targets, blockAt, end),
    };
  });
  const functions = starts.map((start, index): FlowFunction => {
    const end = starts[index + 1] ?? instructions.length;
    const calls = new Set<number>();
    for (let at = start; at < end; at++) {
      const to = targets[at];
      if (to !== undefined && isCall(instructions[at] as Instruction)) calls.add(functionAt.get(to) as number);
    }
    return { start, calls: [...calls] };
  });
  return { blocks, functions };
}

function targetIndex(instructions: readonly Instruction[], slots: SlotMap, index: number): number | undefined {
  const to = landing(instructions, slots, index);
  if (to === undefined || typeof to === 'number') return to;
  const where = to === 'outside' ? 'outside the program' : 'into the middle of a 64-bit immediate load';
  throw new BpfAsmError('ERR_OUT_OF_RANGE', `${(instructions[index] as Instruction).kind}: the target leads ${where}`, {
    instruction: index,
    field: 'target',
  });
}

function functionStarts(instructions: readonly Instruction[], targets: readonly (number | undefined)[]): number[] {
  const starts = new Set(instructions.length === 0 ? [] : [0]);
  instructions.forEach((i, index) => {
    const to = targets[index];
    if (to !== undefined && isCall(i)) starts.add(to);
  });
  return [...starts].sort((a, b) => a - b);
}

function isCall(i: Instruction): boolean {
  return i.kind === 'call_local' || i.kind === 'ld_imm64';
}

function endsBlock({ kind }: Instruction): boolean {
  return (
    kind === 'ja' ||
    kind === 'gotol' ||
    kind === 'gotox' ||
    kind === 'jump' ||
    kind === 'may_goto' ||
    kind === 'goto_or_nop' ||
    kind === 'exit'
  );
}

function edgesOf(
  instructions: readonly Instruction[],
  targets: readonly (number | undefined)[],
  blockAt: ReadonlyMap<number, number>,
  end: number,
): FlowEdge[] {
  const last = instructions[end - 1] as Instruction;
  const next = blockAt.get(end);
  const taken = blockAt.get(targets[end - 1] ?? -1);
  const after = (kind: FlowEdge['kind']): FlowEdge[] => (next === undefined ? [] : [{ to: next, kind }]);
  switch (last.kind) {
    case 'exit':
    case 'gotox':
      return [];
    case 'ja':
    case 'gotol':
      return [{ to: taken as number, kind: 'jump' }];
    case 'jump':
    case 'may_goto':
    case 'goto_or_nop':
      return [{ to: taken as number, kind: 'taken' }, ...after('else')];
    default:
      return after('next');
  }
}
