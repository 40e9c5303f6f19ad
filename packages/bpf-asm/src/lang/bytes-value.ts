import type { IrValue } from '../compile/index.ts';
import { ipv6Address, macAddress, type IntegerLayout } from '../layout/index.ts';
import { all, compare, type Condition } from './condition.ts';
import { parsePrefix } from './constant.ts';
import { show } from './language-error.ts';
import type { ChunkSize, Place } from './place.ts';
import type { Scope } from './scope.ts';
import { factsOf } from './types.ts';
import { makeValue, type Value, type WireValue } from './value.ts';

/** What bytes are: addresses may also be written as text. */
export type BytesKind = 'mac' | 'ipv6' | 'bytes';

/** What bytes may be compared with or set to: text for addresses, bytes of the host language, or bytes of the program. */
export type BytesOperand<K extends BytesKind> = Uint8Array | BytesValue<K> | (K extends 'bytes' ? never : string);

/** A part of some bytes that fits a register. */
export interface Chunk {
  readonly at: number;
  readonly size: ChunkSize;
  readonly ir: IrValue;
}

/**
 * Bytes that do not fit a register: a MAC address, an IPv6 address, or any. They are a reference: memory that is read when it is used. What
 * {@link BytesValue.copy} gives holds the bytes themselves.
 */
export class BytesValue<K extends BytesKind = BytesKind> {
  /** What they are. */
  readonly kind: K;
  /** How many. */
  readonly size: number;
  /** @internal */
  readonly scope: Scope;
  /** Where they are; nothing for a copy. @internal */
  readonly place: Place | undefined;
  readonly #chunks: readonly Chunk[];

  constructor(kind: K, size: number, from: Place | { readonly scope: Scope; readonly chunks: readonly Chunk[] }) {
    this.kind = kind;
    this.size = size;
    this.scope = from.scope;
    this.place = 'chunks' in from && Array.isArray(from.chunks) ? undefined : (from as Place);
    this.#chunks = this.place === undefined ? (from as { readonly chunks: readonly Chunk[] }).chunks : [];
  }

  /** All bytes equal. */
  eq(other: BytesOperand<K>): Condition {
    const others = this.#other(other);
    const mine = this.chunks(others instanceof BytesValue ? others.place : undefined);
    const theirs = others instanceof BytesValue ? others.chunksAs(mine) : chunksOf(this.scope, others, mine);
    return all(
      ...mine.map(({ size, ir }, index) =>
        compare(this.scope, 'jeq', size === 8 ? 64 : 32, ir, (theirs[index] as Chunk).ir),
      ),
    );
  }

  /** The bytes as they are now: later changes to the memory do not reach them, and a helper that moves the packet does not void them. */
  copy(): BytesValue<K> {
    return new BytesValue(this.kind, this.size, { scope: this.scope, chunks: this.chunks(undefined) });
  }

  /** Changes the bytes, in the widest steps. */
  set(value: BytesOperand<K>): void {
    const { place } = this;
    if (place === undefined)
      throw this.scope.error('a copy of bytes cannot be changed', 'change the memory that it was copied from');
    const others = this.#other(value);
    const chunks =
      others instanceof BytesValue ? others.chunks(place) : chunksOf(this.scope, others, place.chunks(this.size));
    storeChunks(place, chunks);
  }

