import type { ByteOrder } from '../isa/byte-order.ts';

/** What is wrong with a value or with bytes, and where, seen from the layout that was asked. */
export interface LayoutFault {
  /** Path from the asked layout: `''` for itself, else like `.ports[2].low`. */
  readonly path: string;
  /** What is wrong, to be read after the path. */
  readonly problem: string;
  /** What to do about it, in one sentence. */
  readonly hint?: string;
}

/** Options of {@link Layout.decode}. */
export interface DecodeOptions {
  /** Refuse bytes whose padding (between fields, after the last, after a string's NUL) is not zero. */
  readonly checkPadding?: boolean;
}

/**
 * How values of one C type lie in memory: a codec, and at the same time a description that BTF, printing and typed accessors
 * read. `Out` is what decoding gives, `In` what encoding takes (wider where a value can be written in several ways).
 *
 * A layout is made by a builder (`u32`, `struct`, `array`, …), is immutable, and is one of {@link AnyLayout}, told apart by `kind`.
 */
export interface Layout<Out, In = Out> {
  /** Which of {@link AnyLayout} it is. */
  readonly kind: string;
  /** Name to call it by in errors: that of the struct, or of the builder. */
  readonly label: string;
  /** Size in bytes, trailing padding included. */
  readonly size: number;
  /** Alignment in bytes as C would have it: a power of two. */
  readonly align: number;
  /**
   * Encodes one value; padding is always zero. The value is checked in full before a byte is written.
   *
   * @param value - the value.
   * @param into - where to write; a new array of `size` bytes if left out. With it, nothing is allocated.
   * @param at - byte offset in `into`, 0 if left out.
   * @returns `into`, or the new array.
   * @throws BpfAsmError `ERR_LAYOUT` naming the path of the part that is wrong; `into` is then as it was.
   */
  encode(value: In, into?: Uint8Array, at?: number): Uint8Array;
  /**
   * Decodes one value. What it gives shares no memory with `bytes`.
   *
   * @param bytes - the bytes: exactly `size` of them, or, where `at` is given, at least `size` from there.
   * @param at - byte offset in `bytes`.
   * @param options - whether padding must be zero.
   * @throws BpfAsmError `ERR_LAYOUT` when there are too few or too many bytes, or when padding that is asked for is not zero.
   */
  decode(bytes: Uint8Array, at?: number, options?: DecodeOptions): Out;
  /** Says what keeps `value` from being encoded, or nothing if it can be. */
  check(value: unknown): LayoutFault | undefined;
  /** Writes a value that {@link Layout.check} has passed, at an offset that is in range. Composite layouts and hot loops use it. */
  write(value: In, into: Uint8Array, at: number): void;
  /** Reads a value at an offset that is in range. Composite layouts and hot loops use it. */
  read(bytes: Uint8Array, at: number): Out;
  /** Says where padding in `bytes` is not zero, at an offset that is in range. */
  checkPadding(bytes: Uint8Array, at: number): LayoutFault | undefined;
  /** The same layout for a machine of the given byte order; fields in network order stay as they are. */
  forByteOrder(byteOrder: ByteOrder): this;
}

/** Width of an integer in bits. */
export type IntegerBits = 8 | 16 | 32 | 64;

/** Name of an integer type; the `be` types are in network byte order on every machine (`__be16` and so on). */
export type IntegerName = 'u8' | 'u16' | 'u32' | 'u64' | 'i8' | 'i16' | 'i32' | 'i64' | 'be16' | 'be32' | 'be64';

/** An integer: a number up to 32 bits, a bigint of 64. Its name is part of its type, so that host and wire order do not mix. */
export interface IntegerLayout<
  T extends number | bigint = number | bigint,
  Name extends IntegerName = IntegerName,
> extends Layout<T> {
  readonly kind: 'integer';
  /** The name by which C headers and the language call it. */
  readonly label: Name;
  readonly bits: IntegerBits;
  readonly signed: boolean;
  /** True for fields in network byte order on every machine (`__be16` and so on). */
  readonly network: boolean;
  /** Byte order it is written in. */
  readonly byteOrder: ByteOrder;
}

/** What an address is of. */
export type AddressFamily = 'mac' | 'ipv4' | 'ipv6';

/** An address in network byte order: decodes to text, is encoded from text or bytes. */
export interface AddressLayout<Family extends AddressFamily = AddressFamily> extends Layout<
  string,
  string | Uint8Array
> {
  readonly kind: 'address';
  readonly family: Family;
}

/** Bytes that mean nothing to the layout (`__u8[n]`). */
export interface BytesLayout extends Layout<Uint8Array> {
  readonly kind: 'bytes';
}

/** Text in UTF-8, padded with NUL (`char[n]`), of at most `size - 1` bytes. */
export interface StringLayout extends Layout<string> {
  readonly kind: 'string';
}

/** A fixed number of elements, one after the other. */
export interface ArrayLayout<L extends AnyLayout = AnyLayout> extends Layout<ValueOf<L>[], readonly InputOf<L>[]> {
  readonly kind: 'array';
  readonly element: L;
  readonly length: number;
}

/** One field of a struct. */
export interface Field<L extends AnyLayout = AnyLayout> {
  readonly name: string;
  /** Bytes from the start of the struct. */
  readonly offset: number;
  readonly layout: L;
}

/** The fields of a struct as they are declared: names in order, each with its layout. */
export type FieldLayouts = Readonly<Record<string, AnyLayout>>;

/** A C struct. */
export interface StructLayout<F extends FieldLayouts = FieldLayouts> extends Layout<
  { -readonly [K in keyof F]: ValueOf<F[K]> },
  { readonly [K in keyof F]: InputOf<F[K]> }
> {
  readonly kind: 'struct';
  /** Tag of the struct in C and in BTF. */
  readonly name: string;
  /** True when fields follow each other without padding, whatever their alignment. */
  readonly packed: boolean;
  /** The fields by their names, in order. */
  readonly fields: { readonly [K in keyof F & string]: Field<F[K]> };
  /** Bytes that belong to no field, in order; always written as zero. */
  readonly padding: readonly { readonly offset: number; readonly size: number }[];
}

/** Every layout there is, told apart by `kind`. */
export type AnyLayout = IntegerLayout | AddressLayout | BytesLayout | StringLayout | ArrayLayout | StructLayout;

/** The type that a layout decodes to. */
export type ValueOf<L> = L extends { read(bytes: Uint8Array, at: number): infer Out } ? Out : never;

/** The type that a layout encodes. */
export type InputOf<L> = L extends { write(value: infer In, into: Uint8Array, at: number): void } ? In : never;
