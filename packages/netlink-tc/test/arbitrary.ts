import fc from 'fast-check';
import {
  MessageWriter,
  NESTED,
  type Attribute,
  type AttributeKind,
  type MessageFormat,
  type Policy,
} from '../src/netlink/index.ts';
import { LITTLE_ENDIAN } from '../src/netlink/host.ts';

const encoder = new TextEncoder();

/** Attributes that a table allows, as bytes: numbers and lengths right, payloads anything. Nests go as deep as `depth`. */
function attributes(table: Policy, depth: number): fc.Arbitrary<Uint8Array> {
  const byKey = table.byKey as Readonly<Record<string, Attribute>>;
  const known = [...table.byType.values()].flatMap(({ attribute: { type, kind } }) => {
    const written = kind.nested ? type | NESTED : type;
    const { by, kinds } = kind.variants ?? { by: '', kinds: {} };
    const deciding = byKey[by]?.type ?? 0;
    // What decides goes before what it decides about.
    const variants = Object.entries(kinds).map(([name, variant]) =>
      contents(variant, depth).map((data) =>
        join([attribute(deciding, encoder.encode(`${name}\0`)), attribute(written, data)]),
      ),
    );
    return variants.concat(contents(kind, depth).map((data) => attribute(written, data)));
  });
  const unknown = fc
    .tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 8 }))
    .map(([type, data]) => attribute(type, data));
  return fc.array(fc.oneof(...known, unknown), { maxLength: 6 }).map(join);
}

/** A payload that a kind allows by its length, and, where it is attributes, by their tables. */
function contents(kind: AttributeKind, depth: number): fc.Arbitrary<Uint8Array> {
  const { element, skip = 0, min, max } = kind;
  if (depth > 0 && element !== undefined) {
    const elements = contents(element, depth - 1).map((data) => attribute(1 | NESTED, data));
    return fc.array(elements, { maxLength: 3 }).map(join);
  }
  const table = depth > 0 && kind.variants === undefined ? kind.table?.({}) : undefined;
  if (table === undefined) return fc.uint8Array({ minLength: min, maxLength: Math.min(max, min + 24) });
  const head = fc.uint8Array({ minLength: skip, maxLength: skip });
  return fc.tuple(head, attributes(table, depth - 1)).map(join);
}

function attribute(type: number, data: Uint8Array): Uint8Array {
  const writer = new MessageWriter(64);
  const at = writer.open(type, '');
  writer.raw(data);
  writer.close(at);
  return writer.bytes;
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** Payloads of messages of a format: fixed struct and attributes, well-formed on the outside. */
export function payloads(format: MessageFormat): fc.Arbitrary<Uint8Array> {
  const size = (format.header.size + 3) & ~3;
  return fc.tuple(fc.uint8Array({ minLength: size, maxLength: size }), attributes(format.policy, 3)).map(join);
}

/** The same bytes with some overwritten, lengths among them, and perhaps cut. */
export function mutated(bytes: Uint8Array): fc.Arbitrary<Uint8Array> {
  const change = fc.tuple(
    fc.nat(Math.max(0, bytes.length - 1)),
    fc.oneof(fc.constantFrom(0, 1, 3, 4, 0x7f, 0xff), fc.nat(255)),
  );
  return fc.tuple(fc.array(change, { minLength: 1, maxLength: 6 }), fc.nat(bytes.length)).map(([changes, length]) => {
    const copy = bytes.slice(0, length % 5 === 0 ? length : bytes.length);
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });
}

/** A message around a payload. */
export function message(type: number, payload: Uint8Array, flags = 0, sequence = 0, port = 0): Uint8Array {
  const bytes = new Uint8Array((16 + payload.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + payload.length, LITTLE_ENDIAN);
  view.setUint16(4, type, LITTLE_ENDIAN);
  view.setUint16(6, flags, LITTLE_ENDIAN);
  view.setUint32(8, sequence, LITTLE_ENDIAN);
  view.setUint32(12, port, LITTLE_ENDIAN);
  bytes.set(payload, 16);
  return bytes;
}
