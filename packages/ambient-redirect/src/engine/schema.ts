import type { AnyLayout, MapHandle, MapType } from 'bpf-asm';
import { createHash } from 'node:crypto';
import { DIRECTION, EXEMPT, LISTENER, MAPS, POD_FLAG, STEERED, VERDICT } from '../maps.ts';

/** A field of a struct: its first byte, how many it has, and its type in words. */
export interface FieldShape {
  readonly at: number;
  readonly size: number;
  readonly type: string;
}

/** What a key or a value is: its type in words, or a struct's fields by their names. */
export type Shape = string | Readonly<Record<string, FieldShape>>;

/** How a map is laid out. */
export interface MapShape {
  readonly type: MapType;
  readonly maxEntries: number;
  readonly flags: number;
  readonly keySize: number;
  readonly key: Shape;
  readonly valueSize: number;
  readonly value: Shape;
}

/** What bytes of the maps mean: how each map is laid out, and the numbers that programs and engine have agreed on. */
export interface Schema {
  readonly maps: Readonly<Record<string, MapShape>>;
  readonly numbers: Readonly<Record<string, number>>;
}

/** What of a recorded schema differs from this version's. */
export interface SchemaChange {
  /** Maps whose entries this version can take over, into others that are laid out as it has them. */
  readonly remade: readonly string[];
  /** Those of {@link remade} that differ in their size or flags alone: this version could use them as they are, too. */
  readonly resized: readonly string[];
  /** What this version would read wrongly, one phrase each. */
  readonly refused: readonly string[];
}

/** The schema of this version. @param maps others in tests */
export function schema(maps: Readonly<Record<string, MapHandle>> = MAPS): Schema {
  const numbers = Object.entries({ DIRECTION, EXEMPT, LISTENER, POD_FLAG, STEERED, VERDICT });
  return {
    maps: Object.fromEntries(Object.entries(maps).map(([name, map]) => [name, shapeOf(map)])),
    numbers: Object.fromEntries(
      numbers.flatMap(([name, values]) => Object.entries(values).map(([key, value]) => [`${name}.${key}`, value])),
    ),
  };
}

/** SHA-256 of a schema, in hexadecimal digits. */
export function schemaDigest({ maps, numbers }: Schema): string {
  const sorted = (of: Readonly<Record<string, unknown>>): unknown =>
    Object.entries(of).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([sorted(maps), sorted(numbers)]))
    .digest('hex');
}

/**
 * Compares. What this version has and the record has not is no difference: nobody has written it yet. A map can be made anew when its values
 * only gained fields, or have them at other places, and when its size or flags differ.
 */
export function compareSchemas(recorded: Schema, ours: Schema): SchemaChange {
  const remade: string[] = [];
  const resized: string[] = [];
  const refused: string[] = [];
  for (const [name, was] of Object.entries(recorded.maps)) {
    const is = ours.maps[name];
    if (is === undefined) refused.push(`map ${name} is unknown here`);
    else if (JSON.stringify(was) !== JSON.stringify(is)) {
      const reasons = mapReasons(name, was, is);
      refused.push(...reasons);
      if (reasons.length > 0) continue;
      remade.push(name);
      const { maxEntries, flags } = is;
      if (JSON.stringify({ ...was, maxEntries, flags }) === JSON.stringify(is)) resized.push(name);
    }
  }
  for (const [name, was] of Object.entries(recorded.numbers)) {
    const is = ours.numbers[name];
    if (is !== was) refused.push(`${name} is ${was}, ${is === undefined ? 'and unknown here' : `not ${is}`}`);
  }
  return { remade, resized, refused };
}

/** Why the entries of a map cannot be taken over, one phrase each. */
function mapReasons(name: string, was: MapShape, is: MapShape): string[] {
  const what = `map ${name}`;
  if (was.type !== is.type) return [`${what} is of type ${was.type}, not ${is.type}`];
  if (JSON.stringify([was.keySize, was.key]) !== JSON.stringify([is.keySize, is.key]))
    return [`${what} has keys ${inWords(was.key)}, not ${inWords(is.key)}`];
  if (typeof was.value === 'string' || typeof is.value === 'string') {
    const same = was.value === is.value && was.valueSize === is.valueSize;
    return same ? [] : [`${what} has values ${inWords(was.value)}, not ${inWords(is.value)}`];
  }
  const fields = is.value;
  return Object.entries(was.value).flatMap(([field, { type }]) => {
    const now = fields[field]?.type;
    if (now === type) return [];
    return [`${what} has values with ${field}: ${type}, ${now === undefined ? 'which is unknown here' : `not ${now}`}`];
  });
}

function inWords(shape: Shape): string {
  if (typeof shape === 'string') return shape;
  return `{${Object.entries(shape)
    .map(([name, { at, type }]) => `${name}@${at}: ${type}`)
    .join(', ')}}`;
}

function shapeOf({ definition, key, value }: MapHandle): MapShape {
  const { type, keySize, valueSize, maxEntries, flags = 0 } = definition;
  const side = (layout: AnyLayout | undefined, size: number): Shape => {
    if (layout === undefined) return `${size} bytes`;
    return layout.kind === 'struct' ? fieldsOf(layout) : typeInWords(layout);
  };
  return { type, maxEntries, flags, keySize, key: side(key, keySize), valueSize, value: side(value, valueSize) };
}

function fieldsOf({ fields }: Extract<AnyLayout, { kind: 'struct' }>): Readonly<Record<string, FieldShape>> {
  return Object.fromEntries(
    Object.values(fields).map(({ name, offset, layout }) => [
      name,
      { at: offset, size: layout.size, type: typeInWords(layout) },
    ]),
  );
}

function typeInWords(layout: AnyLayout): string {
  switch (layout.kind) {
    case 'struct':
      return inWords(fieldsOf(layout));
    case 'array':
      return `${typeInWords(layout.element)}[${layout.length}]`;
    case 'address':
      return layout.family;
    case 'integer':
      return layout.label;
    case 'bytes':
    case 'string':
      return `${layout.kind}[${layout.size}]`;
  }
}
