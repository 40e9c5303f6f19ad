import type { IntegerLayout, IntegerName, FieldLayouts } from '../layout/index.ts';
import { ENDED, type Ended } from './ended.ts';
import { callHelper } from './helper-call.ts';
import { ALL_EFFECTS } from '../compile/index.ts';
import { MAX_LOOPS, type LoopControl } from './loop.ts';
import { LAYOUT, PLACE } from './memory.ts';
import { Place } from './place.ts';
import { Scope } from './scope.ts';
import type { Unit } from './unit.ts';
import { isValue, operand } from './typed.ts';
import { makeValue, type Value } from './value.ts';
import { storable, type Storable } from './variable.ts';
import { structView, type View } from './view.ts';
import type { StructLayout } from '../layout/index.ts';

/** The layouts of a function's arguments. */
export type ParameterLayouts = readonly IntegerLayout[];

/** What the body of a function gets for its arguments. */
export type ParameterValues<P extends ParameterLayouts> = {
  readonly [I in keyof P]: P[I] extends IntegerLayout<number | bigint, infer Name> ? Value<Name> : never;
};

/** What a call of a function is given. */
export type ArgumentValues<P extends ParameterLayouts> = {
  readonly [I in keyof P]: P[I] extends IntegerLayout<number | bigint, infer Name> ? Storable<Name> : never;
};

/** What the body of a function returns with. */
export interface ReturnControl<R extends IntegerName> {
  /** Returns early. */
  readonly ret: (value: Storable<R>) => Ended;
}

/** Options of a function. */
export interface FunctionOptions {
  /** Hands it the context, so that it can parse and call helpers that take it. */
  readonly context?: boolean;
}

/** Makes a function of the program: it is compiled once, when it is called for the first time. */
export function subprogram<P extends ParameterLayouts, R extends IntegerName>(
  unit: Unit,
  name: string,
  parameters: P,
  result: IntegerLayout<number | bigint, R>,
  body: (args: ParameterValues<P>, control: ReturnControl<R>) => Storable<R> | Ended,
  { context = false }: FunctionOptions,
): (...args: ArgumentValues<P>) => Value<R> {
  let state: 'new' | 'open' | 'built' = 'new';
  let invalidatedBy: string | undefined;
  const build = (caller: Scope): void => {
    if (state === 'open')
      throw caller.error(`the function ${name} calls itself`, 'the kernel has no recursion: write a loop');
    if (state === 'built') return;
    if (!/^[A-Za-z_]\w*$/.test(name) || unit.names.has(name))
      throw caller.error(
        `${name} is no free name for a function`,
        'use letters, digits and underscores, and each name once',
      );
    state = 'open';
    unit.names.add(name);
    const count = parameters.length;
    const scope = new Scope(unit, name, 'subprogram', count + (context ? 1 : 0), context ? count : undefined);
    unit.within(scope, () => {
      const before = scope.flow.epoch;
      const returns = (value: Storable<R>): Ended => {
        if (scope.flow.epoch !== before) invalidatedBy = scope.flow.epoch.after?.what ?? name;
        return scope.return(storable(scope, result.label, value));
      };
      const b = scope.at();
      const args = parameters.map(({ label }, index) => makeValue(scope, label, b.param(index)));
      const value = body(args as unknown as ParameterValues<P>, { ret: returns });
      if (scope.reachable) {
        if (value === ENDED || value === undefined)
          throw scope.error(`the function ${name} ends without a value`, 'return one');
        returns(value as Storable<R>);
      }
      unit.functions.push(scope.finish());
    });
    state = 'built';
  };
  return (...given) => {
    const scope = unit.scope();
    build(scope);
    if (given.length !== parameters.length)
      throw scope.error(`${name} takes ${parameters.length} arguments, and got ${given.length}`);
    const args = parameters.map(({ label }, index) => storable(scope, label, given[index]));
    if (context) args.push(scope.requireContext());
    const ir = scope.at().call({ kind: 'local', name }, args, ALL_EFFECTS);
    if (invalidatedBy !== undefined) scope.invalidate(invalidatedBy);
    return makeValue(scope, result.label, ir);
  };
}

/** What is done in each round of a loop that the kernel runs; `state` is what the rounds and the rest of the program share. */
export type KernelLoopBody<F extends FieldLayouts> = (
  index: Value<'u32'>,
  state: View<F>,
  control: LoopControl,
) => Ended | void;

/** Repeats `body` by the helper `bpf_loop`: see `bpfLoop` of the program. */
export function kernelLoop<F extends FieldLayouts>(
  unit: Unit,
  count: number | Value<'u32'>,
  state: View<F>,
  body: KernelLoopBody<F>,
): Value<'i64'> {
  const outer = unit.scope();
  if (!isValue(count) && (!Number.isInteger(count) || count < 0 || count > MAX_LOOPS)) {
    throw outer.error(`a loop of ${count} rounds`, `the kernel runs up to ${MAX_LOOPS}`);
  }
  const place = state[PLACE];
  if (place.rules.memory !== 'stack')
    throw outer.error('the state of the loop is not on the stack', 'make it with record(layout, values)');
  const name = `loop_${unit.nextNumber()}`;
  const scope = new Scope(unit, name, 'callback', 2, undefined);
  unit.within(scope, () => {
    const b = scope.at();
    const inner = structView(
      new Place(scope, b.param(1), 0, { memory: 'stack', align: 8 }),
      state[LAYOUT] as StructLayout<F>,
    );
    const leave = (result: number) => () => scope.return(scope.at().constant(result));
    body(makeValue(scope, 'u32', b.zext(32, b.param(0))), inner, { again: leave(0), stop: leave(1) });
    if (scope.reachable) leave(0)();
    unit.functions.push(scope.finish());
  });
  const b = outer.at();
  const rounds = isValue(count) ? operand(outer, 'u32', count) : b.constant(count);
  const args = [rounds, b.functionAddress(name), place.pointer(), b.constant(0)];
  return makeValue(outer, 'i64', callHelper(outer, 'loop', args, ALL_EFFECTS));
}
