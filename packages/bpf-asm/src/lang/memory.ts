import type { AnyLayout } from '../layout/index.ts';
import { BytesValue } from './bytes-value.ts';
import { Cell } from './cell.ts';
import type { Place } from './place.ts';
import { factsOf } from './types.ts';

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

/** Everything that stands for memory of the program: helpers take it where they want a pointer. */
export type MemoryArgument = AnyView | Cell | BytesValue;

/** Tells whether something is a view of a struct or an array. */
export function isView(value: unknown): value is AnyView {
  return typeof value === 'object' && value !== null && PLACE in value;
}

/** Where something is in memory, if it is. */
export function placeOf(value: unknown): Place | undefined {
  if (isView(value)) return value[PLACE];
  return value instanceof Cell || value instanceof BytesValue ? value.place : undefined;
}

/** How many bytes something in memory takes. */
export function sizeOf(value: MemoryArgument): number {
  if (isView(value)) return value[LAYOUT].size;
  return value instanceof BytesValue ? value.size : factsOf(value.type).bits / 8;
}
