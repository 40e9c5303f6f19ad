import { all, any, not, type Condition } from './condition.ts';
import { constantPattern } from './constant.ts';
import { Parser, type Operators } from './expression-parser.ts';
import { languageError, show } from './language-error.ts';
import { locator } from './position.ts';
import type { Scope } from './scope.ts';
import { factsOf, promoted, type HostName, type SmallSigned, type SmallUnsigned } from './types.ts';
import { isValue } from './typed.ts';
import { HostValue, makeValue, type Value } from './value.ts';

/** What stands between the words of an expression: values of types that mix, and constants. */
export type ExpressionPart<T extends HostName> = HostValue<T> | number | bigint;

/** The type of an expression; unknown where its parts do not mix. */
export type ExpressionResult<T extends HostName> = [T] extends [SmallUnsigned]
  ? Value<'u32'>
  : [T] extends [SmallSigned]
    ? Value<'i32'>
    : [T] extends ['u64']
      ? Value<'u64'>
      : [T] extends ['i64']
        ? Value<'i64'>
        : unknown;

/** What stands between the words of a condition. */
export type ConditionPart = Value | Condition | number | bigint | boolean;

type Node = Value | Condition | bigint | boolean;

/**
 * Arithmetic as C writes it, with C's precedence: `* / %`, then `+ -`, `<< >>`, `&`, `^`, `|`; `-` and `~` before a part. Each operation is that of the
 * method of the same meaning.
 *
 * @throws BpfAsmError `ERR_LANGUAGE` at the author's line when it is no expression, or a condition, or its parts do not mix.
 * @example
 * ```ts
 * const headerLength = expr`(${ip.versionIhl} & 0x0f) << 2`;
 * const sum = expr`${a} + ${b} * 2`;
 * ```
 */
export function expr<T extends HostName>(
  text: TemplateStringsArray,
  ...parts: readonly ExpressionPart<T>[]
): ExpressionResult<T> {
  const result = parse(text, parts);
  if (isValue(result)) return result as ExpressionResult<T>;
  const scope = scopeOf(parts);
  throw fault(
    scope,
    typeof result === 'bigint' ? 'an expression of constants' : 'an expression that is a condition',
    typeof result === 'bigint' ? 'calculate it in TypeScript' : 'write cond`…`',
  );
}

/**
 * A condition as C writes it: comparisons of expressions, joined by `&&`, `||` and `!`. Note that `&` binds looser than `==`, as in C.
 *
 * @throws BpfAsmError `ERR_LANGUAGE` at the author's line when it is no condition, or its parts do not mix.
 * @example
 * ```ts
 * when(cond`${tcp.destination.toHost()} >= 8000 && ${length} - 20 < 100`, next);
 * ```
 */
export function cond(text: TemplateStringsArray, ...parts: readonly ConditionPart[]): Condition {
  const result = parse(text, parts);
  if (typeof result === 'boolean') return all(result);
  if (typeof result === 'object' && !isValue(result)) return result;
  throw fault(scopeOf(parts), 'a condition that is a value', 'compare it, as with != 0');
}

function parse(text: TemplateStringsArray, parts: readonly unknown[]): Node {
  const scope = scopeOf(parts);
  const operators: Operators<Node> = {
    constant: (value) => value,
    part: (index) => node(scope, parts[index]),
    unary: (op, a) => unary(scope, op, a),
    binary: (op, a, b) => binary(scope, op, a, b),
    error: (message, hint) => fault(scope, message, hint),
  };
  return new Parser(text, operators).parse();
}

function scopeOf(parts: readonly unknown[]): Scope | undefined {
  return parts.find(isValue)?.scope;
}

function fault(scope: Scope | undefined, message: string, hint: string): Error {
  return scope === undefined ? languageError(message, hint, locator()()) : scope.error(message, hint);
}

function node(scope: Scope | undefined, part: unknown): Node {
  if (isValue(part) || typeof part === 'bigint' || typeof part === 'boolean') return part;
  if (typeof part === 'number' && Number.isSafeInteger(part)) return BigInt(part);
  if (typeof part === 'object' && part !== null && 'kind' in part) return part as Condition;
  throw fault(scope, `${show(part)} stands in an expression`, 'put in values, conditions and whole numbers');
}

