import type { IrBlock, IrValue } from '../compile/index.ts';
import type { JumpOp, Width } from '../isa/index.ts';
import type { Scope } from './scope.ts';

/** A comparison of two values, or several joined by {@link all}, {@link any} and {@link not}. It costs nothing until something branches on it. */
export type Condition = Comparison | Junction | Known;

/** What can be tested: a condition of the program, or one of the host language, which is decided while the program is built. */
export type Test = Condition | boolean | null | undefined;

/** A test, or what makes one when it is needed: after the tests before it, and only if they left it open. */
export type LazyTest = Test | (() => Test);

/** Two values, compared. */
export class Comparison {
  readonly kind = 'comparison';
  /** @internal */
  readonly scope: Scope;
  /** @internal */
  readonly op: JumpOp;
  /** @internal */
  readonly width: Width;
  /** @internal */
  readonly a: IrValue;
  /** @internal */
  readonly b: IrValue;
  /** True for the opposite. @internal */
  readonly negated: boolean;

  constructor(scope: Scope, op: JumpOp, width: Width, a: IrValue, b: IrValue, negated = false) {
    this.scope = scope;
    this.op = op;
    this.width = width;
    this.a = a;
    this.b = b;
    this.negated = negated;
  }
}

/** Several tests of which all, or one, must hold; the later ones are made only if they matter. */
export class Junction {
  readonly kind = 'junction';
  /** @internal */
  readonly scope: Scope;
  /** True where all must hold. @internal */
  readonly every: boolean;
  /** @internal */
  readonly parts: readonly LazyTest[];
  /** True for the opposite. @internal */
  readonly negated: boolean;

  constructor(scope: Scope, every: boolean, parts: readonly LazyTest[], negated = false) {
    this.scope = scope;
    this.every = every;
    this.parts = parts;
    this.negated = negated;
  }
}

/** A condition that is known while the program is built. */
export interface Known {
  readonly kind: 'known';
  readonly holds: boolean;
}

const KNOWN: readonly [Known, Known] = [
  { kind: 'known', holds: false },
  { kind: 'known', holds: true },
];

const OPPOSITE: Readonly<Record<Exclude<JumpOp, 'jset'>, JumpOp>> = {
  jeq: 'jne',
  jne: 'jeq',
  jgt: 'jle',
  jge: 'jlt',
  jlt: 'jge',
  jle: 'jgt',
  jsgt: 'jsle',
  jsge: 'jslt',
  jslt: 'jsge',
  jsle: 'jsgt',
};

/** Compares two values; constants at once. */
export function compare(scope: Scope, op: JumpOp, width: Width, a: IrValue, b: IrValue): Condition {
  if (a.op === 'const' && b.op === 'const') return known(holds(op, width, a.value, b.value));
  return new Comparison(scope, op, width, a, b);
}

function known(value: boolean): Known {
  return KNOWN[value ? 1 : 0];
}

function holds(op: JumpOp, width: Width, left: bigint, right: bigint): boolean {
  const signed = op !== 'jset' && op.startsWith('js');
  const a = signed ? BigInt.asIntN(width, left) : BigInt.asUintN(width, left);
  const b = signed ? BigInt.asIntN(width, right) : BigInt.asUintN(width, right);
  if (op === 'jset') return (a & b) !== 0n;
  const kind = op.slice(signed ? 2 : 1);
  const outcome = a === b ? ['eq', 'ge', 'le'] : a > b ? ['ne', 'gt', 'ge'] : ['ne', 'lt', 'le'];
  return outcome.includes(kind);
}

/** A test as a condition. */
export function toCondition(test: LazyTest): Condition {
  const value = typeof test === 'function' ? test() : test;
  return typeof value === 'object' && value !== null ? value : known(value === true);
}

/**
 * The opposite of a test.
 *
 * @example
 * ```ts
 * when(not(pod.owns(ip.source)), drop);
 * ```
 */
export function not(test: Test): Condition {
  const condition = toCondition(test);
  if (condition.kind === 'known') return known(!condition.holds);
  if (condition.kind === 'junction') {
    return new Junction(condition.scope, condition.every, condition.parts, !condition.negated);
  }
  const { scope, op, width, a, b, negated } = condition;
  if (op === 'jset') return new Comparison(scope, op, width, a, b, !negated);
  return new Comparison(scope, OPPOSITE[op], width, a, b);
}

/**
 * Whether all tests hold. They are made in order, and the first that fails decides; give a function to load a value only when it comes to that.
 *
 * @example
 * ```ts
 * when(all(ip.protocol.eq(IPPROTO_TCP), () => tcp.destination.eq(443)), next);
 * ```
 */
export function all(...tests: readonly LazyTest[]): Condition {
  return join(true, tests);
}

/** Whether one of the tests holds. They are made in order, and the first that holds decides. */
export function any(...tests: readonly LazyTest[]): Condition {
  return join(false, tests);
}

/** As {@link any}, of a list. */
export function anyOf(tests: readonly LazyTest[]): Condition {
  return join(false, tests);
}

function join(every: boolean, tests: readonly LazyTest[]): Condition {
  const parts: LazyTest[] = [];
  let scope: Scope | undefined;
  for (const test of tests) {
    if (typeof test === 'function') {
      parts.push(test);
      continue;
    }
    const condition = toCondition(test);
    if (condition.kind !== 'known') {
      parts.push(condition);
      scope ??= condition.scope;
    } else if (condition.holds !== every) {
      parts.push(condition);
      break;
    }
  }
  const [first] = parts;
  if (first === undefined) return known(every);
  if (parts.length === 1 || scope === undefined) return settle(every, parts, scope);
  return new Junction(scope, every, parts);
}

/** A junction of one part is that part; of none but functions, the first of them has to say whose it is. */
function settle(every: boolean, [first, ...rest]: readonly LazyTest[], scope: Scope | undefined): Condition {
  const condition = toCondition(first);
  if (rest.length === 0) return condition;
  if (condition.kind === 'known') return condition.holds === every ? join(every, rest) : condition;
  return new Junction(scope ?? condition.scope, every, [condition, ...rest]);
}

/**
 * Ends the current block with a branch.
 *
 * @param unlikely - the side that is rarely taken.
 */
export function branch(condition: Condition, yes: IrBlock, no: IrBlock, scope: Scope, unlikely?: 'yes' | 'no'): void {
  if (condition.kind === 'known') {
    scope.at().jump(condition.holds ? yes : no);
    return;
  }
  const { negated } = condition;
  const [then, otherwise] = negated ? [no, yes] : [yes, no];
  const rare = unlikely === undefined || !negated ? unlikely : unlikely === 'yes' ? 'no' : 'yes';
  if (condition.kind === 'comparison') {
    const { op, width, a, b } = condition;
    condition.scope
      .at()
      .branch(op, a, b, then, otherwise, { width, ...(rare === undefined ? {} : { unlikely: rare }) });
    return;
  }
  const { every, parts } = condition;
  const before = scope.flow;
  parts.forEach((part, index) => {
    if (!scope.reachable && index > 0) return;
    const one = toCondition(part);
    const last = index === parts.length - 1;
    const on = last ? undefined : scope.at().block();
    const [yesBlock, noBlock] = every ? [on ?? then, otherwise] : [then, on ?? otherwise];
    branch(one, yesBlock, noBlock, scope, rare);
    if (on !== undefined) scope.at().enter(on);
  });
  if (scope.flow.epoch !== before.epoch || scope.flow.held !== before.held) {
    throw scope.error(
      'a condition calls what moves the packet or takes a reference',
      'call it before, and test its result',
    );
  }
  scope.flow = before;
}
