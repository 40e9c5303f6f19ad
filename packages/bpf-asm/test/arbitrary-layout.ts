import fc from 'fast-check';
import {
  array,
  be16,
  be32,
  be64,
  bytes,
  i16,
  i32,
  i64,
  i8,
  ipv4Address,
  ipv6Address,
  macAddress,
  string,
  struct,
  u16,
  u32,
  u64,
  u8,
  type AnyLayout,
  type StructLayout,
} from '../src/layout/index.ts';

const leaf: fc.Arbitrary<AnyLayout> = fc.oneof(
  fc.constantFrom<AnyLayout>(
    u8,
    u16,
    u32,
    u64,
    i8,
    i16,
    i32,
    i64,
    be16,
    be32,
    be64,
    macAddress,
    ipv4Address,
    ipv6Address,
  ),
  fc.integer({ min: 1, max: 20 }).map((size) => bytes(size)),
  fc.integer({ min: 1, max: 20 }).map((size) => string(size)),
);

/** Any layout, nested a few levels; structs of one name may differ in their fields. */
export const arbitraryLayout: fc.Arbitrary<AnyLayout> = fc.letrec<{ layout: AnyLayout }>((tie) => ({
  layout: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    leaf,
    fc.tuple(tie('layout'), fc.integer({ min: 1, max: 4 })).map(([element, length]) => array(element, length)),
    fc
      .tuple(
        fc.constantFrom('s', 't', 'key', 'value'),
        fc.array(tie('layout'), { minLength: 1, maxLength: 6 }),
        fc.boolean(),
      )
      .map(([name, parts, packed]) =>
        struct(name, Object.fromEntries(parts.map((part, i) => [`f${i}`, part])), { packed }),
      ),
  ),
})).layout;

/** A struct. */
export const arbitraryStruct: fc.Arbitrary<StructLayout> = fc
  .tuple(fc.array(arbitraryLayout, { minLength: 1, maxLength: 8 }), fc.boolean())
  .map(([parts, packed]) => struct('top', Object.fromEntries(parts.map((part, i) => [`m${i}`, part])), { packed }));

/** Any value of a layout, as decoding would give it. */
export function arbitraryValue(layout: AnyLayout): fc.Arbitrary<unknown> {
  switch (layout.kind) {
    case 'integer': {
      const [min, max] = layout.signed
        ? [-(1n << BigInt(layout.bits - 1)), (1n << BigInt(layout.bits - 1)) - 1n]
        : [0n, (1n << BigInt(layout.bits)) - 1n];
      const value = fc.oneof(fc.bigInt({ min, max }), fc.constantFrom(min, max));
      return layout.bits === 64 ? value : value.map(Number);
    }
    case 'address':
      return fc.uint8Array({ minLength: layout.size, maxLength: layout.size }).map((data) => layout.decode(data));
    case 'bytes':
      return fc.uint8Array({ minLength: layout.size, maxLength: layout.size });
    case 'string':
      return fc
        .string({ unit: 'binary', maxLength: layout.size })
        .filter((text) => !text.includes('\0') && Buffer.byteLength(text) < layout.size);
    case 'array':
      return fc.array(arbitraryValue(layout.element), { minLength: layout.length, maxLength: layout.length });
    case 'struct':
      return fc.record(
        Object.fromEntries(Object.values(layout.fields).map(({ name, layout: part }) => [name, arbitraryValue(part)])),
      );
  }
}
