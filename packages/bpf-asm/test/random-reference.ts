/**
 * What random programs come to, by the rules of C: the reference for the language, the compiler and the interpreter.
 */
import {
  type FIELDS,
  VARIABLES,
  wrap,
  type Arithmetic,
  type Expression,
  type Statement,
  type Test,
} from './random-language.ts';

/** What the function does that programs call. */
function mix(a: bigint, b: bigint): bigint {
  return a > 1000n ? BigInt.asUintN(32, a ^ b) : BigInt.asUintN(32, a + (b >> 32n));
}

type Leave = 'stop' | 'again' | 'finish' | undefined;

/** What a program comes to, by the rules of C: the reference. */
export class Reference {
  readonly #inputs: readonly bigint[];
  readonly #variables: bigint[] = VARIABLES.map(() => 0n);
  readonly #fields: Record<keyof typeof FIELDS, bigint> = { f0: 0n, f1: 0n, f2: 0n, f3: 0n };
  #finished: bigint | undefined;
  /** The round of the innermost loop; of none where there is no loop. */
  #round = 0;

  constructor(inputs: readonly bigint[]) {
    this.#inputs = inputs;
  }

  /** The result: what it finished with, else all variables and fields in one number. */
  run(program: readonly Statement[]): bigint {
    this.#block(program);
    if (this.#finished !== undefined) return this.#finished;
    return [...this.#variables, ...Object.values(this.#fields)].reduce(
      (sum, value) => BigInt.asUintN(64, sum * 31n + value),
      0n,
    );
  }

  #block(list: readonly Statement[]): Leave {
    for (const one of list) {
      const leave = this.#statement(one);
      if (leave !== undefined) return leave;
    }
    return undefined;
  }

  #statement(one: Statement): Leave {
    switch (one.kind) {
      case 'set':
        this.#variables[one.index] = this.#value(one.value);
        return undefined;
      case 'store':
        this.#fields[one.name] = this.#value(one.value);
        return undefined;
      case 'when':
        return this.#block(this.#holds(one.test) ? one.yes : (one.otherwise ?? []));
      case 'match': {
        const value = this.#value(one.value);
        return this.#block((value < 2n ? one.cases[Number(value)] : one.cases[2]) ?? []);
      }
      case 'repeat':
        return this.#repeat(one.count, one.body);
      case 'leave':
        return one.how;
      case 'finish':
        this.#finished = this.#value(one.value);
        return 'finish';
    }
  }

  #repeat(count: number, body: readonly Statement[]): Leave {
    const outer = this.#round;
    for (let round = 0; round < count; round++) {
      this.#round = round;
      const leave = this.#block(body);
      if (leave === 'finish') return leave;
      if (leave === 'stop') break;
    }
    this.#round = outer;
    return undefined;
  }

  #value(one: Expression): bigint {
    switch (one.kind) {
      case 'literal':
        return one.value;
      case 'input':
        return wrap(one.type, this.#inputs[one.index] ?? 0n);
      case 'variable':
        return this.#variables[one.index] ?? 0n;
      case 'round':
        return BigInt(this.#round);
      case 'field':
        return this.#fields[one.name];
      case 'binary':
        return wrap(one.type, arithmetic(one.op, this.#value(one.a), this.#value(one.b)));
      case 'shift': {
        const [a, by] = [this.#value(one.a), BigInt(one.by)];
        return wrap(one.type, one.op === 'shl' ? a << by : a >> by);
      }
      case 'unary':
        return wrap(one.type, one.op === 'neg' ? -this.#value(one.a) : ~this.#value(one.a));
      case 'cast':
        return wrap(one.type, this.#value(one.a));
      case 'choose':
        return this.#holds(one.test) ? this.#value(one.a) : this.#value(one.b);
      case 'call':
        return mix(this.#value(one.a), this.#value(one.b));
    }
  }

  #holds(one: Test): boolean {
    switch (one.kind) {
      case 'compare': {
        const [a, b] = [this.#value(one.a), this.#value(one.b)];
        return { eq: a === b, ne: a !== b, lt: a < b, le: a <= b, gt: a > b, ge: a >= b }[one.op];
      }
      case 'wire':
        return this.#value(one.a) === BigInt(one.value);
      case 'join':
        return one.every ? this.#holds(one.a) && this.#holds(one.b) : this.#holds(one.a) || this.#holds(one.b);
      case 'not':
        return !this.#holds(one.a);
    }
  }
}

function arithmetic(op: Arithmetic, a: bigint, b: bigint): bigint {
  switch (op) {
    case 'add':
      return a + b;
    case 'sub':
      return a - b;
    case 'mul':
      return a * b;
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'div':
      return b === 0n ? 0n : a / b;
    case 'mod':
      return b === 0n ? a : a % b;
  }
}
