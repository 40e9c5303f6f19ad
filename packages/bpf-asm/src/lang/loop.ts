import type { IrBlock } from '../compile/index.ts';
import type { Ended } from './ended.ts';
import { ENDED } from './ended.ts';
import { branch, compare, toCondition, type Test } from './condition.ts';
import type { Flow } from './flow.ts';
import type { Scope } from './scope.ts';
import { isValue, operand } from './typed.ts';
import { makeValue, type Value } from './value.ts';

/** How a loop is written: round after round, or as a loop that the verifier follows (Linux 5.3). */
export type LoopKind = 'unrolled' | 'bounded';

/** Rounds up to which a loop is unrolled where nothing is said. */
const UNROLLED_ROUNDS = 4;

/** Rounds after which the verifier has surely had enough: its limit is a million instructions. */
const MOST_ROUNDS = 1_000_000;

/** Most rounds of `bpf_loop` (`BPF_MAX_LOOPS`). */
export const MAX_LOOPS = 8_388_608;

/** Options of a loop. */
export interface RepeatOptions {
  /** How it is written; unrolled for at most 4 rounds where nothing is said. */
  readonly as?: LoopKind;
  /** Most rounds, where the count is a value of the program: the verifier must see an end. */
  readonly max?: number;
  /** What is done when every round was gone through and none stopped. */
  readonly exhausted?: () => Ended | void;
}

/** Ways out of a round; they end the path in it. */
export interface LoopControl {
  /** Leaves the loop. */
  readonly stop: () => Ended;
  /** Goes on with the next round. */
  readonly again: () => Ended;
}

/** What is done in each round; `index` counts from 0. */
export type LoopBody = (index: Value<'u32'>, control: LoopControl) => Ended | void;

/** Repeats `body`: see `repeat` of the program. */
export function repeat(scope: Scope, count: number | Value<'u32'>, body: LoopBody, options: RepeatOptions): void {
  const most = isValue(count) ? options.max : count;
  if (most === undefined) {
    throw scope.error(
      'a loop whose count is a value of the program has no bound',
      'give { max }: the most rounds there can be',
    );
  }
  if (!Number.isInteger(most) || most < 0 || most > MOST_ROUNDS) {
    throw scope.error(`a loop of ${most} rounds`, `give a whole number up to ${MOST_ROUNDS}`);
  }
  const kind = options.as ?? (most <= UNROLLED_ROUNDS ? 'unrolled' : 'bounded');
  const exhausted = options.exhausted ?? nothing;
  if (kind === 'unrolled') unrolled(scope, count, most, body, exhausted);
  else bounded(scope, count, most, body, exhausted);
}

function nothing(): void {
  // Going on after the loop is all there is to do.
}

/** The blocks that a loop's ways out lead to, and what is known on each way. */
class Exits {
  readonly block: IrBlock;
  readonly flows: Flow[] = [];
  readonly #scope: Scope;

  constructor(scope: Scope) {
    this.#scope = scope;
    this.block = scope.at().block();
  }

  /** Leads there from here, with what was held before the loop. */
  leave(before: Flow): Ended {
    this.#scope.release(before.held);
    if (this.#scope.reachable) this.flows.push(this.#scope.flow);
    this.#scope.at().jump(this.block);
    return ENDED;
  }
}

function unrolled(
  scope: Scope,
  count: number | Value<'u32'>,
  most: number,
  body: LoopBody,
  exhausted: () => Ended | void,
): void {
  const before = scope.flow;
  const out = new Exits(scope);
  const spent = new Exits(scope);
  for (let round = 0; round < most && scope.reachable; round++) {
    const b = scope.at();
    const index = makeValue(scope, 'u32', b.constant(round));
    if (isValue(count)) {
      const inside = b.block();
      branch(index.lt(count), inside, spent.block, scope);
      spent.flows.push(scope.flow);
      b.enter(inside);
    }
    const next = new Exits(scope);
    body(index, { stop: () => out.leave(before), again: () => next.leave(before) });
    if (scope.reachable) next.leave(before);
    scope.join(next.block, next.flows, before);
  }
  if (scope.reachable) spent.leave(before);
  finish(scope, spent, out, before, exhausted);
}

/** Builds what is done when no round stopped, and goes on behind the loop. */
function finish(scope: Scope, spent: Exits, out: Exits, before: Flow, exhausted: () => Ended | void): void {
  scope.join(spent.block, spent.flows, before);
  exhausted();
  if (scope.reachable) out.leave(before);
  scope.join(out.block, out.flows, before);
}

function bounded(
  scope: Scope,
  count: number | Value<'u32'>,
  most: number,
  body: LoopBody,
  exhausted: () => Ended | void,
): void {
  const before = scope.flow;
  const out = new Exits(scope);
  const spent = new Exits(scope);
  const b = scope.at();
  const counter = b.variable(b.constant(0));
  const limit = isValue(count) ? operand(scope, 'u32', count) : undefined;
  const head = b.block();
  b.jump(head);
  b.enterLoop(head);
  const next = new Exits(scope);
  const round = (): void => {
    const index = makeValue(scope, 'u32', b.get(counter));
    for (const bound of [b.constant(most), ...(limit === undefined ? [] : [limit])]) {
      const inside = b.block();
      branch(compare(scope, 'jlt', 32, index.ir, bound), inside, spent.block, scope);
      spent.flows.push(before);
      b.enter(inside);
    }
    body(index, { stop: () => out.leave(before), again: () => next.leave(before) });
    if (scope.reachable) next.leave(before);
  };
  scope.loop(round, () => next.flows);
  scope.join(next.block, next.flows, before);
  if (scope.reachable) {
    spent.flows.push(scope.flow);
    b.set(counter, b.alu('add', b.get(counter), b.constant(1), 32));
    scope.at().jump(head);
  }
  b.seal(head);
  finish(scope, spent, out, before, exhausted);
}

/** Repeats `body` while a test holds, at most `max` times: see `repeatWhile` of the program. */
export function repeatWhile(scope: Scope, test: () => Test, body: LoopBody, max: number): void {
  const around: LoopBody = (index, control) => {
    const condition = toCondition(test());
    const b = scope.at();
    const [inside, outside] = [b.block(), b.block()];
    branch(condition, inside, outside, scope);
    const flow = scope.flow;
    b.enter(outside);
    control.stop();
    scope.flow = flow;
    b.enter(inside);
    return body(index, control);
  };
  repeat(scope, max, around, { as: 'bounded' });
}
