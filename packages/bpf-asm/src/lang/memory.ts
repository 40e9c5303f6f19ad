import type { AnyLayout } from '../layout/index.ts';
import { BytesValue } from './bytes-value.ts';
import { Cell } from './cell.ts';
import type { Place } from './place.ts';
import { factsOf } from './types.ts';
import type { Value } from './value.ts';

/** Where a view's memory is. @internal */
export const PLACE: unique symbol = Symbol('place');

/** How a view's memory is laid out. @internal */
export const LAYOUT: unique symbol = Symbol('layout');

/** A view of a struct or an array in memory. */
export interface AnyView {
  /** @internal */
  readonly [PLACE]: Place;
  /** @internal */
  readonly [LAYOUT]: AnyLayout;
}

/** How many of its bytes a helper is given. @internal */
export const LENGTH: unique symbol = Symbol('length');

/** The first bytes of some memory: what {@link firstBytes} makes. */
export interface FirstBytes {
  /** @internal */
  readonly [PLACE]: Place;
  /** @internal */
  readonly [LENGTH]: Value<'u32'>;
}

/** Everything that stands for memory of the program: helpers take it where they want a pointer. */
export type MemoryArgument = AnyView | Cell | BytesValue | FirstBytes;

/**
 * The first bytes of some memory, for a helper that is given as many as only the program knows. The verifier wants to see that they are never
 * more than there are, nor none, and that all of the memory has been written before, even where a helper is to fill it.
 *
 * @throws BpfAsmError `ERR_LANGUAGE` when it is no memory.
 * @example
 * ```ts
 * const start = record(Start); // of 128 bytes
 * const length = choose(skb.len.lt(128), skb.len, 128);
 * helpers.skbLoadBytes(0, firstBytes(start, length.sub(1).and(127).add(1)));
 * ```
 */
export function firstBytes(memory: AnyView | Cell | BytesValue, length: Value<'u32'>): FirstBytes {
  const place = placeOf(memory);
  if (place === undefined)
    throw length.scope.error('a copy of bytes is no memory', 'give a record, a view, or bytes of the packet');
  return { [PLACE]: place, [LENGTH]: length };
}

/** Tells whether something is a view of a struct or an array. */
export function isView(value: unknown): value is AnyView {
  return typeof value === 'object' && value !== null && PLACE in value && LAYOUT in value;
}

/** Tells whether something is the first bytes of some memory. */
export function isFirstBytes(value: unknown): value is FirstBytes {
  return typeof value === 'object' && value !== null && LENGTH in value;
}

/** Where something is in memory, if it is. */
export function placeOf(value: unknown): Place | undefined {
  if (isView(value) || isFirstBytes(value)) return value[PLACE];
  return value instanceof Cell || value instanceof BytesValue ? value.place : undefined;
}

/** How many bytes something in memory takes. */
export function sizeOf(value: Exclude<MemoryArgument, FirstBytes>): number {
  if (isView(value)) return value[LAYOUT].size;
  return value instanceof BytesValue ? value.size : factsOf(value.type).bits / 8;
}
