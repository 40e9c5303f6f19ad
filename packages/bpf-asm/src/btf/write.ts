import { BpfAsmError, checkObjects } from '../error.ts';
import type { ByteOrder } from '../isa/byte-order.ts';
import { encodeType } from './encode-type.ts';
import { BTF_HEADER, BTF_HEADER_SIZE, BTF_MAGIC } from './kinds.ts';
import type { Btf } from './read.ts';
import { StringWriter } from './strings.ts';
import { referencesOf, type BtfId, type BtfType } from './types.ts';

/** Options of {@link BtfBuilder}. */
export interface BtfBuilderOptions {
  /** Byte order of the machine; `little` where nothing is said, or that of the base. */
  readonly byteOrder?: ByteOrder;
  /** The object that this one continues (split BTF). */
  readonly base?: Btf;
}

/**
 * Collects types and strings, each once, and writes them as BTF.
 *
 * @example
 * ```ts
 * const btf = new BtfBuilder();
 * const int = btf.add({ kind: 'int', name: 'int', size: 4, bits: 32, bitOffset: 0, encoding: 'signed' });
 * btf.add({ kind: 'ptr', type: int });
 * const bytes = btf.bytes();
 * ```
 */
export class BtfBuilder {
  readonly byteOrder: ByteOrder;
  readonly #firstId: BtfId;
  readonly #strings: StringWriter;
  readonly #types: BtfType[] = [];
  readonly #words: number[] = [];
  readonly #known = new Map<string, BtfId>();

  constructor({ base, byteOrder = base?.byteOrder ?? 'little' }: BtfBuilderOptions = {}) {
    if (base !== undefined && base.byteOrder !== byteOrder)
      throw new BpfAsmError('ERR_BTF', 'BTF and its base have different byte orders');
    this.byteOrder = byteOrder;
    this.#firstId = base?.endId ?? 1;
    this.#strings = new StringWriter(base?.strings.end);
  }

  /** The id that the next new type gets: a type may name itself, or one that is still to come. */
  get nextId(): BtfId {
    return this.#firstId + this.#types.length;
  }

  /**
   * Adds a type, or finds the same one among those that were added. Variables and sections are always new: two of them can be
   * alike and not the same. Types that name each other in a circle are not found: see `dedupBtf`.
   *
   * @throws BpfAsmError `ERR_BTF` when a field is out of range, or when the type is of an unknown kind.
   */
  add(type: BtfType): BtfId {
    const words = encodeType(type, (text) => this.#strings.add(text));
    const key = type.kind === 'var' || type.kind === 'datasec' ? undefined : words.join();
    const known = key === undefined ? undefined : this.#known.get(key);
    if (known !== undefined) return known;
    if (key !== undefined) this.#known.set(key, this.nextId);
    return this.#push(type, words);
  }

  /**
   * Adds a type under {@link BtfBuilder.nextId}, whether or not the same one is there.
   *
   * @throws BpfAsmError as {@link BtfBuilder.add}.
   */
  append(type: BtfType): BtfId {
    return this.#push(
      type,
      encodeType(type, (text) => this.#strings.add(text)),
    );
  }

  #push(type: BtfType, words: readonly number[]): BtfId {
    this.#types.push(type);
    for (const word of words) this.#words.push(word);
    return this.nextId - 1;
  }

  /**
   * Byte offset of a string in the section of strings, for records that are not types (`line_info`).
   *
   * @throws BpfAsmError `ERR_BTF` when it has a NUL in it.
   */
  string(text: string): number {
    return this.#strings.add(text);
  }

  /** The types so far, in the order of their ids. */
  get types(): readonly BtfType[] {
    return this.#types;
  }

  /**
   * Everything so far as BTF.
   *
   * @throws BpfAsmError `ERR_BTF` when a type names one that there is not.
   */
  bytes(): Uint8Array {
    for (const [index, type] of this.#types.entries()) {
      const missing = referencesOf(type).find((id) => id >= this.nextId);
      if (missing !== undefined) {
        throw new BpfAsmError(
          'ERR_BTF',
          `type ${this.#firstId + index} (${type.kind}) names type ${missing}, and ${this.nextId - 1} is the last`,
        );
      }
    }
    const strings = this.#strings.bytes();
    const typesSize = 4 * this.#words.length;
    const bytes = new Uint8Array(BTF_HEADER_SIZE + typesSize + strings.length);
    const view = new DataView(bytes.buffer);
    const little = this.byteOrder === 'little';
    view.setUint16(BTF_HEADER.magic, BTF_MAGIC, little);
    view.setUint8(BTF_HEADER.version, 1);
    view.setUint32(BTF_HEADER.headerLength, BTF_HEADER_SIZE, little);
    view.setUint32(BTF_HEADER.typeLength, typesSize, little);
    view.setUint32(BTF_HEADER.stringOffset, typesSize, little);
    view.setUint32(BTF_HEADER.stringLength, strings.length, little);
    for (const [index, word] of this.#words.entries()) view.setUint32(BTF_HEADER_SIZE + 4 * index, word, little);
    bytes.set(strings, BTF_HEADER_SIZE + typesSize);
    return bytes;
  }
}

/**
 * Writes types as BTF, each under the id that its place gives it: nothing is left out or moved.
 *
 * @param types - the types; the first gets id 1, or the one after the last of the base.
 * @param options - byte order and base.
 * @throws BpfAsmError `ERR_BTF` when a field is out of range or a type names one that there is not.
 */
export function writeBtf(types: readonly BtfType[], options: BtfBuilderOptions = {}): Uint8Array {
  checkObjects(types, 'types');
  const builder = new BtfBuilder(options);
  for (const type of types) builder.append(type);
  return builder.bytes();
}
