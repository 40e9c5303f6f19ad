import fc from 'fast-check';
import type { JumpOp, LoadType, StoreType, Width } from '../src/isa/index.ts';
import {
  FunctionBuilder,
  type IrAluOp,
  type IrFunction,
  type IrStackSlot,
  type IrValue,
  type IrVariable,
  type MemoryClass,
} from '../src/compile/index.ts';

/** Bytes of memory that random programs are given; the first half counts as map, the second as packet. */
export const MEMORY_SIZE = 64;
const SLOT_SIZE = 32;
const VARIABLES = 13;

/** A statement of a random program: numbers choose variables, modulo their count. */
type Statement =
  | { kind: 'alu'; op: IrAluOp; width: Width; to: number; a: number; b: Operand }
  | { kind: 'unary'; op: 'neg' | 'sext' | 'zext' | 'swap'; choice: number; to: number; a: number }
  | { kind: 'set'; to: number; value: Operand }
  | { kind: 'load'; type: LoadType; where: Where; offset: number; to: number }
  | { kind: 'store'; type: StoreType; where: Where; offset: number; value: Operand }
  | { kind: 'atomic'; choice: number; where: Where; offset: number; value: number; expected: number; to: number }
  | { kind: 'call'; callee: number; args: number[]; to: number }
  | {
      kind: 'if';
      compare: JumpOp;
      width: Width;
      a: number;
      b: Operand;
      yes: Statement[];
      no: Statement[];
      unlikely: number;
    }
  | { kind: 'loop'; times: number; body: Statement[] }
  | { kind: 'return'; value: Operand };

type Operand = number | bigint;
type Where = 'map' | 'packet' | 'stack';

const anyVariable = fc.nat(VARIABLES - 1);
const anyConstant = fc.oneof(
  fc.integer({ min: -9, max: 65 }).map(BigInt),
  fc.constantFrom(0xffn, 0xffffn, 0x7fff_ffffn, 0x8000_0000n, 0xffff_ffffn, -0x8000_0000n, 1n << 63n, 0xff00n),
  fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n }),
);
const anyOperand: fc.Arbitrary<Operand> = fc.oneof(anyVariable, anyConstant);
const anyWidth = fc.constantFrom<Width>(32, 64);
const anyWhere = fc.constantFrom<Where>('map', 'packet', 'stack');
const anyOffset = fc.nat(3);
const anyAluOp = fc.constantFrom<IrAluOp>(
  ...(['add', 'sub', 'mul', 'div', 'mod', 'sdiv', 'smod', 'and', 'or', 'xor', 'lsh', 'rsh', 'arsh'] as const),
);
const anyCompare = fc.constantFrom<JumpOp>(
  ...(['jeq', 'jne', 'jset', 'jgt', 'jge', 'jlt', 'jle', 'jsgt', 'jsge', 'jslt', 'jsle'] as const),
);
const kind = <K extends string>(name: K): fc.Arbitrary<K> => fc.constant(name);

const { statements: anyStatements } = fc.letrec<{ statement: Statement; statements: Statement[] }>((tie) => ({
  statement: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: kind('alu'),
        op: anyAluOp,
        width: anyWidth,
        to: anyVariable,
        a: anyVariable,
        b: anyOperand,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('unary'),
        op: fc.constantFrom('neg', 'sext', 'zext', 'swap'),
        choice: fc.nat(8),
        to: anyVariable,
        a: anyVariable,
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: kind('set'), to: anyVariable, value: anyOperand }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('load'),
        type: fc.constantFrom<LoadType>('u8', 'u16', 'u32', 'u64', 's8', 's16', 's32'),
        where: anyWhere,
        offset: anyOffset,
        to: anyVariable,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('store'),
        type: fc.constantFrom<StoreType>('u8', 'u16', 'u32', 'u64'),
        where: anyWhere,
        offset: anyOffset,
        value: anyOperand,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: kind('atomic'),
        choice: fc.nat(9),
        where: anyWhere,
        offset: anyOffset,
        value: anyVariable,
        expected: anyVariable,
        to: anyVariable,
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: kind('call'),
        callee: fc.nat(1),
        args: fc.array(anyVariable, { minLength: 4, maxLength: 4 }),
        to: anyVariable,
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: kind('if'),
        compare: anyCompare,
        width: anyWidth,
        a: anyVariable,
        b: anyOperand,
        yes: tie('statements'),
        no: tie('statements'),
        unlikely: fc.nat(2),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: kind('loop'), times: fc.nat(3), body: tie('statements') }) },
    { weight: 1, arbitrary: fc.record({ kind: kind('return'), value: anyOperand }) },
  ) as fc.Arbitrary<Statement>,
  statements: fc.array(tie('statement'), { maxLength: 12 }),
}));