function unary(scope: Scope | undefined, op: string, a: Node): Node {
  if (op === '!' && (typeof a === 'boolean' || (typeof a === 'object' && !isValue(a))))
    return typeof a === 'boolean' ? !a : not(a);
  if (op === '-' && typeof a === 'bigint') return -a;
  if (op === '~' && typeof a === 'bigint') return ~a;
  if (op === '-' && a instanceof HostValue) return a.neg();
  if (op === '~' && a instanceof HostValue) return a.invert();
  throw fault(
    scope,
    `${op} stands before ${describe(a)}`,
    op === '!' ? 'compare first, as with == 0' : 'it takes a value in host order',
  );
}

/** What each operation is called as a method. */
const METHODS = {
  '+': 'add', '-': 'sub', '*': 'mul', '/': 'div', '%': 'mod', '&': 'and', '|': 'or', '^': 'xor', '<<': 'shl', '>>': 'shr',
  '==': 'eq', '!=': 'ne', '<': 'lt', '<=': 'le', '>': 'gt', '>=': 'ge',
} as const; // prettier-ignore

type Method = (typeof METHODS)[keyof typeof METHODS];

function binary(scope: Scope | undefined, op: string, a: Node, b: Node): Node {
  if (op === '&&' || op === '||') {
    if (!isTest(a) || !isTest(b))
      throw fault(scope, `${op} stands between ${describe(a)} and ${describe(b)}`, 'compare first, as with != 0');
    return op === '&&' ? all(a, b) : any(a, b);
  }
  const method = METHODS[op as keyof typeof METHODS];
  if (isTest(a) || isTest(b))
    throw fault(
      scope,
      `${op} stands between ${describe(a)} and ${describe(b)}`,
      'put parentheses around the comparison that is meant',
    );
  if (isValue(a)) return apply(scope, method, a, b);
  if (isValue(b)) return apply(scope, method, lift(b, a), b);
  return constants(scope, method, a, b);
}

function isTest(value: Node): value is Condition | boolean {
  return typeof value === 'boolean' || (typeof value === 'object' && !isValue(value));
}

function apply(scope: Scope | undefined, method: Method, a: Value, b: Node): Node {
  const operation = (a as unknown as Partial<Record<Method, (other: Node | number) => Value | Condition>>)[method];
  if (operation === undefined) throw fault(scope, `${a.type} has no ${method}`, 'convert it by toHost()');
  const isShift = method === 'shl' || method === 'shr';
  return operation.call(a, isShift && typeof b === 'bigint' ? Number(b) : b);
}

/** A constant on the left of a value, as a value of its type. */
function lift(beside: Value, constant: bigint): Value {
  const { scope } = beside;
  const type = factsOf(beside.type).wire ? beside.type : promoted(beside.type);
  return makeValue(scope, type, scope.at().constant(constantPattern(type, constant, scope.unit.locate())));
}

function constants(scope: Scope | undefined, method: Method, a: bigint, b: bigint): Node {
  if ((method === 'div' || method === 'mod') && b === 0n)
    throw fault(scope, 'a division by the constant 0', 'divide by something else');
  if ((method === 'shl' || method === 'shr') && (b < 0n || b > 63n))
    throw fault(scope, `a shift by ${b}`, 'shift by 0 to 63');
  switch (method) {
    case 'add': return a + b;
    case 'sub': return a - b;
    case 'mul': return a * b;
    case 'div': return a / b;
    case 'mod': return a % b;
    case 'and': return a & b;
    case 'or': return a | b;
    case 'xor': return a ^ b;
    case 'shl': return a << b;
    case 'shr': return a >> b;
    case 'eq': return a === b;
    case 'ne': return a !== b;
    case 'lt': return a < b;
    case 'le': return a <= b;
    case 'gt': return a > b;
    case 'ge': return a >= b;
  } // prettier-ignore
}

function describe(value: Node): string {
  if (isValue(value)) return `a value of ${value.type}`;
  return typeof value === 'bigint' ? `the constant ${value}` : 'a condition';
}
