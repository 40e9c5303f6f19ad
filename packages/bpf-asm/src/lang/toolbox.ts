import type { IrValue } from '../compile/index.ts';
import type { ProgramType } from '../asm/kernel-types.ts';
import type { AnyLayout, FieldLayouts, IntegerLayout, IntegerName, StructLayout } from '../layout/index.ts';
import { writeAll, type Assignable } from './assign.ts';
import { constantPattern } from './constant.ts';
import { contextView, type ContextFields, type ContextView } from './context.ts';
import type { Test } from './condition.ts';
import type { Ended } from './ended.ts';
import {
  kernelLoop,
  subprogram,
  type ArgumentValues,
  type FunctionOptions,
  type KernelLoopBody,
  type ParameterLayouts,
  type ParameterValues,
  type ReturnControl,
} from './functions.ts';
import { scalar, type Scalar } from './helper-arguments.ts';
import { helperFunctions, type HelpersFor } from './helper-functions.ts';
import type { Lookup } from './lookup.ts';
import { repeat, repeatWhile, type LoopBody, type RepeatOptions } from './loop.ts';
import { mapOperations, type MapOperations } from './map-operations.ts';
import type { MapHandle } from './maps.ts';
import { PacketCursor, type AnyHeader, type HeaderView, type PacketPointers } from './packet.ts';
import { Place, stackPlace } from './place.ts';
import { reserve, type RingRecord } from './ring.ts';
import type { Literal } from './types.ts';
import type { Scope } from './scope.ts';
import type { Unit } from './unit.ts';
import { makeValue, type Value } from './value.ts';
import { Variable, type Storable } from './variable.ts';
import { structView, type View } from './view.ts';

/** What every program has to work with. */
export interface Toolbox<P extends ProgramType, L extends string> extends MapOperations {
  /** Ends the program with any return value; negative ones as two's complement. */
  readonly ret: (value: Scalar) => Ended;
  /** A constant as a value of a type. */
  readonly value: <T extends IntegerName>(type: IntegerLayout<number | bigint, T>, constant: Literal<T>) => Value<T>;
  /**
   * Something that changes while the program runs.
   *
   * @example
   * ```ts
   * const hops = variable(u32, 0);
   * hops.set(hops.get().add(1));
   * ```
   */
  readonly variable: <T extends IntegerName>(
    type: IntegerLayout<number | bigint, T>,
    initial: Storable<T>,
  ) => Variable<T>;
  /** A struct on the stack: zeros where no values are given, and padding always zero. */
  readonly record: <F extends FieldLayouts>(layout: StructLayout<F>, values?: Assignable<StructLayout<F>>) => View<F>;
  /** Room for a struct on the stack that a helper fills. It holds nothing, and cannot be used, before. */
  readonly room: <F extends FieldLayouts>(layout: StructLayout<F>) => View<F>;
  /**
   * Repeats what `body` does: unrolled up to 4 rounds, else as a loop that the verifier follows (Linux 5.3), or as the options say.
   *
   * @param count - a constant, or a value of the program with `{ max }`.
   */
  readonly repeat: (count: number | Value<'u32'>, body: LoopBody, options?: RepeatOptions) => void;
  /** Repeats what `body` does while a test holds, at most `max` times. The test is made anew in each round. */
  readonly repeatWhile: (test: () => Test, body: LoopBody, options: { readonly max: number }) => void;
  /**
   * Repeats what `body` does by the helper `bpf_loop` (Linux 5.17): the verifier looks at one round only. The body is a function of its own: it sees
   * `index` and `state`, a record that is shared with the rest of the program, and nothing else of it.
   *
   * @returns the number of rounds.
   */
  readonly bpfLoop: <F extends FieldLayouts>(
    count: number | Value<'u32'>,
    state: View<F>,
    body: KernelLoopBody<F>,
  ) => Value<'i64'>;
  /**
   * A function of the program (Linux 4.16), compiled once however often it is called, and not at all if it is not.
   *
   * @example
   * ```ts
   * const fold = func('fold', [u64], u32, (sum) => sum.and(0xffff).add(sum.shr(16)).u32());
   * ```
   */
  readonly func: <const A extends ParameterLayouts, R extends IntegerName>(
    name: string,
    parameters: A,
    result: IntegerLayout<number | bigint, R>,
    body: (...args: readonly [...ParameterValues<A>, ReturnControl<R>]) => Storable<R> | Ended,
    options?: FunctionOptions,
  ) => (...args: ArgumentValues<A>) => Value<R>;
  /**
   * Reserves room for a record in a ring buffer (Linux 5.8). If there is room, the record must be submitted or discarded, once, on every path.
   *
   * @example
   * ```ts
   * reserve(events, Event).ifPresent((event) => event.submit({ source: ip.source, length: skb.len }));
   * ```
   */
  readonly reserve: <R extends AnyLayout>(
    ring: MapHandle<'ringbuf', undefined, undefined>,
    layout: R,
  ) => Lookup<RingRecord<R>>;
  /** The kernel's helpers, those that this type of program and this licence may call. The context and sizes of memory are filled in. */
  readonly helpers: HelpersFor<P, L>;
}