/** Makes the functions of a random unit: arithmetic, diamonds, bounded loops, memory, calls of functions. It takes a pointer to {@link MEMORY_SIZE} bytes. */
export const irUnit: fc.Arbitrary<{ build(): IrFunction[] }> = fc
  .tuple(anyStatements, anyStatements, anyStatements, fc.nat(VARIABLES - 1))
  .map(([main, first, second, returned]) => ({
    toString: () =>
      JSON.stringify([main, first, second, returned], (_, value: unknown) =>
        typeof value === 'bigint' ? `${value}n` : value,
      ),
    build: () => [
      build('main', 1, main, returned, ['first', 'second']),
      build('first', 5, first, returned, ['second', 'second']),
      build('second', 5, second, returned, []),
    ],
  }));

function build(
  name: string,
  parameters: number,
  body: readonly Statement[],
  returned: number,
  callees: readonly string[],
): IrFunction {
  const writer = new Writer(name, parameters, callees);
  writer.statements(body);
  return writer.finish(returned);
}

class Writer {
  readonly #b: FunctionBuilder;
  readonly #variables: IrVariable[];
  readonly #slot: IrStackSlot;
  readonly #callees: readonly string[];

  constructor(name: string, parameters: number, callees: readonly string[]) {
    const b = new FunctionBuilder(name, parameters);
    this.#b = b;
    this.#callees = callees;
    this.#slot = b.stackSlot(SLOT_SIZE, 8, 'room');
    for (let at = 0; at < SLOT_SIZE; at += 8) {
      b.store('u64', b.stackAddress(this.#slot), at, b.constant(0), 'stack');
    }
    this.#variables = Array.from({ length: VARIABLES }, (_, index) => {
      if (index < parameters - 1) return b.variable(b.param(index + 1));
      return b.variable(index % 2 === 0 ? b.constant(index) : b.load('u64', b.param(0), (index % 4) * 8, 'map'));
    });
  }

  finish(returned: number): IrFunction {
    this.#b.return(this.#get(returned));
    return this.#b.finish();
  }

  statements(statements: readonly Statement[]): void {
    for (const statement of statements) this.#statement(statement);
  }

