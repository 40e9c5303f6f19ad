import type { JumpOp } from '../../isa/index.ts';
import { INVERSE_COMPARE } from '../ir/compare.ts';
import { evaluateCompare } from '../ir/evaluate.ts';
import { Dominators, predecessorsOf } from '../ir/graph.ts';
import type { IrBlock, IrBranch, IrFunction, IrValue } from '../ir/ir.ts';

/** A comparison that is known to hold on some path. */
interface Fact {
  readonly compare: JumpOp;
  readonly width: 32 | 64;
  readonly a: IrValue;
  readonly b: IrValue;
}

/**
 * Decides branches that a branch above has decided: the same question again, another constant where a value is known, and above all
 * bounds checks that a check of at least as many bytes of the same pointer comes before, whatever either does when it fails.
 */
export function decideImplied(fn: IrFunction): void {
  const dominators = new Dominators(fn);
  const predecessors = predecessorsOf(fn);
  for (const block of fn.blocks) {
    const { terminator } = block;
    if (terminator.op !== 'branch') continue;
    const outcome = outcomeOf(terminator, factsAbove(block, dominators, predecessors));
    if (outcome === undefined) continue;
    terminator.a = fn.constant(outcome ? 1 : 0);
    terminator.b = fn.constant(1);
    terminator.compare = 'jeq';
  }
}

function* factsAbove(
  block: IrBlock,
  dominators: Dominators,
  predecessors: ReadonlyMap<IrBlock, readonly IrBlock[]>,
): Generator<Fact> {
  for (let at: IrBlock | undefined = block; at !== undefined; at = dominators.parent(at)) {
    const before = predecessors.get(at) ?? [];
    const [only] = before;
    if (before.length !== 1 || only === undefined || only.terminator.op !== 'branch') continue;
    const { compare, width, a, b, yes } = only.terminator;
    const held = yes === at ? compare : INVERSE_COMPARE[compare];
    if (held !== undefined) yield { compare: held, width, a, b };
  }
}

function outcomeOf(branch: IrBranch, facts: Iterable<Fact>): boolean | undefined {
  for (const fact of facts) {
    const outcome = implied(fact, branch);
    if (outcome !== undefined) return outcome;
  }
  return undefined;
}

function implied(fact: Fact, asked: IrBranch): boolean | undefined {
  if (fact.width !== asked.width) return undefined;
  const { a, b } = asked;
  if (fact.a === a && fact.b === b) return sameOperands(fact.compare, asked.compare);
  if (fact.a === a && fact.b.op === 'const' && b.op === 'const') return constants(fact, asked.compare, b.value);
  return bounds(fact, asked);
}

/** What `fact` says of a comparison of the same operands. */
function sameOperands(fact: JumpOp, asked: JumpOp): boolean | undefined {
  if (fact === asked) return true;
  if (INVERSE_COMPARE[fact] === asked) return false;
  const implications: Partial<Record<JumpOp, readonly [JumpOp[], JumpOp[]]>> = {
    jeq: [
      ['jge', 'jle', 'jsge', 'jsle'],
      ['jgt', 'jlt', 'jsgt', 'jslt'],
    ],
    jgt: [
      ['jge', 'jne'],
      ['jlt', 'jeq'],
    ],
    jlt: [
      ['jle', 'jne'],
      ['jgt', 'jeq'],
    ],
    jsgt: [
      ['jsge', 'jne'],
      ['jslt', 'jeq'],
    ],
    jslt: [
      ['jsle', 'jne'],
      ['jsgt', 'jeq'],
    ],
  };
  const [yes, no] = implications[fact] ?? [[], []];
  return yes.includes(asked) ? true : no.includes(asked) ? false : undefined;
}

/** What is known of a value that was compared with a constant, for a comparison with another. */
function constants({ compare, width, b }: Fact, asked: JumpOp, value: bigint): boolean | undefined {
  if (b.op !== 'const') return undefined;
  if (compare === 'jeq') return evaluateCompare(asked, width, b.value, value);
  const range = rangeOf(compare, BigInt.asUintN(width, b.value), (1n << BigInt(width)) - 1n);
  if (range === undefined) return undefined;
  const at = BigInt.asUintN(width, value);
  const [least, most] = range;
  switch (asked) {
    case 'jeq':
      return at < least || at > most ? false : undefined;
    case 'jne':
      return at < least || at > most ? true : undefined;
    case 'jgt':
      return least > at ? true : most <= at ? false : undefined;
    case 'jge':
      return least >= at ? true : most < at ? false : undefined;
    case 'jlt':
      return most < at ? true : least >= at ? false : undefined;
    case 'jle':
      return most <= at ? true : least > at ? false : undefined;
    default:
      return undefined;
  }
}

function rangeOf(compare: JumpOp, value: bigint, most: bigint): readonly [bigint, bigint] | undefined {
  switch (compare) {
    case 'jgt':
      return [value + 1n, most];
    case 'jge':
      return [value, most];
    case 'jlt':
      return [0n, value - 1n];
    case 'jle':
      return [0n, value];
    case 'jne':
      return value === 0n ? [1n, most] : undefined;
    default:
      return undefined;
  }
}

/** `p + n <= end` is known: a check of fewer bytes passes too. Pointers into a packet do not wrap around. */
function bounds(fact: Fact, asked: IrBranch): boolean | undefined {
  if (fact.compare !== 'jle' || asked.compare !== 'jgt' || fact.b !== asked.b) return undefined;
  const [known, wanted] = [extent(fact.a), extent(asked.a)];
  if (known === undefined || wanted === undefined || known.pointer !== wanted.pointer) return undefined;
  return wanted.bytes >= 0n && wanted.bytes <= known.bytes ? false : undefined;
}

/** A pointer and the bytes that are added to it. */
export function extent(value: IrValue): { readonly pointer: IrValue; readonly bytes: bigint } | undefined {
  if (value.op !== 'alu' || value.alu !== 'add' || value.width !== 64 || value.b.op !== 'const') return undefined;
  return { pointer: value.a, bytes: BigInt.asIntN(64, value.b.value) };
}