/** A packet whose headers are parsed one after the other. */
export interface Packet {
  /**
   * Parses the next header, or several that follow each other, with one check for all of them.
   *
   * @param header - a layout, a {@link Header}, or an array of them.
   * @param truncated - ends the path where the packet is too short.
   * @throws BpfAsmError `ERR_LANGUAGE` when paths meet here that stand at different places of the packet.
   */
  readonly parse: {
    <H extends AnyHeader>(header: H, truncated: () => Ended): HeaderView<H>;
    <const H extends readonly AnyHeader[]>(
      headers: H,
      truncated: () => Ended,
    ): { readonly [I in keyof H]: HeaderView<H[I]> };
  };
  /** Goes back to the first byte of the packet. */
  readonly rewind: () => void;
}

/** The toolbox of the program that is being built. */
export function toolbox<P extends ProgramType, L extends string>(unit: Unit): Toolbox<P, L> {
  const scope = (): Scope => unit.scope();
  return {
    ...mapOperations(scope),
    ret: (value) => ending(unit, value)(),
    value: (type, constant) => {
      const now = scope();
      return makeValue(now, type.label, now.at().constant(constantPattern(type.label, constant, unit.locate())));
    },
    variable: (type, initial) => new Variable(scope(), type.label, initial),
    record: (layout, values) => {
      const place = stackPlace(scope(), layout.size, layout.name);
      if (values !== undefined) writeAll(place, layout, values);
      else for (const { at, size } of place.chunks(layout.size)) place.store(size, at, place.scope.at().constant(0));
      return structView(place, layout);
    },
    room: (layout) => roomFor(scope(), layout),
    repeat: (count, body, options = {}) => repeat(scope(), count, body, options),
    repeatWhile: (test, body, { max }) => repeatWhile(scope(), test, body, max),
    bpfLoop: (count, state, body) => kernelLoop(unit, count, state, body),
    func: (name, parameters, result, body, options = {}) =>
      subprogram(unit, name, parameters, result, (args, control) => body(...args, control), options),
    reserve: (ring, layout) => reserve(scope(), ring, layout),
    helpers: helperFunctions<P, L>(scope),
  };
}

function roomFor<F extends FieldLayouts>(scope: Scope, layout: StructLayout<F>): View<F> {
  let isFilled = false;
  const guard = (): void => {
    if (!isFilled)
      throw scope.error(`nothing has filled ${layout.name} yet`, 'hand it to a helper first, or make it by record()');
  };
  const filled = (): void => {
    isFilled = true;
  };
  return structView(stackPlace(scope, layout.size, layout.name, { guard, filled }), layout);
}

/** What ends the program with a value. @throws when a function that the program calls is being built, whose end is not the program's. */
export function ending(unit: Unit, value: Scalar): () => Ended {
  return () => endWith(unit, scalar(unit.scope(), value));
}

/** Ends the program with what a helper returned. @throws as {@link ending} does. */
export function endWith(unit: Unit, result: IrValue): Ended {
  const scope = unit.scope();
  if (scope.kind === 'program') return scope.return(result);
  throw scope.error(
    `${scope.name} cannot end the program`,
    scope.kind === 'callback'
      ? 'leave the loop by stop(), and decide after it'
      : 'return a value, and decide where it is called',
  );
}

/** The context of a program, seen by its fields. */
export function contextOf<F extends ContextFields>(unit: Unit, name: string, fields: F): ContextView<F> {
  const place = (): Place => {
    const scope = unit.scope();
    return new Place(scope, scope.requireContext(), 0, { memory: 'context', align: 4 });
  };
  return contextView(place, name, fields);
}

/** The context of a program that has a packet. */
export function packetContext<F extends ContextFields>(
  unit: Unit,
  name: string,
  fields: F,
  pointers: PacketPointers,
): ContextView<F> & Packet {
  const cursor = new PacketCursor(() => unit.scope(), pointers);
  const packet = {
    parse: (headers: AnyHeader | readonly AnyHeader[], truncated: () => Ended): unknown =>
      Array.isArray(headers) ? cursor.parse(headers, truncated) : cursor.parse([headers as AnyHeader], truncated)[0],
    rewind: () => cursor.rewind(),
  };
  return Object.assign(contextOf(unit, name, fields), packet) as ContextView<F> & Packet;
}
