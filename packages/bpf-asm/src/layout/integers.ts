import type { ByteOrder } from '../isa/byte-order.ts';
import { Codec, show } from './codec.ts';
import type { IntegerBits, IntegerLayout, IntegerName, LayoutFault } from './layout.ts';

type SmallBits = Exclude<IntegerBits, 64>;

/** What both kinds of integer have in common. */
abstract class Integer<T extends number | bigint, Name extends IntegerName>
  extends Codec<T>
  implements IntegerLayout<T, Name>
{
  readonly kind = 'integer';
  readonly label: Name;
  readonly bits: IntegerBits;
  readonly size: number;
  readonly align: number;
  readonly signed: boolean;
  readonly network: boolean;
  readonly byteOrder: ByteOrder;

  constructor(label: Name, bits: IntegerBits, signed: boolean, byteOrder: ByteOrder, network: boolean) {
    super();
    this.label = label;
    this.bits = bits;
    this.size = bits / 8;
    this.align = bits / 8;
    this.signed = signed;
    this.network = network;
    this.byteOrder = byteOrder;
  }

  checkPadding(): undefined {
    return undefined;
  }
}

/** Integers up to 32 bits, as numbers. */
class SmallInteger<Name extends IntegerName> extends Integer<number, Name> {
  readonly #min: number;
  readonly #max: number;

  constructor(label: Name, bits: SmallBits, signed: boolean, byteOrder: ByteOrder = 'little', network = false) {
    super(label, bits, signed, byteOrder, network);
    this.#min = signed ? -(2 ** (bits - 1)) : 0;
    this.#max = signed ? 2 ** (bits - 1) - 1 : 2 ** bits - 1;
  }

  check(value: unknown): LayoutFault | undefined {
    if (typeof value === 'number' && Number.isInteger(value) && value >= this.#min && value <= this.#max)
      return undefined;
    return this.#fault(value);
  }

  #fault(value: unknown): LayoutFault {
    return { path: '', problem: `is ${show(value)}, and must be an integer from ${this.#min} to ${this.#max}` };
  }

  write(value: number, into: Uint8Array, at: number): void {
    if (this.size === 4) writeHalf(value, into, at, this.byteOrder === 'little');
    else this.#writeSmall(value, into, at);
  }

  #writeSmall(value: number, into: Uint8Array, at: number): void {
    if (this.byteOrder === 'little') for (let i = 0, rest = value; i < this.size; i++, rest >>= 8) into[at + i] = rest;
    else for (let i = this.size - 1, rest = value; i >= 0; i--, rest >>= 8) into[at + i] = rest;
  }

  read(bytes: Uint8Array, at: number): number {
    if (this.size === 4) {
      const half = readHalf(bytes, at, this.byteOrder === 'little');
      return this.signed ? half : half >>> 0;
    }
    const unsigned = readUnsigned(bytes, at, this.size, this.byteOrder);
    if (!this.signed) return unsigned;
    const shift = 32 - this.bits;
    return (unsigned << shift) >> shift;
  }

  forByteOrder(byteOrder: ByteOrder): this {
    if (this.network || byteOrder === this.byteOrder) return this;
    return new SmallInteger(this.label, this.bits as SmallBits, this.signed, byteOrder) as this;
  }
}

/** Integers of 64 bits, as bigints. */
class LargeInteger<Name extends IntegerName> extends Integer<bigint, Name> {
  readonly #min: bigint;
  readonly #max: bigint;
  readonly #halves = new Uint32Array(2);
  readonly #word: BigUint64Array | BigInt64Array;
  /** Which half is the low one: typed arrays lie in the byte order of the machine. */
  readonly #low: 0 | 1;
  readonly #high: 0 | 1;

  constructor(label: Name, signed: boolean, byteOrder: ByteOrder = 'little', network = false) {
    super(label, 64, signed, byteOrder, network);
    const { buffer } = this.#halves;
    this.#word = signed ? new BigInt64Array(buffer) : new BigUint64Array(buffer);
    this.#word[0] = 1n;
    this.#low = this.#halves[0] === 1 ? 0 : 1;
    this.#high = this.#low === 0 ? 1 : 0;
    this.#min = signed ? -(1n << 63n) : 0n;
    this.#max = signed ? (1n << 63n) - 1n : (1n << 64n) - 1n;
  }

