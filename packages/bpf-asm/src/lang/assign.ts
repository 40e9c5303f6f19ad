import type {
  AddressLayout,
  AnyLayout,
  ArrayLayout,
  BytesLayout,
  IntegerLayout,
  StringLayout,
  StructLayout,
} from '../layout/index.ts';
import { ipv4Address } from '../layout/index.ts';
import { BytesValue, constantBytes, numberOf, storeChunks, type BytesOperand, type Chunk } from './bytes-value.ts';
import { Cell } from './cell.ts';
import { show } from './language-error.ts';
import { temporaryPlace, type ChunkSize, type Place } from './place.ts';
import type { Scope } from './scope.ts';
import { isValue } from './typed.ts';
import { storable, type Storable } from './variable.ts';
import { isFirstBytes, isView, LAYOUT, PLACE, placeOf, sizeOf, type AnyView } from './memory.ts';
import type { ArrayView, View } from './view.ts';
import { factsOf } from './types.ts';

/** What a field of a layout may be set to: values of the program, constants, or a mixture of both in structs and arrays. */
export type Assignable<L> =
  L extends IntegerLayout<number | bigint, infer Name>
    ? Storable<Name>
    : L extends AddressLayout
      ? AssignableAddress<L['family']>
      : L extends BytesLayout
        ? BytesOperand<'bytes'>
        : L extends StringLayout
          ? string | BytesValue<'bytes'>
          : L extends StructLayout<infer F>
            ? View<F> | { readonly [K in keyof F]: Assignable<F[K]> }
            : L extends ArrayLayout<infer E>
              ? ArrayView<E> | readonly Assignable<E>[]
              : never;

type AssignableAddress<Family> = Family extends 'ipv4'
  ? Storable<'be32'> | Uint8Array
  : Family extends 'mac' | 'ipv6'
    ? BytesOperand<Family>
    : never;

/** Something to be written: constant bytes, or registers. */
type Piece =
  { readonly at: number; readonly bytes: Uint8Array } | { readonly at: number; readonly chunks: readonly Chunk[] };

/** Changes some fields of a struct; everything is read before anything is written, constants beside each other go together. */
export function assign(place: Place, layout: StructLayout, values: object): void {
  place.checkWritable();
  const pieces: Piece[] = [];
  structPieces(place, layout, 0, values, pieces, false);
  write(place, pieces);
}

/** Writes a whole value, its padding as zero. */
export function writeAll(place: Place, layout: AnyLayout, value: unknown): void {
  place.checkWritable();
  const pieces: Piece[] = [];
  collect(place, layout, 0, value, pieces);
  write(place, pieces);
}

/**
 * Memory that holds a value by its layout, for helpers to read: the value's own memory where it has some with the same layout, else room on the stack that
 * is filled with it, padding as zero.
 */
export function memoryOf(scope: Scope, layout: AnyLayout, value: unknown, name: string): Place {
  const place = placeOf(value);
  if (place !== undefined && place.rules.memory !== 'context' && !isFirstBytes(value)) {
    if (place.scope !== scope) throw scope.error(`memory of ${place.scope.name} is used in ${scope.name}`);
    const same = isView(value)
      ? value[LAYOUT] === layout
      : layout.kind !== 'struct' && sizeOf(value as AnyView) === layout.size;
    if (same) return place;
  }
  const made = temporaryPlace(scope, layout.size, name);
  writeAll(made, layout, value);
  return made;
}

function structPieces(
  place: Place,
  layout: StructLayout,
  at: number,
  values: object,
  pieces: Piece[],
  whole: boolean,
): void {
  const { scope } = place;
  const given = values as Readonly<Record<string, unknown>>;
  const fields = Object.values(layout.fields);
  const unknown = Object.keys(given).find((name) => !fields.some((field) => field.name === name));
  if (unknown !== undefined) {
    throw scope.error(
      `struct ${layout.name} has no field ${unknown}`,
      `fields: ${fields.map((field) => field.name).join(', ')}`,
    );
  }
  for (const field of fields) {
    const value = given[field.name];
    if (value !== undefined) collect(place, field.layout, at + field.offset, value, pieces);
    else if (whole) throw scope.error(`field ${field.name} of struct ${layout.name} is missing`, 'give every field');
  }
  if (whole)
    for (const { offset, size } of layout.padding) pieces.push({ at: at + offset, bytes: new Uint8Array(size) });
}

