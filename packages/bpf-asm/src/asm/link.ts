import { BpfAsmError, type BpfAsmErrorContext } from '../error.ts';
import { checkInstructions } from '../isa/check.ts';
import type { Instruction, Target } from '../isa/index.ts';
import { functionTarget, targetOf, withTarget } from './effects.ts';
import { landing, slotMap } from './flow.ts';
import type { Item, Label } from './label.ts';
import type { FunctionSymbol } from './program.ts';
import { reachable } from './reach.ts';
import { relax, type Node } from './relax.ts';

/** Version of the instruction set that the code may use: 4 has `gotol` (Linux 6.6). */
export type CpuVersion = 1 | 2 | 3 | 4;

/** Options of {@link link}. */
export interface LinkOptions {
  /** Name of the function that the first instruction starts; `main` where nothing is said. */
  readonly entry?: string;
  /** What the code may use for jumps beyond 16 bits: `gotol` from 4 on, trampolines before; 3 where nothing is said. */
  readonly cpu?: CpuVersion;
}

/** Instructions whose jumps are numbers, and the functions among them. */
export interface Linked {
  readonly instructions: readonly Instruction[];
  /** In the order of their first instruction; the first is the entry, at index 0. */
  readonly functions: readonly FunctionSymbol[];
}

/**
 * Resolves labels: each jump, local call and function pointer gets the number of slots to its target. A jump that does not reach its target
 * in 16 bits is relaxed, never wrapped. Targets that are numbers already go on leading to the same instruction.
 *
 * @param items - instructions and the labels between them.
 * @param options - the entry's name and the version of the instruction set.
 * @throws BpfAsmError `ERR_DUPLICATE_LABEL`, `ERR_MISSING_LABEL` (a target that is not there, or a label with no instruction after it),
 * `ERR_UNREACHABLE` (no path from the entry leads to a label), `ERR_OUT_OF_RANGE` (a number that leads outside or into the middle of a
 * 64-bit immediate load; a jump that trampolines cannot bridge); each names the label or the instruction.
 * @example
 * ```ts
 * link([jeq(r1, 0, 'out'), mov64(r0, 1), exit(), label('out'), mov64(r0, 0), exit()]);
 * ```
 */
export function link(items: readonly Item[], options: LinkOptions = {}): Linked {
  checkInstructions(items);
  const { instructions, labels } = collect(items);
  const nodes = connect(instructions, labels);
  checkReach(nodes, labels);
  const names = functionNames(nodes, labels, options.entry ?? 'main');
  const placed = relax(nodes, (options.cpu ?? 3) >= 4);
  const functions: FunctionSymbol[] = [];
  placed.forEach((node, index) => {
    const name = names.get(node);
    if (name !== undefined) functions.push({ name, index });
  });
  return { instructions: number(placed), functions };
}

interface PlacedLabel extends Label {
  /** Index of the instruction that follows. */
  readonly index: number;
}

function collect(items: readonly Item[]): { instructions: Instruction<Target>[]; labels: Map<string, PlacedLabel> } {
  const instructions: Instruction<Target>[] = [];
  const labels = new Map<string, PlacedLabel>();
  for (const item of items) {
    if (item.kind !== 'label') {
      instructions.push(item);
      continue;
    }
    const before = labels.get(item.name);
    if (before !== undefined) {
      const hint = 'give one of them another name';
      throw new BpfAsmError(
        'ERR_DUPLICATE_LABEL',
        `the label "${item.name}" stands at instructions ${before.index} and ${instructions.length}`,
        context(item, instructions.length, hint),
      );
    }
    labels.set(item.name, { ...item, index: instructions.length });
  }
  for (const { name, index, source } of labels.values()) {
    if (index === instructions.length) {
      throw new BpfAsmError(
        'ERR_MISSING_LABEL',
        `the label "${name}" has no instruction after it`,
        context({ source }, index),
      );
    }
  }
  return { instructions, labels };
}

