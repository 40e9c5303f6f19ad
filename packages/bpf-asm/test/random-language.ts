/**
 * Random programs in the language, as trees: made of a list of numbers, so that fast-check can shrink them, run by a reference in BigInt, and told to the
 * language.
 */

/** Types that expressions have. */
export type NumberType = 'u8' | 'u16' | 'u32' | 'u64' | 'i8' | 'i16' | 'i32' | 'i64';

const PROMOTED = {
  u8: 'u32',
  u16: 'u32',
  u32: 'u32',
  u64: 'u64',
  i8: 'i32',
  i16: 'i32',
  i32: 'i32',
  i64: 'i64',
} as const;
const CLASSES = { u32: ['u32', 'u8', 'u16'], u64: ['u64'], i32: ['i32', 'i8', 'i16'], i64: ['i64'] } as const;
const TYPES = ['u32', 'u64', 'i32', 'i64', 'u8', 'u16', 'i8', 'i16'] as const;
const BINARY = ['add', 'sub', 'mul', 'and', 'or', 'xor', 'div', 'mod'] as const;
/** Operations of two numbers. */
export type Arithmetic = (typeof BINARY)[number];

const COMPARE = ['eq', 'ne', 'lt', 'le', 'gt', 'ge'] as const;

/** Types of the variables, which are there from the start with the value 0. */
export const VARIABLES = ['u32', 'u64', 'i32', 'i64', 'u8', 'u16'] as const;

/** Types of the fields of the record on the stack. */
export const FIELDS = { f0: 'u32', f1: 'u64', f2: 'u8', f3: 'u16' } as const;

/** Something that has a value. */
export type Expression =
  | { readonly kind: 'literal'; readonly type: NumberType; readonly value: bigint }
  | { readonly kind: 'input'; readonly type: NumberType; readonly index: 0 | 1 | 2 }
  | { readonly kind: 'variable'; readonly type: NumberType; readonly index: number }
  | { readonly kind: 'round'; readonly type: 'u32' }
  | { readonly kind: 'field'; readonly type: NumberType; readonly name: keyof typeof FIELDS }
  | {
      readonly kind: 'binary';
      readonly type: NumberType;
      readonly op: Arithmetic;
      readonly a: Expression;
      readonly b: Expression;
    }
  | {
      readonly kind: 'shift';
      readonly type: NumberType;
      readonly op: 'shl' | 'shr';
      readonly a: Expression;
      readonly by: number;
    }
  | { readonly kind: 'unary'; readonly type: NumberType; readonly op: 'neg' | 'invert'; readonly a: Expression }
  | { readonly kind: 'cast'; readonly type: NumberType; readonly a: Expression }
  | {
      readonly kind: 'choose';
      readonly type: NumberType;
      readonly test: Test;
      readonly a: Expression;
      readonly b: Expression;
    }
  | { readonly kind: 'call'; readonly type: 'u32'; readonly a: Expression; readonly b: Expression };

/** Something that holds or not. */
export type Test =
  | { readonly kind: 'compare'; readonly op: (typeof COMPARE)[number]; readonly a: Expression; readonly b: Expression }
  | { readonly kind: 'wire'; readonly a: Expression; readonly value: number }
  | { readonly kind: 'join'; readonly every: boolean; readonly lazy: boolean; readonly a: Test; readonly b: Test }
  | { readonly kind: 'not'; readonly a: Test };

/** Something that is done. */
export type Statement =
  | { readonly kind: 'set'; readonly index: number; readonly value: Expression }
  | { readonly kind: 'store'; readonly name: keyof typeof FIELDS; readonly value: Expression }
  | {
      readonly kind: 'when';
      readonly test: Test;
      readonly yes: readonly Statement[];
      readonly otherwise: readonly Statement[] | undefined;
    }
  | { readonly kind: 'match'; readonly value: Expression; readonly cases: readonly (readonly Statement[])[] }
  | {
      readonly kind: 'repeat';
      readonly as: 'unrolled' | 'bounded';
      readonly count: number;
      readonly body: readonly Statement[];
    }
  | { readonly kind: 'leave'; readonly how: 'stop' | 'again' }
  | { readonly kind: 'finish'; readonly value: Expression };

/** Numbers that decide; 0, the simplest choice, when they are used up. */
class Choices {
  readonly #numbers: readonly number[];
  #at = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(limit: number): number {
    return (this.#numbers[this.#at++] ?? 0) % limit;
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T;
  }
}

/** A number as a type holds it. */
export function wrap(type: NumberType, value: bigint): bigint {
  const bits = Number(type.slice(1));
  return type.startsWith('i') ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
}

/** The statements that a list of numbers decides on. */
export function programOf(numbers: readonly number[]): readonly Statement[] {
  const choices = new Choices(numbers);
  const block = (depth: number, inLoop: boolean): Statement[] => {
    const list: Statement[] = [];
    for (let count = choices.below(4) + (depth === 0 ? 4 : 1); count > 0; count--) {
      list.push(statement(choices, depth, inLoop, block));
      if (list.at(-1)?.kind === 'leave' || list.at(-1)?.kind === 'finish') break;
    }
    return list;
  };
  return block(0, false);
}

