/**
 * Random programs of {@link programOf}, told to the language.
 */
import {
  all,
  any,
  choose,
  match,
  not,
  when,
  type Condition,
  type Ended,
  type HostValue,
  type LoopControl,
} from '../src/lang/index.ts';
import { i16, i32, i64, i8, struct, u16, u32, u64, u8 } from '../src/layout/index.ts';
import type { Calculation } from './language.ts';
import { FIELDS, VARIABLES, type Expression, type NumberType, type Statement, type Test } from './random-language.ts';

const LAYOUTS = { u8, u16, u32, u64, i8, i16, i32, i64 } as const;
const Fields = struct('fields', {
  f0: LAYOUTS[FIELDS.f0],
  f1: LAYOUTS[FIELDS.f1],
  f2: LAYOUTS[FIELDS.f2],
  f3: LAYOUTS[FIELDS.f3],
});

/** A program as the language is told it. Types are not seen here: the tree keeps to them, and the language checks as it builds. */
export function told(program: readonly Statement[]): Calculation {
  type Any = HostValue<'u64'>;
  return (input, { variable, record, repeat, value, func }) => {
    const variables = VARIABLES.map((type) => variable(LAYOUTS[type] as typeof u64, 0));
    const fields = record(Fields);
    const result = variable(u64, 0);
    const finished = variable(u8, 0);
    const mix = func('mix', [u32, u64], u32, (a, b, { ret }) => {
      when(a.gt(1000), () => ret(a.xor(b.u32())));
      return a.add(b.shr(32).u32());
    });
    const as = (type: NumberType, one: Any): Any => one[type]() as Any;
    const make = (one: Expression): Any => {
      switch (one.kind) {
        case 'literal':
          return value(LAYOUTS[one.type] as typeof u64, one.value);
        case 'input':
          return as(one.type, [input.a, input.b, input.c][one.index] as Any);
        case 'variable':
          return variables[one.index]?.get() as Any;
        case 'round':
          return rounds.at(-1) as Any;
        case 'field':
          return fields[one.name] as Any;
        case 'binary':
          return make(one.a)[one.op](make(one.b));
        case 'shift':
          return make(one.a)[one.op](one.by);
        case 'unary':
          return make(one.a)[one.op]();
        case 'cast':
          return as(one.type, make(one.a));
        case 'choose':
          return choose(hold(one.test), make(one.a), make(one.b));
        case 'call':
          return mix(make(one.a) as HostValue<never>, make(one.b)) as HostValue<never>;
      }
    };
    const hold = (one: Test): Condition => {
      switch (one.kind) {
        case 'compare':
          return make(one.a)[one.op](make(one.b));
        case 'wire':
          return make(one.a).toWire().eq(one.value);
        case 'join': {
          const second = one.lazy ? () => hold(one.b) : hold(one.b);
          return one.every ? all(hold(one.a), second) : any(hold(one.a), second);
        }
        case 'not':
          return not(hold(one.a));
      }
    };
    const leaves: LoopControl[] = [];
    const rounds: Any[] = [];
    const block = (list: readonly Statement[]): Ended | void => {
      for (const one of list) {
        const ended = perform(one);
        if (ended !== undefined) return ended;
      }
      return undefined;
    };
    /** What finishes inside loops leaves them all, one after the other. */
    const finish = (): Ended | void => leaves.at(-1)?.stop();
    const perform = (one: Statement): Ended | void => {
      switch (one.kind) {
        case 'set':
          variables[one.index]?.set(make(one.value));
          return undefined;
        case 'store':
          fields.set({ [one.name]: make(one.value) });
          return undefined;
        case 'when':
          when(
            hold(one.test),
            () => block(one.yes),
            one.otherwise === undefined ? undefined : () => block(one.otherwise ?? []),
          );
          return skip();
        case 'match':
          match(make(one.value), { 0: () => block(one.cases[0] ?? []), 1: () => block(one.cases[1] ?? []) }, () =>
            block(one.cases[2] ?? []),
          );
          return skip();
        case 'repeat':
          repeat(
            one.count,
            (index, control) => {
              rounds.push(index as HostValue<never>);
              leaves.push(control);
              block(one.body);
              leaves.pop();
              rounds.pop();
            },
            { as: one.as },
          );
          return skip();
        case 'leave':
          return leaves.at(-1)?.[one.how]();
        case 'finish':
          result.set(make(one.value));
          finished.set(1);
          return finish();
      }
    };
    /** After something that may have finished: what follows is for those paths only that have not. */
    const skip = (): Ended | void => {
      if (leaves.length > 0) when(finished.get().ne(0), () => leaves.at(-1)?.stop());
      return undefined;
    };
    repeat(1, (index, control) => {
      rounds.push(index as HostValue<never>);
      leaves.push(control);
      block(program);
      leaves.pop();
      rounds.pop();
    });
    const sum = [
      ...variables.map((one) => one.get()),
      ...([fields.f0, fields.f1, fields.f2, fields.f3] as readonly unknown[] as readonly Any[]),
    ]
      .map((one) => one.u64())
      .reduce((total, one) => total.mul(31).add(one), value(u64, 0));
    return choose(finished.get().ne(0), result.get(), sum);
  };
}
