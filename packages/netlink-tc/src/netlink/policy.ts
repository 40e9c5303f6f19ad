import { NetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from './host.ts';
import type { MessageWriter } from './writer.ts';

/** Bytes of an attribute's header: `struct nlattr`. */
export const ATTRIBUTE_HEADER = 4;
/** `NLA_F_NESTED`: the payload is attributes. */
export const NESTED = 0x8000;
/** The bits of `nla_type` that are the number. */
const TYPE_MASK = 0x3fff;

/** An attribute that its table does not name, kept as it came so that it can be sent again. */
export interface UnknownAttribute {
  /** Its number, without flags. */
  readonly type: number;
  /** Its payload. */
  readonly data: Uint8Array;
  /** Whether it carried the flag for nests. */
  readonly nested?: boolean;
}

/** What every set of attributes may hold besides those of its table. */
export interface Attributes {
  /** Attributes that the table does not name, in the order they came. */
  readonly unknown?: readonly UnknownAttribute[] | undefined;
}

/** How one kind of attribute is written and read: the whole policy for its payload. */
export interface AttributeKind<V = unknown> {
  /** In words, for documents and errors: `u32`, `text of 1 to 15 bytes`. */
  readonly label: string;
  /** Least and most bytes of payload; shorter and longer ones are refused both ways. */
  readonly min: number;
  readonly max: number;
  /** Whether it is written with the flag for nests. */
  readonly nested: boolean;
  /** Whether the attribute may stand several times: then `V` is an array, and each element an attribute. */
  readonly repeated?: boolean;
  /** The table of a nest, which may depend on the attributes beside it (`IFLA_INFO_DATA` on `IFLA_INFO_KIND`). */
  table?(siblings: Readonly<Record<string, unknown>>): Policy | undefined;
  /** Bytes before the attributes of a nest; none if left out. */
  readonly skip?: number;
  /** The kinds it may be of, by the text that decides, and the key of the attribute with that text; only where another attribute decides. */
  readonly variants?: { readonly by: string; readonly kinds: Readonly<Record<string, AttributeKind>> };
  /** The kind of the elements, only of lists: attributes numbered from 1. */
  readonly element?: AttributeKind;
  /** Writes the payload. @throws NetlinkTcError `ERR_INVALID_ARGUMENT` */
  write(writer: MessageWriter, value: V, siblings: Readonly<Record<string, unknown>>): void;
  /** Reads the payload, whose length is within the bounds. What it gives shares no memory with `bytes`. */
  read(bytes: Uint8Array, siblings: Readonly<Record<string, unknown>>): V;
}

/** One row of a table. */
export interface Attribute<V = unknown> {
  /** Its number, as the kernel's header has it. */
  readonly type: number;
  /** Its name in the kernel's header: `IFLA_MTU`. */
  readonly name: string;
  readonly kind: AttributeKind<V>;
}

/**
 * The table of a set of attributes: the one description that encoding, decoding, documents, error paths and fuzzing use. They
 * are written in the order of the table.
 */
export interface Policy<A = object> {
  readonly byKey: { readonly [K in Exclude<keyof A, 'unknown'>]-?: Attribute<NonNullable<A[K]>> };
  readonly byType: ReadonlyMap<number, { readonly key: string; readonly attribute: Attribute }>;
}

/** The rows of a table: number, name and kind under the key that the values have. */
export type PolicyRows<A> = {
  readonly [K in Exclude<keyof A, 'unknown'>]-?: readonly [
    type: number,
    name: string,
    kind: AttributeKind<NonNullable<A[K]>>,
  ];
};

/**
 * Makes a table of its rows.
 * @example
 * ```ts
 * interface Route extends Attributes { readonly priority?: number | undefined }
 * const ROUTE = policy<Route>({ priority: [6, 'RTA_PRIORITY', u32] });
 * ```
 */
export function policy<A extends Attributes>(rows: PolicyRows<A>): Policy<A> {
  const entries = Object.entries(rows as Record<string, readonly [number, string, AttributeKind]>);
  const list = entries.map(([key, [type, name, kind]]) => ({ key, attribute: { type, name, kind } }));
  return {
    byKey: Object.fromEntries(list.map(({ key, attribute }) => [key, attribute])) as unknown as Policy<A>['byKey'],
    byType: new Map(list.map((row) => [row.attribute.type, row])),
  };
}

/** The table of a set of attributes nobody has described: all of them are kept as unknown. */
export const NO_POLICY: Policy<Attributes> = policy<Attributes>({});

/**
 * Writes attributes in the order of their table, then the unknown ones. Keys that are absent or undefined are left out.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for a value that its kind refuses or a key that the table lacks
 */
export function writeAttributes<A extends Attributes>(writer: MessageWriter, table: Policy<A>, values: A): void {
  const given = values as Readonly<Record<string, unknown>>;
  const rows = table.byKey as Readonly<Record<string, Attribute>>;
  for (const key of Object.keys(given)) {
    if (key !== 'unknown' && !Object.hasOwn(rows, key)) throw writer.refuse(`has no attribute ${key}`);
  }
  for (const { key, attribute } of table.byType.values()) {
    const value = given[key];
    if (value === undefined) continue;
    if (attribute.kind.repeated !== true) writeOne(writer, attribute, value, given);
    else for (const element of value as readonly unknown[]) writeOne(writer, attribute, element, given);
  }
  for (const { type, data, nested = false } of values.unknown ?? []) {
    if (!Number.isInteger(type) || type < 0 || type > TYPE_MASK)
      throw writer.refuse(`has no attribute of type ${type}`);
    const at = writer.open(nested ? type | NESTED : type, `type ${type}`);
    writer.raw(data);
    writer.close(at);
  }
}

function writeOne(
  writer: MessageWriter,
  attribute: Attribute,
  value: unknown,
  siblings: Readonly<Record<string, unknown>>,
): void {
  const { type, name, kind } = attribute;
  const at = writer.open(kind.nested ? type | NESTED : type, name);
  kind.write(writer, value, siblings);
  const size = writer.length - at - ATTRIBUTE_HEADER;
  if (size < kind.min || size > kind.max) throw writer.refuse(`takes ${size} bytes, and must be ${kind.label}`);
  writer.close(at);
}

/** One attribute as it lies in a message. */
export interface RawAttribute {
  /** Its number, without flags. */
  readonly type: number;
  readonly nested: boolean;
  /** Where its header begins in the bytes that were walked. */
  readonly offset: number;
  /** Its payload: a view. */
  readonly data: Uint8Array;
}

/**
 * Walks attributes.
 * @throws NetlinkTcError `ERR_PROTOCOL` for a length that is too small, or leads past the end
 */
export function* walkAttributes(bytes: Uint8Array): Generator<RawAttribute> {
  for (let offset = 0; offset < bytes.length;) {
    const [length, raw] = attributeHeader(bytes, offset);
    const data = bytes.subarray(offset + ATTRIBUTE_HEADER, offset + length);
    yield { type: raw & TYPE_MASK, nested: (raw & NESTED) !== 0, offset, data };
    // The padding after the last one may be missing.
    offset += (length + 3) & ~3;
  }
}

/**
 * Reads attributes by their table. Those it does not name are kept under `unknown`; of those that stand several times without
 * being made for it, the last counts, as in the kernel.
 * @param brief leaves out what the table does not name, for those who will not look at it
 * @throws NetlinkTcError `ERR_PROTOCOL` for lengths that lie, and payloads shorter or longer than their kind allows
 */
export function readAttributes<A extends Attributes>(table: Policy<A>, bytes: Uint8Array, brief = false): A {
  const values: Record<string, unknown> = {};
  let unknown: UnknownAttribute[] | undefined;
  let undecided: { row: { key: string; attribute: Attribute }; data: Uint8Array }[] | undefined;
  const end = bytes.length;
  // Lists of thousands come through here: no generator, and no view for what nobody reads.
  for (let offset = 0; offset < end;) {
    const [length, raw] = attributeHeader(bytes, offset);
    const start = offset + ATTRIBUTE_HEADER;
    const stop = offset + length;
    offset = (stop + 3) & ~3;
    const type = raw & TYPE_MASK;
    const row = table.byType.get(type);
    if (row === undefined) {
      if (brief) continue;
      const data = bytes.slice(start, stop);
      (unknown ??= []).push((raw & NESTED) === 0 ? { type, data } : { type, data, nested: true });
      continue;
    }
    const { key, attribute } = row;
    const { kind, name } = attribute;
    const size = stop - start;
    if (size < kind.min || size > kind.max) throw malformed(`${name} has ${size} bytes, and must be ${kind.label}`);
    if (kind.variants !== undefined) {
      (undecided ??= []).push({ row, data: bytes.subarray(start, stop) });
      continue;
    }
    const value = kind.read(bytes.subarray(start, stop), values);
    if (kind.repeated !== true) values[key] = value;
    else if (Array.isArray(values[key])) values[key].push(value);
    else values[key] = [value];
  }
  // What decides about them may stand behind them.
  for (const { row, data } of undecided ?? []) values[row.key] = row.attribute.kind.read(data, values);
  if (unknown !== undefined) values['unknown'] = unknown;
  return values as A;
}

/** Length and type of the attribute at an offset, checked against what is there. */
function attributeHeader(bytes: Uint8Array, offset: number): readonly [length: number, type: number] {
  const left = bytes.length - offset;
  if (left < ATTRIBUTE_HEADER) throw malformed(`${left} bytes are left after the last attribute`);
  const length = word(bytes, offset);
  if (length < ATTRIBUTE_HEADER || length > left)
    throw malformed(`an attribute of ${length} bytes has room for ${left}`);
  return [length, word(bytes, offset + 2)];
}

function word(bytes: Uint8Array, at: number): number {
  const [low = 0, high = 0] = LITTLE_ENDIAN ? [bytes[at], bytes[at + 1]] : [bytes[at + 1], bytes[at]];
  return low | (high << 8);
}

/** The error for bytes that break the protocol. */
export function malformed(problem: string): NetlinkTcError {
  return new NetlinkTcError('ERR_PROTOCOL', `malformed netlink message: ${problem}`);
}