function statement(
  choices: Choices,
  depth: number,
  inLoop: boolean,
  block: (depth: number, inLoop: boolean) => Statement[],
): Statement {
  const kinds = [
    'set',
    'store',
    ...(depth < 3 ? ['when', 'match', 'repeat', 'when'] : []),
    ...(inLoop ? ['leaveIf', 'leaveIf', 'leave'] : []),
    ...(depth > 0 ? ['finish'] : []),
  ];
  switch (choices.of(kinds)) {
    case 'store': {
      const name = choices.of(['f0', 'f1', 'f2', 'f3'] as const);
      return { kind: 'store', name, value: expression(choices, FIELDS[name], 2) };
    }
    case 'when':
      return {
        kind: 'when',
        test: test(choices, 2),
        yes: block(depth + 1, inLoop),
        otherwise: choices.below(2) === 0 ? undefined : block(depth + 1, inLoop),
      };
    case 'match':
      return {
        kind: 'match',
        value: expression(choices, 'u32', 1),
        cases: [block(depth + 1, inLoop), block(depth + 1, inLoop), block(depth + 1, inLoop)],
      };
    case 'repeat':
      return {
        kind: 'repeat',
        as: choices.of(['unrolled', 'bounded'] as const),
        count: choices.below(4),
        body: block(depth + 1, true),
      };
    case 'leaveIf': {
      const leave = { kind: 'leave', how: choices.of(['stop', 'again'] as const) } as const;
      return { kind: 'when', test: test(choices, 1), yes: [leave], otherwise: undefined };
    }
    case 'leave':
      return { kind: 'leave', how: choices.of(['stop', 'again'] as const) };
    case 'finish':
      return { kind: 'finish', value: expression(choices, 'u64', 2) };
    default: {
      const index = choices.below(VARIABLES.length);
      return { kind: 'set', index, value: expression(choices, VARIABLES[index] as NumberType, 3) };
    }
  }
}

function expression(choices: Choices, type: NumberType, depth: number): Expression {
  const wide = PROMOTED[type];
  const kinds = [
    'input',
    'round',
    'literal',
    'variable',
    'field',
    ...(depth > 0 ? ['binary', 'binary', 'shift', 'unary', 'choose', 'cast', 'call'] : []),
  ];
  const inner = (): Expression => expression(choices, choices.of(CLASSES[wide]), depth - 1);
  const as = (made: Expression): Expression => (made.type === type ? made : { kind: 'cast', type, a: made });
  switch (choices.of(kinds)) {
    case 'round':
      return as({ kind: 'round', type: 'u32' });
    case 'literal':
      return {
        kind: 'literal',
        type,
        value: wrap(type, choices.of([1n, 2n, 8n, 255n, -1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 63n, 0x1234n])),
      };
    case 'variable': {
      const index = choices.below(VARIABLES.length);
      return as({ kind: 'variable', type: VARIABLES[index] as NumberType, index });
    }
    case 'field': {
      const name = choices.of(['f0', 'f1', 'f2', 'f3'] as const);
      return as({ kind: 'field', type: FIELDS[name], name });
    }
    case 'binary': {
      // Signed division is of version 4 of the instruction set.
      const op = choices.of(wide.startsWith('i') ? BINARY.slice(0, 6) : BINARY);
      return as({ kind: 'binary', type: wide, op, a: inner(), b: inner() });
    }
    case 'shift':
      return as({
        kind: 'shift',
        type: wide,
        op: choices.of(['shl', 'shr'] as const),
        a: inner(),
        by: choices.below(32),
      });
    case 'unary':
      return as({ kind: 'unary', type: wide, op: choices.of(['neg', 'invert'] as const), a: inner() });
    case 'choose':
      return {
        kind: 'choose',
        type,
        test: test(choices, depth - 1),
        a: expression(choices, type, depth - 1),
        b: expression(choices, type, depth - 1),
      };
    case 'cast':
      return { kind: 'cast', type, a: expression(choices, choices.of(TYPES), depth - 1) };
    case 'call':
      return as({
        kind: 'call',
        type: 'u32',
        a: expression(choices, 'u32', depth - 1),
        b: expression(choices, 'u64', depth - 1),
      });
    default:
      return { kind: 'input', type, index: choices.below(3) as 0 | 1 | 2 };
  }
}

function test(choices: Choices, depth: number): Test {
  const kind = choices.of(depth > 0 ? ['compare', 'compare', 'wire', 'join', 'not'] : ['compare', 'wire']);
  if (kind === 'join') {
    return {
      kind,
      every: choices.below(2) === 0,
      lazy: choices.below(2) === 0,
      a: test(choices, depth - 1),
      b: test(choices, depth - 1),
    };
  }
  if (kind === 'not') return { kind, a: test(choices, depth - 1) };
  if (kind === 'wire')
    return {
      kind,
      a: expression(choices, choices.of(['u16', 'u32'] as const), depth),
      value: choices.of([0, 1, 80, 443]),
    };
  const type = choices.of(TYPES);
  const other = choices.of(CLASSES[PROMOTED[type]]);
  return {
    kind: 'compare',
    op: choices.of(COMPARE),
    a: expression(choices, type, depth),
    b: expression(choices, other, depth),
  };
}