  #get(index: number): IrValue {
    return this.#b.get(this.#variables[index] as IrVariable);
  }

  #operand(operand: Operand): IrValue {
    return typeof operand === 'bigint' ? this.#b.constant(operand) : this.#get(operand);
  }

  #set(index: number, value: IrValue): void {
    this.#b.set(this.#variables[index] as IrVariable, value);
  }

  #place(where: Where, offset: number): { base: IrValue; offset: number; memory: MemoryClass } {
    if (where === 'stack') return { base: this.#b.stackAddress(this.#slot), offset: offset * 8, memory: where };
    return { base: this.#b.param(0), offset: (where === 'packet' ? 32 : 0) + offset * 8, memory: where };
  }

  #statement(s: Statement): void {
    const b = this.#b;
    switch (s.kind) {
      case 'alu':
        return this.#set(s.to, b.alu(s.op, this.#get(s.a), this.#operand(s.b), s.width));
      case 'unary':
        return this.#unary(s);
      case 'set':
        return this.#set(s.to, this.#operand(s.value));
      case 'load': {
        const { base, offset, memory } = this.#place(s.where, s.offset);
        return this.#set(s.to, b.load(s.type, base, offset, memory));
      }
      case 'store': {
        const { base, offset, memory } = this.#place(s.where, s.offset);
        return b.store(s.type, base, offset, this.#operand(s.value), memory);
      }
      case 'atomic':
        return this.#atomic(s);
      case 'call': {
        const name = this.#callees[s.callee];
        if (name === undefined) return;
        const args = [b.param(0), ...s.args.map((arg) => this.#get(arg))];
        return this.#set(s.to, b.call({ kind: 'local', name }, args));
      }
      case 'if':
        return this.#if(s);
      case 'loop':
        return this.#loop(s);
      case 'return': {
        // What follows is dropped; a block of its own keeps it, on a condition that the compiler may or may not see through.
        const [leave, stay] = [b.block(), b.block()];
        b.branch('jeq', this.#get(1), this.#operand(s.value), leave, stay);
        b.enter(leave);
        b.return(this.#operand(s.value));
        return b.enter(stay);
      }
    }
  }

  #unary({ op, choice, to, a }: Extract<Statement, { kind: 'unary' }>): void {
    const b = this.#b;
    const value = this.#get(a);
    const bits = ([8, 16, 32] as const)[choice % 3] as 8 | 16 | 32;
    if (op === 'neg') this.#set(to, b.neg(value, choice % 2 === 0 ? 32 : 64));
    else if (op === 'swap') {
      const order = (['be', 'le', 'bswap'] as const)[choice % 3] as 'be';
      this.#set(to, b.swap(order, ([16, 32, 64] as const)[Math.floor(choice / 3) % 3] as 16, value));
    } else this.#set(to, op === 'sext' ? b.sext(bits, value) : b.zext(bits, value));
  }

  #atomic({ choice, where, offset: at, value, expected, to }: Extract<Statement, { kind: 'atomic' }>): void {
    const ops = [
      'add',
      'or',
      'and',
      'xor',
      'fetch_add',
      'fetch_or',
      'fetch_and',
      'fetch_xor',
      'xchg',
      'cmpxchg',
    ] as const;
    const op = ops[choice] as (typeof ops)[number];
    const { base, offset, memory } = this.#place(where, at);
    const width: Width = (value + to) % 2 === 0 ? 64 : 32;
    const options = op === 'cmpxchg' ? { width, expected: this.#get(expected) } : { width };
    const old = this.#b.atomic(op, base, offset, this.#get(value), memory, options);
    if (choice >= 4) this.#set(to, old);
  }

  #if({ compare: op, width: bits, a, b: right, yes, no, unlikely }: Extract<Statement, { kind: 'if' }>): void {
    const b = this.#b;
    const [first, second, after] = [b.block(), b.block(), b.block()];
    const side = (['yes', 'no', undefined] as const)[unlikely];
    b.branch(op, this.#get(a), this.#operand(right), first, second, {
      width: bits,
      ...(side === undefined ? {} : { unlikely: side }),
    });
    b.enter(first);
    this.statements(yes);
    b.jump(after);
    b.enter(second);
    this.statements(no);
    b.jump(after);
    b.enter(after);
  }

  #loop({ times, body }: Extract<Statement, { kind: 'loop' }>): void {
    const b = this.#b;
    const [head, inside, after] = [b.block(), b.block(), b.block()];
    const count = b.variable(b.constant(0));
    b.jump(head);
    b.enterLoop(head);
    b.branch('jlt', b.get(count), b.constant(times), inside, after);
    b.enter(inside);
    this.statements(body);
    b.set(count, b.alu('add', b.get(count), b.constant(1)));
    b.jump(head);
    b.seal(head);
    b.enter(after);
  }
}
