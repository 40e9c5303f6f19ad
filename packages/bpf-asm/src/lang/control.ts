import type { IntegerName } from '../layout/index.ts';
import { branch, toCondition, type LazyTest } from './condition.ts';
import { constantPattern } from './constant.ts';
import { ENDED, type Ended } from './ended.ts';
import { languageError, show } from './language-error.ts';
import { factsOf, promoted, type Literal } from './types.ts';
import { isValue, operand } from './typed.ts';
import { makeValue, type Value } from './value.ts';

/** What is done on one side of a choice; it may end the path. */
export type Body = () => Ended | void;

/**
 * Does `then` where the test holds, else `otherwise`. A test of the host language is decided while the program is built, and the side that is not
 * taken leaves no instruction behind; so is a comparison of constants.
 *
 * @param test - a condition, a boolean of the host language (nothing counts as false), or a function that gives one.
 * @param then - what to do where it holds.
 * @param otherwise - what to do where it does not.
 * @returns an {@link Ended} where both sides end the path.
 * @example
 * ```ts
 * when(ip.isFragmentTail, next);
 * when(node.bypass !== undefined, () => when(ip.destination.within(node.bypass), next));
 * ```
 */
export function when(test: LazyTest, then: () => Ended, otherwise: () => Ended): Ended;
export function when(test: LazyTest, then: Body, otherwise?: Body): void;
export function when(test: LazyTest, then: Body, otherwise?: Body): Ended | void {
  const condition = toCondition(test);
  if (condition.kind === 'known') {
    if (condition.holds) return then();
    return otherwise?.();
  }
  const { scope } = condition;
  const b = scope.at();
  const [yes, join] = [b.block(), b.block()];
  const no = otherwise === undefined ? join : b.block();
  const before = scope.flow;
  branch(condition, yes, no, scope);
  if (otherwise === undefined) {
    b.enter(yes);
    then();
    const flows = [before];
    if (scope.reachable) {
      scope.release(before.held);
      flows.push(scope.flow);
      scope.at().jump(join);
    }
    scope.join(join, flows, before);
    return undefined;
  }
  scope.fork(
    [
      { block: yes, build: then },
      { block: no, build: otherwise },
    ],
    join,
  );
  return scope.reachable ? undefined : ENDED;
}

/** What is done for each value: by constants in host order, or by addresses. */
export type Cases<B> = Readonly<Record<number | string, B>>;

/**
 * Does what stands beside the constant that equals the value; `otherwise` where none does. The constants are tried in ascending order.
 *
 * @param value - a value of the program, or a constant of the host language, which is decided while the program is built.
 * @param cases - by constant; in host order, also for a value in network order.
 * @param otherwise - for every other value; nothing where it is left out.
 * @returns an {@link Ended} where all sides end the path.
 * @throws BpfAsmError `ERR_LANGUAGE` when a constant is out of the type's range.
 * @example
 * ```ts
 * return match(eth.type, {
 *   [ETH_P_IP]: () => capture(skb.parse(IPv4, next)),
 *   [ETH_P_IPV6]: () => capture(skb.parse(IPv6, next)),
 * }, next);
 * ```
 */
export function match(value: Value | Literal<IntegerName>, cases: Cases<() => Ended>, otherwise: () => Ended): Ended;
export function match(value: Value | Literal<IntegerName>, cases: Cases<Body>, otherwise?: Body): void;
export function match(
  value: Value | Literal<IntegerName>,
  cases: Cases<Body>,
  otherwise: Body = nothing,
): Ended | void {
  const entries = Object.entries(cases);
  if (!isValue(value)) {
    const chosen = entries.find(([key]) => key === String(value));
    return (chosen?.[1] ?? otherwise)();
  }
  const { scope, type, ir } = value;
  const b = scope.at();
  const constants = entries.map(([key]) => constantPattern(type, literalOf(key), scope.unit.locate()));
  if (ir.op === 'const') return (entries[constants.indexOf(ir.value)]?.[1] ?? otherwise)();
  const join = b.block();
  const paths = entries.map(([, build]) => ({ block: b.block(), build }));
  paths.forEach(({ block }, index) => {
    const on = b.block();
    b.branch('jeq', ir, b.constant(constants[index] as bigint), block, on, { width: factsOf(type).width });
    b.enter(on);
  });
  const rest = b.block();
  b.jump(rest);
  scope.fork([...paths, { block: rest, build: otherwise }], join);
  return scope.reachable ? undefined : ENDED;
}

function nothing(): void {
  // What is not in the table is none of its business.
}

function literalOf(key: string): bigint | string {
  return /^-?\d+$/.test(key) ? BigInt(key) : key;
}

/**
 * One of two values, by a test: C's `test ? a : b`.
 *
 * @param a - the value where the test holds: of a type, or a constant beside a value.
 * @param b - the value where it does not.
 * @throws BpfAsmError `ERR_LANGUAGE` when neither is a value of the program.
 */
export function choose<T extends IntegerName>(test: LazyTest, a: Value<T>, b: Value<T> | Literal<T>): Value<T>;
export function choose<T extends IntegerName>(test: LazyTest, a: Literal<T>, b: Value<T>): Value<T>;
export function choose(test: LazyTest, a: Value | Literal<IntegerName>, b: Value | Literal<IntegerName>): Value {
  const typed = isValue(a) ? a : b;
  if (!isValue(typed)) {
    throw languageError(
      `neither ${show(a)} nor ${show(b)} is a value of the program`,
      'choose between constants while building, or give one a type by p.value',
    );
  }
  const { scope } = typed;
  const both = [a, b].filter(isValue).map((one) => one.type);
  const type = new Set(both).size === 1 ? typed.type : promoted(typed.type);
  const [left, right] = [operand(scope, type, a), operand(scope, type, b)];
  const builder = scope.at();
  const result = builder.variable();
  when(
    test,
    () => {
      builder.set(result, left);
    },
    () => {
      builder.set(result, right);
    },
  );
  return makeValue(scope, type, builder.get(result));
}