  /**
   * Whether an IPv6 address is of a prefix.
   *
   * @param prefix - such as `fd00::/8`.
   * @throws BpfAsmError `ERR_LANGUAGE` when it is no prefix, or has bits after its length.
   */
  within(prefix: K extends 'ipv6' ? string : never): Condition {
    const { address, length } = parsePrefix(prefix, 128, this.scope.unit.locate());
    const network = this.#other(address) as Uint8Array;
    const whole = length >> 3;
    const mask = (0xff00 >> (length & 7)) & 0xff;
    if (network.some((byte, at) => at >= whole && (byte & (at === whole ? ~mask : 0xff)) !== 0)) {
      throw this.scope.error(`${show(prefix)} has bits after its length`, 'write the first address of the prefix');
    }
    const parts: Condition[] = [];
    if (whole > 0) parts.push(this.#slice(0, whole).eq(network.subarray(0, whole)));
    if (mask !== 0) {
      const b = this.scope.at();
      const byte = (this.#slice(whole, 1).chunks(undefined)[0] as Chunk).ir;
      parts.push(
        compare(this.scope, 'jeq', 32, b.alu('and', byte, b.constant(mask), 32), b.constant(network[whole] as number)),
      );
    }
    return all(...parts);
  }

  /**
   * A number among the bytes.
   *
   * @param type - its layout, an unsigned one.
   * @param at - where it begins, in bytes.
   * @throws BpfAsmError `ERR_LANGUAGE` when it does not lie within the bytes.
   * @example
   * ```ts
   * const host = address.part(be16, 14).toHost(); // the last 16 bits of an IPv6 address
   * ```
   */
  part<T extends 'u8' | 'u16' | 'u32' | 'u64' | 'be16' | 'be32' | 'be64'>(
    type: IntegerLayout<number | bigint, T>,
    at: number,
  ): Value<T> {
    const size = (factsOf(type.label).bits / 8) as ChunkSize;
    if (!Number.isInteger(at) || at < 0 || at + size > this.size) {
      throw this.scope.error(`${show(at)} is no place for a ${type.label} in ${this.size} bytes`);
    }
    const inPlace = this.place?.allows(size, at) === true ? this.place.load(size, at) : undefined;
    return makeValue(this.scope, type.label, inPlace ?? extract(this.scope, this.chunks(undefined), at, size));
  }

  /** The bytes in registers, in steps that `beside` allows as well. @internal */
  chunks(beside: Place | undefined): readonly Chunk[] {
    const { place } = this;
    if (place === undefined) return beside === undefined ? this.#chunks : split(this.scope, this.#chunks, beside);
    const steps: { at: number; size: ChunkSize }[] = [];
    for (let at = 0; at < this.size;) {
      const size =
        ([8, 4, 2] as const).find(
          (wide) => wide <= this.size - at && place.allows(wide, at) && (beside?.allows(wide, at) ?? true),
        ) ?? 1;
      steps.push({ at, size });
      at += size;
    }
    return steps.map(({ at, size }) => ({ at, size, ir: place.load(size, at) }));
  }

  /** The bytes in the same steps as other ones. @internal */
  chunksAs(others: readonly Chunk[]): readonly Chunk[] {
    const { place } = this;
    if (place !== undefined) return others.map(({ at, size }) => ({ at, size, ir: place.load(size, at) }));
    return others.map(({ at, size }) => ({ at, size, ir: extract(this.scope, this.#chunks, at, size) }));
  }

  #slice(from: number, size: number): BytesValue<'bytes'> {
    if (this.place !== undefined) return new BytesValue('bytes', size, this.place.at(from));
    const chunks = Array.from({ length: size }, (_, at): Chunk => ({
      at,
      size: 1,
      ir: extract(this.scope, this.#chunks, from + at, 1),
    }));
    return new BytesValue('bytes', size, { scope: this.scope, chunks });
  }

  #other(other: unknown): Uint8Array | BytesValue {
    const value = other instanceof BytesValue ? other : constantBytes(this.scope, this.kind, other);
    const size = value instanceof BytesValue ? value.size : value.length;
    if (size === this.size && (!(value instanceof BytesValue) || value.scope === this.scope)) return value;
    throw this.scope.error(
      size === this.size
        ? `bytes of ${(value as BytesValue).scope.name} are used in ${this.scope.name}`
        : `${size} bytes stand beside ${this.size}`,
      'both sides must have the same size and belong to the same function',
    );
  }
}

/** The bytes that are meant by text or bytes of the host language. */
export function constantBytes(scope: Scope, kind: BytesKind, value: unknown): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const layout = kind === 'mac' ? macAddress : kind === 'ipv6' ? ipv6Address : undefined;
  if (typeof value === 'string' && layout?.check(value) === undefined && layout !== undefined)
    return layout.encode(value);
  const form = kind === 'mac' ? "'02:00:00:00:00:01'" : kind === 'ipv6' ? "'fd00::1'" : 'a Uint8Array';
  throw scope.error(`${show(value)} is no ${kind === 'bytes' ? 'bytes' : `${kind} address`}`, `write it like ${form}`);
}

/** Writes registers to memory. */
export function storeChunks(place: Place, chunks: readonly Chunk[]): void {
  for (const { at, size, ir } of chunks) place.store(size, at, ir);
}

/** A little-endian number of some bytes. */
export function numberOf(bytes: Uint8Array, at: number, size: number): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] as number);
  return value;
}

function chunksOf(
  scope: Scope,
  bytes: Uint8Array,
  steps: readonly { readonly at: number; readonly size: ChunkSize }[],
): Chunk[] {
  const b = scope.at();
  return steps.map(({ at, size }) => ({ at, size, ir: b.constant(numberOf(bytes, at, size)) }));
}

/** Cuts chunks until the place takes them. */
function split(scope: Scope, chunks: readonly Chunk[], place: Place): Chunk[] {
  return chunks.flatMap((chunk): Chunk[] => {
    if (chunk.size === 1 || place.allows(chunk.size, chunk.at)) return [chunk];
    const half = (chunk.size / 2) as ChunkSize;
    const parts = [0, half].map((by): Chunk => ({
      at: chunk.at + by,
      size: half,
      ir: extract(scope, [chunk], chunk.at + by, half),
    }));
    return split(scope, parts, place);
  });
}

/** `size` bytes at `at` out of the chunk that has them. */
function extract(scope: Scope, chunks: readonly Chunk[], at: number, size: ChunkSize): IrValue {
  const b = scope.at();
  const chunk = chunks.find((one) => one.at <= at && at + size <= one.at + one.size);
  if (chunk === undefined) {
    // The bytes lie across chunks: put their halves together.
    const half = (size / 2) as ChunkSize;
    const [low, high] = [extract(scope, chunks, at, half), extract(scope, chunks, at + half, half)];
    return b.alu('or', low, b.alu('lsh', high, b.constant(half * 8)));
  }
  const shifted = chunk.at === at ? chunk.ir : b.alu('rsh', chunk.ir, b.constant((at - chunk.at) * 8));
  return size === chunk.size || size === 8 ? shifted : b.zext((size * 8) as 8 | 16 | 32, shifted);
}

/**
 * An IPv4 address as an IPv6 one, `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2), for maps that hold both.
 *
 * @example
 * ```ts
 * lookup(pods, { address: mappedIpv6(ip.source) });
 * ```
 */
export function mappedIpv6(address: WireValue<'be32'>): BytesValue<'ipv6'> {
  const { scope, ir } = address;
  const b = scope.at();
  const chunks: Chunk[] = [
    { at: 0, size: 8, ir: b.constant(0) },
    { at: 8, size: 4, ir: b.constant(0xffff_0000) },
    { at: 12, size: 4, ir },
  ];
  return new BytesValue('ipv6', 16, { scope, chunks });
}
