import { array, u32, type ArrayLayout, type IntegerLayout, type IntegerName } from '../layout/index.ts';
import { BytesValue } from './bytes-value.ts';
import type { ChunkSize, Place } from './place.ts';
import { factsOf } from './types.ts';
import { makeValue, type Value } from './value.ts';
import { storable, type Storable } from './variable.ts';
import { viewOf, type ArrayView } from './view.ts';

/** What a field of a context is: a number, an IPv6 address, or some numbers of 32 bits. */
export type ContextType = IntegerName | 'ipv6' | 'words';

/** A field of a context. */
export interface FieldFacts {
  readonly type: ContextType;
  /** Bytes from the start of the context. */
  readonly offset: number;
  /** First kernel that has it, in any program type. */
  readonly since: string;
  /** True where programs may write it. */
  readonly writable?: boolean;
  /** Bytes of an access: more than the type has, for a short number in a field of 32 bits. */
  readonly size?: ChunkSize;
  /** Number of words, for `words`. */
  readonly count?: number;
}

/** The fields of a context, by their names in `include/uapi/linux/bpf.h`, in camel case. */
export type ContextFields = Readonly<Record<string, FieldFacts>>;

function sizeOfType(type: IntegerName): ChunkSize {
  return (factsOf(type).bits / 8) as ChunkSize;
}

type Read<T extends ContextType> = T extends IntegerName
  ? Value<T>
  : T extends 'ipv6'
    ? BytesValue<'ipv6'>
    : ArrayView<IntegerLayout<number, 'u32'>>;

type WritableNames<F extends ContextFields> = {
  [K in keyof F & string]: F[K] extends { readonly type: IntegerName; readonly writable: true } ? K : never;
}[keyof F & string];

/** A context as programs see it: its fields, read when they are asked for. */
export type ContextView<F extends ContextFields> = { readonly [K in keyof F]: Read<F[K]['type']> } & {
  /** Changes fields: those that may be written. */
  set(values: {
    readonly [K in WritableNames<F>]?: F[K]['type'] extends IntegerName ? Storable<F[K]['type']> : never;
  }): void;
};

/**
 * The view of a context, or of what is laid out like one.
 *
 * @param place - where it is, in the function that is being built.
 * @param name - of the struct, for messages.
 */
export function contextView<F extends ContextFields>(place: () => Place, name: string, fields: F): ContextView<F> {
  const view = {
    set: (values: Readonly<Record<string, unknown>>): void => {
      for (const [key, value] of Object.entries(values)) write(place(), name, fields, key, value);
    },
  };
  for (const [key, field] of Object.entries<FieldFacts>(fields)) {
    Object.defineProperty(view, key, { enumerable: true, get: () => read(place().at(field.offset), name, key, field) });
  }
  return view as unknown as ContextView<F>;
}

function read(place: Place, name: string, key: string, field: FieldFacts): unknown {
  const { type } = field;
  const memory = field.writable === true ? place : place.readOnly(readOnlyField(name, key));
  if (type === 'ipv6') return new BytesValue('ipv6', 16, memory);
  if (type !== 'words') return makeValue(place.scope, type, place.load(field.size ?? sizeOfType(type)));
  const layout: ArrayLayout<IntegerLayout<number, 'u32'>> = array(u32, field.count ?? 1);
  return viewOf(memory, layout);
}

function write(place: Place, name: string, fields: ContextFields, key: string, value: unknown): void {
  const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
  const { scope } = place;
  if (field === undefined || field.type === 'ipv6' || field.type === 'words') {
    throw scope.error(`${name} has no field ${key} to set`, `fields: ${settable(fields).join(', ')}`);
  }
  if (field.writable !== true)
    throw scope.error(readOnlyField(name, key), `fields that can be written: ${settable(fields).join(', ')}`);
  place.store(field.size ?? sizeOfType(field.type), field.offset, storable(scope, field.type, value));
}

function readOnlyField(name: string, key: string): string {
  return `${name}.${key} cannot be written`;
}

function settable(fields: ContextFields): string[] {
  return Object.entries(fields)
    .filter(([, field]) => field.writable === true)
    .map(([key]) => key);
}
