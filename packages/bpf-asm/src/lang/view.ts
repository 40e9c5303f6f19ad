import type {
  AddressLayout,
  AnyLayout,
  ArrayLayout,
  BytesLayout,
  FieldLayouts,
  IntegerLayout,
  IntegerName,
  StringLayout,
  StructLayout,
} from '../layout/index.ts';
import { assign, type Assignable } from './assign.ts';
import { BytesValue } from './bytes-value.ts';
import { Cell, loadValue, type AtomicName } from './cell.ts';
import { when } from './control.ts';
import type { Ended } from './ended.ts';
import { LAYOUT, PLACE, type AnyView } from './memory.ts';
import type { Place } from './place.ts';
import type { HostName } from './types.ts';
import { isValue } from './typed.ts';
import type { Value } from './value.ts';
import type { Storable } from './variable.ts';

/** Name of the number type of a layout, if it is one that fits a register: an integer, or an IPv4 address. */
export type NumberName<L> =
  L extends IntegerLayout<number | bigint, infer Name>
    ? Name
    : L extends AddressLayout
      ? L['family'] extends 'ipv4'
        ? 'be32'
        : never
      : never;

/** What reading a field gives: a value of integers, a reference to what does not fit a register, a view of structs and arrays. */
export type FieldOf<L> =
  L extends IntegerLayout<number | bigint, infer Name extends IntegerName>
    ? Value<Name>
    : L extends StructLayout<infer F>
      ? View<F>
      : L extends ArrayLayout<infer E>
        ? ArrayView<E>
        : L extends AddressLayout
          ? AddressField<L>
          : L extends BytesLayout | StringLayout
            ? BytesValue<'bytes'>
            : never;

type AddressField<L extends AddressLayout> = L['family'] extends 'ipv4'
  ? Value<'be32'>
  : L['family'] extends 'mac' | 'ipv6'
    ? BytesValue<L['family']>
    : never;

/** What a map's value, a record or an element is seen as: a {@link Cell} where it is one number. */
export type ViewOf<L> = L extends IntegerLayout<number | bigint, infer Name> ? Cell<Name> : FieldOf<L>;

/** The names of the fields that hold one number. */
export type NumberFields<F extends FieldLayouts> = {
  [K in keyof F & string]: F[K] extends IntegerLayout ? K : never;
}[keyof F & string];

/** What a struct in memory offers besides its fields. */
export interface StructMethods<F extends FieldLayouts> extends AnyView {
  /** Changes fields; everything on the right is read before anything is written. */
  set(values: { readonly [K in keyof F]?: Assignable<F[K]> }): void;
  /** Adds to fields, in three steps each: for memory that nobody else writes at the same time. */
  add(values: {
    readonly [K in NumberFields<F>]?: F[K] extends IntegerLayout<number | bigint, infer N extends HostName>
      ? Storable<N>
      : never;
  }): void;
  /** Adds to fields, each in one step that no other CPU can come between. */
  atomicAdd(values: {
    readonly [K in NumberFields<F>]?: F[K] extends IntegerLayout<number | bigint, infer N extends AtomicName>
      ? Storable<N>
      : never;
  }): void;
  /** One field as a {@link Cell}, with every operation that memory has. */
  cell<K extends NumberFields<F>>(field: K): Cell<NumberName<F[K]>>;
}

/** A struct in memory: its fields by their names, read when they are asked for, and {@link StructMethods}. */
export type View<F extends FieldLayouts = FieldLayouts> = { readonly [K in keyof F]: FieldOf<F[K]> } & StructMethods<F>;

/** An array in memory. */
export interface ArrayView<E extends AnyLayout = AnyLayout> extends AnyView {
  /** Number of elements. */
  readonly length: number;
  /** An element. @throws BpfAsmError `ERR_LANGUAGE` when there is none of this index. */
  at(index: number): ViewOf<E>;
  /** An element, by a value of the program; `outside` ends the path where it is out of range. */
  at(index: Value<'u32'>, outside: () => Ended): ViewOf<E>;
}

function arrayView<E extends AnyLayout>(place: Place, layout: ArrayLayout<E>): ArrayView<E> {
  const { scope } = place;
  const { element, length } = layout;
  return {
    [PLACE]: place,
    [LAYOUT]: layout as AnyLayout,
    length,
    at: (index: number | Value<'u32'>, outside?: () => Ended): ViewOf<E> => {
      if (!isValue(index)) {
        if (Number.isInteger(index) && index >= 0 && index < length)
          return viewOf(place.at(index * element.size), element);
        throw scope.error(`there is no element ${index}`, `the array has ${length}`);
      }
      if (outside === undefined)
        throw scope.error('the index may be out of range', 'say what to do then: at(index, next)');
      when(index.ge(length), outside);
      return viewOf(place.rebase(scope.at().alu('add', place.base, index.mul(element.size).ir)), element);
    },
  };
}

/** The view of memory by its layout. */
export function viewOf<L extends AnyLayout>(place: Place, layout: L): ViewOf<L> {
  const any: AnyLayout = layout;
  if (any.kind === 'integer') return new Cell(place, any.label) as unknown as ViewOf<L>;
  return readField(place, layout) as ViewOf<L>;
}

function readField(place: Place, layout: AnyLayout): unknown {
  switch (layout.kind) {
    case 'integer':
      return loadValue(place, layout.label);
    case 'address':
      return layout.family === 'ipv4' ? loadValue(place, 'be32') : new BytesValue(layout.family, layout.size, place);
    case 'bytes':
    case 'string':
      return new BytesValue('bytes', layout.size, place);
    case 'array':
      return arrayView(place, layout);
    case 'struct':
      return structView(place, layout);
  }
}

/** The names of the methods, which hide fields of the same name. */
const METHODS: readonly (keyof StructMethods<FieldLayouts> & string)[] = ['set', 'add', 'atomicAdd', 'cell'];

/** The view of a struct. @throws BpfAsmError `ERR_LANGUAGE` when a field is named like one of the methods. */
export function structView<F extends FieldLayouts>(place: Place, layout: StructLayout<F>): View<F> {
  const fields = layout.fields as StructLayout['fields'];
  const cell = (name: string): Cell<never> => {
    const field = fields[name];
    if (field?.layout.kind === 'integer') return new Cell(place.at(field.offset), field.layout.label) as Cell<never>;
    throw place.scope.error(`struct ${layout.name} has no number ${name}`, `numbers: ${numbers(layout).join(', ')}`);
  };
  const methods: StructMethods<F> = {
    [PLACE]: place,
    [LAYOUT]: layout as AnyLayout,
    set: (values) => assign(place, layout, values),
    add: (values) => {
      for (const [name, by] of Object.entries(values)) cell(name).add(by as never);
    },
    atomicAdd: (values) => {
      for (const [name, by] of Object.entries(values)) cell(name).atomicAdd(by as never);
    },
    cell: (name) => cell(name) as never,
  };
  const view = methods as StructMethods<F> & Record<string, unknown>;
  for (const { name, offset, layout: inner } of Object.values(fields)) {
    if ((METHODS as readonly string[]).includes(name)) {
      throw place.scope.error(
        `struct ${layout.name} has a field ${name}, which is a method of views`,
        'give the field another name',
      );
    }
    Object.defineProperty(view, name, { enumerable: true, get: () => readField(place.at(offset), inner) });
  }
  return view as unknown as View<F>;
}

function numbers(layout: StructLayout): string[] {
  return Object.values(layout.fields)
    .filter((field) => field.layout.kind === 'integer')
    .map((field) => field.name);
}
