import type { IntegerName } from '../layout/index.ts';

/** Types in network byte order, as they stand in packets. */
export type WireName = 'be16' | 'be32' | 'be64';

/** Types in the machine's byte order, to calculate with. */
export type HostName = Exclude<IntegerName, WireName>;

/** Unsigned types that are calculated with in 32 bits. */
export type SmallUnsigned = 'u8' | 'u16' | 'u32';

/** Signed types that are calculated with in 32 bits. */
export type SmallSigned = 'i8' | 'i16' | 'i32';

/** The type of an arithmetic result: as in C, small types widen to 32 bits, but keep their sign. */
export type Promoted<T extends HostName> = T extends SmallUnsigned ? 'u32' : T extends SmallSigned ? 'i32' : T;

/** The types that may meet `T` in one operation without a conversion. */
export type Mixable<T extends IntegerName> = T extends SmallUnsigned
  ? SmallUnsigned
  : T extends SmallSigned
    ? SmallSigned
    : T;

/** The types whose values fit `T` without loss, and may be stored to it as they are. */
export type FitsInto<T extends IntegerName> = T extends 'u8'
  ? 'u8'
  : T extends 'u16'
    ? 'u8' | 'u16'
    : T extends 'u32'
      ? SmallUnsigned
      : T extends 'i8'
        ? 'i8'
        : T extends 'i16'
          ? 'i8' | 'i16'
          : T extends 'i32'
            ? SmallSigned
            : T extends 'u64'
              ? SmallUnsigned | 'u64'
              : T extends 'i64'
                ? SmallSigned | 'i64'
                : T;

/** What a constant of type `T` may be written as: a number in host order; a bigint too for 64 bits, the text of an IPv4 address for `be32`. */
export type Literal<T extends IntegerName> = T extends 'u64' | 'i64' | 'be64'
  ? number | bigint
  : T extends 'be32'
    ? number | string
    : number;

/** Size, sign and order of a type. */
export interface TypeFacts {
  readonly bits: 8 | 16 | 32 | 64;
  readonly signed: boolean;
  readonly wire: boolean;
  /** Width that it is calculated and compared in. */
  readonly width: 32 | 64;
}

const FACTS: Readonly<Record<IntegerName, TypeFacts>> = {
  u8: { bits: 8, signed: false, wire: false, width: 32 },
  u16: { bits: 16, signed: false, wire: false, width: 32 },
  u32: { bits: 32, signed: false, wire: false, width: 32 },
  u64: { bits: 64, signed: false, wire: false, width: 64 },
  i8: { bits: 8, signed: true, wire: false, width: 32 },
  i16: { bits: 16, signed: true, wire: false, width: 32 },
  i32: { bits: 32, signed: true, wire: false, width: 32 },
  i64: { bits: 64, signed: true, wire: false, width: 64 },
  be16: { bits: 16, signed: false, wire: true, width: 32 },
  be32: { bits: 32, signed: false, wire: true, width: 32 },
  be64: { bits: 64, signed: false, wire: true, width: 64 },
};

/** Size, sign and order of the type with this name. */
export function factsOf(type: IntegerName): TypeFacts {
  return FACTS[type];
}

/** The type of an arithmetic result. */
export function promoted(type: IntegerName): IntegerName {
  const { width, signed, wire } = FACTS[type];
  if (wire || width === 64) return type;
  return signed ? 'i32' : 'u32';
}
