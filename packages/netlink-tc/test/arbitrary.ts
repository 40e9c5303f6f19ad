import fc from 'fast-check';
import { MessageWriter, NESTED, type MessageFormat, type Policy } from '../src/netlink/index.ts';
import { LITTLE_ENDIAN } from '../src/netlink/host.ts';

/** Attributes that a table allows, as bytes: numbers and lengths right, payloads anything. Nests go as deep as `depth`. */
function attributes(table: Policy, depth: number): fc.Arbitrary<Uint8Array> {
  const rows = [...table.byType.values()].map(({ key, attribute: { type, kind } }) => {
    const nest = kind.table?.({ kind: 'bridge' });
    const payload =
      nest !== undefined && depth > 0
        ? fc
            .tuple(fc.uint8Array({ minLength: kind.skip ?? 0, maxLength: kind.skip ?? 0 }), attributes(nest, depth - 1))
            .map(join)
        : fc.uint8Array({ minLength: kind.min, maxLength: Math.min(kind.max, kind.min + 24) });
    return { key, type: kind.nested ? type | NESTED : type, payload };
  });
  const known = rows.map(({ type, payload }) => payload.map((data) => attribute(type, data)));
  const unknown = fc
    .tuple(fc.nat(0x3fff), fc.uint8Array({ maxLength: 8 }))
    .map(([type, data]) => attribute(type, data));
  return fc.array(fc.oneof(...known, unknown), { maxLength: 6 }).map(join);
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