/** Makes a node of each instruction, with its target as a node, so that instructions can be put between. */
function connect(instructions: readonly Instruction<Target>[], labels: ReadonlyMap<string, PlacedLabel>): Node[] {
  const nodes: Node[] = instructions.map((instruction) => ({ instruction, to: undefined, slot: 0 }));
  const numeric = instructions.map((instruction) => withTarget(instruction, numericTarget(instruction) ?? 0));
  const slots = slotMap(numeric);
  instructions.forEach((instruction, index) => {
    const target = targetOf(instruction);
    if (target === undefined) return;
    const at = typeof target === 'string' ? named(target, labels, instruction, index) : landing(numeric, slots, index);
    if (at === 'outside' || at === 'middle') {
      const where = at === 'outside' ? 'outside the program' : 'into the middle of a 64-bit immediate load';
      throw new BpfAsmError('ERR_OUT_OF_RANGE', `${instruction.kind}: the target ${target} leads ${where}`, {
        ...context(instruction, index),
        field: 'target',
      });
    }
    (nodes[index] as Node).to = nodes[at as number];
  });
  return nodes;
}

function numericTarget(instruction: Instruction<Target>): number | undefined {
  const target = targetOf(instruction);
  return typeof target === 'number' ? target : undefined;
}

function named(
  name: string,
  labels: ReadonlyMap<string, PlacedLabel>,
  instruction: Instruction<Target>,
  index: number,
): number {
  const found = labels.get(name);
  if (found !== undefined) return found.index;
  const near = [...labels.keys()].find((other) => other.toLowerCase() === name.toLowerCase());
  const known = [...labels.keys()]
    .slice(0, 8)
    .map((other) => `"${other}"`)
    .join(', ');
  const hint =
    near !== undefined
      ? `there is "${near}"`
      : known === ''
        ? 'there are no labels'
        : `the labels are ${known}${labels.size > 8 ? ', …' : ''}`;
  throw new BpfAsmError('ERR_MISSING_LABEL', `${instruction.kind}: there is no label "${name}"`, {
    ...context(instruction, index, hint),
    field: 'target',
  });
}

function checkReach(nodes: readonly Node[], labels: ReadonlyMap<string, PlacedLabel>): void {
  const index = new Map(nodes.map((node, i) => [node, i]));
  const seen = reachable(
    nodes.length,
    (i) => (nodes[i] as Node).instruction,
    (i) => index.get((nodes[i] as Node).to as Node) as number,
  );
  for (const { name, index: at, source, isFunction } of labels.values()) {
    if (seen[at] === 1) continue;
    const what = isFunction ? 'nothing calls the function' : 'no path leads to the label';
    throw new BpfAsmError(
      'ERR_UNREACHABLE',
      `${what} "${name}"`,
      context({ source }, at, 'the kernel refuses unreachable instructions: remove them'),
    );
  }
}

/** Names of the functions: those that were given, `main` for the entry, and the label or a number for other targets of calls. */
function functionNames(
  nodes: readonly Node[],
  labels: ReadonlyMap<string, PlacedLabel>,
  entry: string,
): Map<Node, string> {
  const names = new Map<Node, string>();
  const labelled = new Map<Node, string>();
  if (nodes[0] !== undefined) names.set(nodes[0], entry);
  for (const { name, index, isFunction } of labels.values()) {
    const node = nodes[index] as Node;
    if (isFunction || !labelled.has(node)) labelled.set(node, name);
    if (isFunction && index > 0) names.set(node, name);
  }
  for (const { instruction, to } of nodes) {
    if (to === undefined || functionTarget(instruction) === undefined || names.has(to)) continue;
    names.set(to, labelled.get(to) ?? `function_${nodes.indexOf(to)}`);
  }
  return names;
}

/** Turns targets into numbers of slots. */
function number(nodes: readonly Node[]): Instruction[] {
  return nodes.map(({ instruction, to, slot }) => withTarget(instruction, to === undefined ? 0 : to.slot - slot - 1));
}

function context(
  { source }: { readonly source?: Label['source'] | undefined },
  instruction: number,
  hint?: string,
): BpfAsmErrorContext {
  return { instruction, ...(source === undefined ? {} : { source }), ...(hint === undefined ? {} : { hint }) };
}