  check(value: unknown): LayoutFault | undefined {
    if (typeof value === 'bigint' && value >= this.#min && value <= this.#max) return undefined;
    return this.#fault(value);
  }

  #fault(value: unknown): LayoutFault {
    const problem = `is ${show(value)}, and must be a bigint from ${this.#min}n to ${this.#max}n`;
    return typeof value === 'number'
      ? { path: '', problem, hint: '64-bit values are bigints: write 1n, or BigInt(x)' }
      : { path: '', problem };
  }

  // Through eight bytes of its own, as two halves: the engine has one instruction for a bigint there, and none for shifting one.
  write(value: bigint, into: Uint8Array, at: number): void {
    this.#word[0] = value;
    const little = this.byteOrder === 'little';
    writeHalf(this.#halves[little ? this.#low : this.#high] ?? 0, into, at, little);
    writeHalf(this.#halves[little ? this.#high : this.#low] ?? 0, into, at + 4, little);
  }

  read(bytes: Uint8Array, at: number): bigint {
    const little = this.byteOrder === 'little';
    this.#halves[little ? this.#low : this.#high] = readHalf(bytes, at, little);
    this.#halves[little ? this.#high : this.#low] = readHalf(bytes, at + 4, little);
    return this.#word[0] ?? 0n;
  }

  forByteOrder(byteOrder: ByteOrder): this {
    if (this.network || byteOrder === this.byteOrder) return this;
    return new LargeInteger(this.label, this.signed, byteOrder) as this;
  }
}

function readUnsigned(bytes: Uint8Array, at: number, size: number, byteOrder: ByteOrder): number {
  let value = 0;
  if (byteOrder === 'little') for (let i = size - 1; i >= 0; i--) value = (value << 8) | (bytes[at + i] ?? 0);
  else for (let i = 0; i < size; i++) value = (value << 8) | (bytes[at + i] ?? 0);
  return value >>> 0;
}

// What is short is inlined where maps are read and written, and that is most of their cost: what is rare stands in functions of its own.

/** Four bytes as 32 bits, signed. */
function readHalf(bytes: Uint8Array, at: number, little: boolean): number {
  const half =
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24);
  return little ? half : swapped(half);
}

function writeHalf(half: number, into: Uint8Array, at: number, little: boolean): void {
  const low = little ? half : swapped(half);
  into[at] = low;
  into[at + 1] = low >>> 8;
  into[at + 2] = low >>> 16;
  into[at + 3] = low >>> 24;
}

function swapped(half: number): number {
  return (half << 24) | ((half & 0xff00) << 8) | ((half >>> 8) & 0xff00) | (half >>> 24);
}

/** `__u8`. */
export const u8: IntegerLayout<number, 'u8'> = new SmallInteger('u8', 8, false);
/** `__u16` in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const u16: IntegerLayout<number, 'u16'> = new SmallInteger('u16', 16, false);
/** `__u32` in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const u32: IntegerLayout<number, 'u32'> = new SmallInteger('u32', 32, false);
/** `__u64` as a bigint, in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const u64: IntegerLayout<bigint, 'u64'> = new LargeInteger('u64', false);
/** `__s8`. */
export const i8: IntegerLayout<number, 'i8'> = new SmallInteger('i8', 8, true);
/** `__s16` in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const i16: IntegerLayout<number, 'i16'> = new SmallInteger('i16', 16, true);
/** `__s32` in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const i32: IntegerLayout<number, 'i32'> = new SmallInteger('i32', 32, true);
/** `__s64` as a bigint, in the machine's byte order: little endian, see {@link Layout.forByteOrder}. */
export const i64: IntegerLayout<bigint, 'i64'> = new LargeInteger('i64', true);
/** `__be16`: network byte order on every machine. */
export const be16: IntegerLayout<number, 'be16'> = new SmallInteger('be16', 16, false, 'big', true);
/** `__be32`: network byte order on every machine. */
export const be32: IntegerLayout<number, 'be32'> = new SmallInteger('be32', 32, false, 'big', true);
/** `__be64` as a bigint: network byte order on every machine. */
export const be64: IntegerLayout<bigint, 'be64'> = new LargeInteger('be64', false, 'big', true);
