import fc from 'fast-check';
import type { BtfKind, BtfType } from '../src/btf/index.ts';

const u32 = fc.oneof(fc.integer({ min: 0, max: 0xffff_ffff }), fc.constantFrom(0, 1, 0xffff_ffff));
const name = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'unsigned int'),
  fc.string({ unit: 'grapheme' }).filter((text) => !text.includes('\0')),
);
const linkage = fc.constantFrom('static' as const, 'global' as const, 'extern' as const);
const kind = <K extends BtfKind>(...names: K[]): fc.Arbitrary<K> => fc.constantFrom(...names);

/** Types of every kind over the whole space of their fields, each naming types below `end` only. */
function arbitraryType(end: number): fc.Arbitrary<BtfType> {
  const type = fc.integer({ min: 0, max: end - 1 });
  const list = <T>(element: fc.Arbitrary<T>): fc.Arbitrary<T[]> => fc.array(element, { maxLength: 5 });
  const plain = list(fc.record({ name, type, bitOffset: u32, bitSize: fc.constant(0) }));
  const flagged = list(
    fc.record({
      name,
      type,
      bitOffset: fc.integer({ min: 0, max: 0xff_ffff }),
      bitSize: fc.integer({ min: 0, max: 0xff }),
    }),
  );
  const s32 = fc.integer();
  const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
  const s64 = fc.bigInt({ min: -(1n << 63n), max: (1n << 63n) - 1n });
  return fc.oneof(
    fc.record({
      kind: kind('int'),
      name,
      size: u32,
      bits: fc.integer({ min: 0, max: 0xff }),
      bitOffset: fc.integer({ min: 0, max: 0xff }),
      encoding: fc.constantFrom(
        'unsigned' as const,
        'signed' as const,
        'char' as const,
        'signed char' as const,
        'bool' as const,
      ),
    }),
    fc.record({ kind: kind('ptr'), type }),
    fc.record({ kind: kind('array'), element: type, index: type, length: u32 }),
    fc.record({ kind: kind('struct', 'union'), name, size: u32, members: fc.oneof(plain, flagged) }),
    fc.record({
      kind: kind('enum'),
      name,
      size: u32,
      signed: fc.constant(false),
      values: list(fc.record({ name, value: u32 })),
    }),
    fc.record({
      kind: kind('enum'),
      name,
      size: u32,
      signed: fc.constant(true),
      values: list(fc.record({ name, value: s32 })),
    }),
    fc.record({
      kind: kind('enum64'),
      name,
      size: u32,
      signed: fc.constant(false),
      values: list(fc.record({ name, value: u64 })),
    }),
    fc.record({
      kind: kind('enum64'),
      name,
      size: u32,
      signed: fc.constant(true),
      values: list(fc.record({ name, value: s64 })),
    }),
    fc.record({ kind: kind('fwd'), name, of: fc.constantFrom('struct' as const, 'union' as const) }),
    fc.record({ kind: kind('typedef'), name, type }),
    fc.record({ kind: kind('volatile', 'const', 'restrict'), type }),
    fc.record({ kind: kind('func'), name, type, linkage }),
    fc.record({ kind: kind('func_proto'), returns: type, params: list(fc.record({ name, type })) }),
    fc.record({ kind: kind('var'), name, type, linkage }),
    fc.record({ kind: kind('datasec'), name, size: u32, variables: list(fc.record({ type, offset: u32, size: u32 })) }),
    fc.record({ kind: kind('float'), name, size: u32 }),
    fc.record({ kind: kind('decl_tag'), name, type, component: fc.integer({ min: -1 }), attribute: fc.boolean() }),
    fc.record({ kind: kind('type_tag'), name, type, attribute: fc.boolean() }),
  );
}

/** Types that name each other any way, also in circles; the first has id 1. */
export const arbitraryTypes: fc.Arbitrary<BtfType[]> = fc
  .integer({ min: 0, max: 12 })
  .chain((count) => fc.array(arbitraryType(count + 1), { minLength: count, maxLength: count }));