function collect(place: Place, layout: AnyLayout, at: number, value: unknown, pieces: Piece[]): void {
  const { scope } = place;
  if (isView(value)) {
    if (value[LAYOUT].size !== layout.size)
      throw scope.error(`${value[LAYOUT].label} is put in the place of ${layout.label}`, 'the sizes differ');
    const bytes = new BytesValue('bytes', layout.size, value[PLACE]);
    pieces.push({ at, chunks: bytes.chunks(place.at(at)) });
    return;
  }
  switch (layout.kind) {
    case 'integer':
      number(scope, layout.label, at, value instanceof Cell ? value.get() : value, pieces);
      return;
    case 'address':
      if (layout.family === 'ipv4')
        number(scope, 'be32', at, value instanceof Uint8Array ? ipv4Text(scope, value) : value, pieces);
      else bytePieces(place, layout.family, layout.size, at, value, pieces);
      return;
    case 'bytes':
      bytePieces(place, 'bytes', layout.size, at, value, pieces);
      return;
    case 'string':
      if (typeof value !== 'string') bytePieces(place, 'bytes', layout.size, at, value, pieces);
      else if (layout.check(value) === undefined) pieces.push({ at, bytes: layout.encode(value) });
      else
        throw scope.error(
          `${show(value)} does not fit ${layout.label}`,
          `give at most ${layout.size - 1} bytes of text`,
        );
      return;
    case 'array':
      if (!Array.isArray(value) || value.length !== layout.length) {
        throw scope.error(`${show(value)} is put in the place of ${layout.label}`, `give an array of ${layout.length}`);
      }
      value.forEach((element, index) =>
        collect(place, layout.element, at + index * layout.element.size, element, pieces),
      );
      return;
    case 'struct':
      if (typeof value !== 'object' || value === null || isValue(value)) {
        throw scope.error(
          `${show(value)} is put in the place of struct ${layout.name}`,
          'give an object with its fields',
        );
      }
      structPieces(place, layout, at, value, pieces, true);
  }
}

function ipv4Text(scope: Scope, value: Uint8Array): string {
  if (value.length === 4) return ipv4Address.decode(value);
  throw scope.error(`${value.length} bytes are no IPv4 address`, 'give 4 bytes');
}

function number(scope: Scope, type: IntegerLayout['label'], at: number, value: unknown, pieces: Piece[]): void {
  const ir = storable(scope, type, value);
  const size = (factsOf(type).bits / 8) as ChunkSize;
  if (ir.op !== 'const') pieces.push({ at, chunks: [{ at: 0, size, ir }] });
  else
    pieces.push({
      at,
      bytes: Uint8Array.from({ length: size }, (_, i) => Number((ir.value >> BigInt(8 * i)) & 0xffn)),
    });
}

function bytePieces(
  place: Place,
  kind: 'mac' | 'ipv6' | 'bytes',
  size: number,
  at: number,
  value: unknown,
  pieces: Piece[],
): void {
  const { scope } = place;
  const source = value instanceof BytesValue ? value : constantBytes(scope, kind, value);
  const length = source instanceof BytesValue ? source.size : source.length;
  if (length !== size) throw scope.error(`${length} bytes are put in the place of ${size}`, 'the sizes differ');
  pieces.push(source instanceof BytesValue ? { at, chunks: source.chunks(place.at(at)) } : { at, bytes: source });
}

/** Writes pieces in the order of their offsets; runs of constants in the widest steps. */
function write(place: Place, pieces: readonly Piece[]): void {
  const sorted = [...pieces].sort((a, b) => a.at - b.at);
  for (let i = 0; i < sorted.length; i++) {
    const piece = sorted[i] as Piece;
    if ('chunks' in piece) {
      storeChunks(place.at(piece.at), piece.chunks);
      continue;
    }
    const run = [...piece.bytes];
    for (
      let next = sorted[i + 1];
      next !== undefined && 'bytes' in next && next.at === piece.at + run.length;
      next = sorted[i + 1]
    ) {
      run.push(...next.bytes);
      i++;
    }
    writeConstants(place.at(piece.at), Uint8Array.from(run));
  }
}

/** A constant of 8 bytes is one instruction if it is a sign-extended number of 4, else two of 4. */
function writeConstants(place: Place, run: Uint8Array): void {
  const b = place.scope.at();
  for (const { at, size } of place.chunks(run.length)) {
    const value = numberOf(run, at, size);
    if (size < 8 || BigInt.asIntN(32, value) === BigInt.asIntN(64, value)) place.store(size, at, b.constant(value));
    else for (const half of [0, 4]) place.store(4, at + half, b.constant(numberOf(run, at + half, 4)));
  }
}
