import { BpfAsmError } from '../error.ts';
import type { ByteOrder } from '../isa/byte-order.ts';
import { BTF_HEADER, BTF_HEADER_SIZE, BTF_MAGIC, KIND_NAME, KIND_SIZE, type KindSize } from './kinds.ts';
import { decodeType } from './decode-type.ts';
import { StringTable } from './strings.ts';
import { referencesOf, type BtfId, type BtfKind, type BtfType } from './types.ts';

/** Options of {@link readBtf}. */
export interface ReadBtfOptions {
  /** The object that this one continues: vmlinux for a module (split BTF). Ids and strings go on where it ends. */
  readonly base?: Btf;
}

/**
 * Reads BTF: the `.BTF` section of an object file, `/sys/kernel/btf/*`, or what the kernel gives for a BTF object. Byte order is
 * told by the first bytes. Types are decoded as they are asked for; that everything is in its bounds is checked here.
 *
 * Kinds that are newer than this package are skipped where the object says how large they are (kind layout, Linux 7.0).
 *
 * @param bytes - the whole object. It is not copied: leave it alone while the result is in use.
 * @param options - the base of split BTF.
 * @throws BpfAsmError `ERR_BTF` with the byte at which it makes no sense.
 * @example
 * ```ts
 * const vmlinux = readBtf(readFileSync('/sys/kernel/btf/vmlinux'));
 * const skb = vmlinux.find('sk_buff', 'struct');
 * ```
 */
export function readBtf(bytes: Uint8Array, { base }: ReadBtfOptions = {}): Btf {
  if (!(bytes instanceof Uint8Array)) throw malformed('BTF is read from a Uint8Array', 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < BTF_HEADER_SIZE) throw malformed(`BTF of ${bytes.length} bytes has no header`, 0);
  const little = view.getUint16(BTF_HEADER.magic, true) === BTF_MAGIC;
  if (!little && view.getUint16(BTF_HEADER.magic) !== BTF_MAGIC)
    throw malformed('this is no BTF: it does not begin with eb9f', 0);
  const version = view.getUint8(BTF_HEADER.version);
  if (version !== 1) throw malformed(`BTF has version ${version}, and 1 is known`, BTF_HEADER.version);
  const headerLength = view.getUint32(BTF_HEADER.headerLength, little);
  if (headerLength < BTF_HEADER_SIZE || headerLength > bytes.length) {
    throw malformed(`the header of BTF cannot have ${headerLength} bytes`, BTF_HEADER.headerLength);
  }
  const section = (name: string, field: number): DataView => {
    const offset = view.getUint32(field, little);
    const length = view.getUint32(field + 4, little);
    if (headerLength + offset + length > bytes.length)
      throw malformed(`the ${name} of BTF end beyond its ${bytes.length} bytes`, field);
    return new DataView(bytes.buffer, bytes.byteOffset + headerLength + offset, length);
  };
  const types = section('types', BTF_HEADER.typeOffset);
  const strings = section('strings', BTF_HEADER.stringOffset);
  const hasLayout = headerLength >= BTF_HEADER.layoutLength + 4;
  const sizes = hasLayout ? kindSizes(section('kind layout', BTF_HEADER.layoutOffset), little) : KIND_SIZE;
  if (base !== undefined && base.byteOrder !== (little ? 'little' : 'big')) {
    throw malformed('BTF and its base have different byte orders', 0);
  }
  const table = new StringTable(new Uint8Array(strings.buffer, strings.byteOffset, strings.byteLength), base?.strings);
  const btf = new Btf(types, little, sizes, table, base);
  btf.validate();
  return btf;
}

/** The sizes that a kind layout gives for kinds that are not known here (`struct btf_layout`: fixed, each, two bytes of flags). */
function kindSizes(layout: DataView, little: boolean): readonly (KindSize | undefined)[] {
  const sizes = [...KIND_SIZE];
  if (layout.byteLength % 4 !== 0)
    throw malformed(`the kind layout of BTF cannot have ${layout.byteLength} bytes`, BTF_HEADER.layoutLength);
  for (let kind = sizes.length; kind < layout.byteLength / 4 && kind < 128; kind++) {
    const sizesAndFlags = layout.getUint32(4 * kind, little);
    const [fixed, each] = little
      ? [sizesAndFlags & 0xff, (sizesAndFlags >> 8) & 0xff]
      : [sizesAndFlags >>> 24, (sizesAndFlags >> 16) & 0xff];
    sizes[kind] = { fixed, each };
  }
  return sizes;
}

/** An error of this reader. */
function malformed(message: string, byteOffset: number): BpfAsmError {
  return new BpfAsmError('ERR_BTF', message, { byteOffset });
}

/** BTF that was read. Made by {@link readBtf}. */
export class Btf {
  readonly byteOrder: ByteOrder;
  /** The object that this one continues, of split BTF. */
  readonly base: Btf | undefined;
  /** Id of its first type: 1, or one beyond the last of the base. */
  readonly firstId: BtfId;
  /** One beyond the id of its last type. */
  readonly endId: BtfId;
  /** Its strings, and those of its base before them. */
  readonly strings: StringTable;
  readonly #types: DataView;
  readonly #little: boolean;
  readonly #offsets: Uint32Array;
  readonly #cache: BtfType[] = [];
  #names: Map<string, BtfId[]> | undefined;

  /** See {@link readBtf}. */
  constructor(
    types: DataView,
    little: boolean,
    sizes: readonly (KindSize | undefined)[],
    strings: StringTable,
    base: Btf | undefined,
  ) {
    this.byteOrder = little ? 'little' : 'big';
    this.base = base;
    this.strings = strings;
    this.#types = types;
    this.#little = little;
    this.firstId = base?.endId ?? 1;
    this.#offsets = this.#walk(sizes);
    this.endId = this.firstId + this.#offsets.length - 1;
  }

  /**
   * The type of an id.
   *
   * @throws BpfAsmError `ERR_BTF` when there is none. Id 0 is `void`, which has no type: ask before.
   */
  type(id: BtfId): BtfType {
    if (id < this.firstId && id > 0 && this.base !== undefined) return this.base.type(id);
    const index = id - this.firstId;
    const offset = index < this.endId - this.firstId ? this.#offsets[index] : undefined;
    if (offset === undefined) throw malformed(`there is no type ${id}: ids are 1 to ${this.endId - 1}`, 0);
    return (this.#cache[index] ??= this.#decode(offset, index));
  }

  /** Every type of this object, the base's not among them, with its id. */
  *[Symbol.iterator](): IterableIterator<[BtfId, BtfType]> {
    for (let id = this.firstId; id < this.endId; id++) yield [id, this.type(id)];
  }

  /**
   * The first type of a name, of this object or its base.
   *
   * @param name - the name, without `struct` or `union`.
   * @param kind - if given, the type must be of this kind.
   * @returns its id, or nothing where there is none.
   */
  find(name: string, kind?: BtfKind): BtfId | undefined {
    const inBase = this.base?.find(name, kind);
    if (inBase !== undefined) return inBase;
    this.#names ??= this.#index();
    return this.#names.get(name)?.find((id) => kind === undefined || this.#kindAt(id) === kind);
  }

  /** Bytes that its types take, those of the base among them. */
  get typesSize(): number {
    return this.#types.byteLength + (this.base?.typesSize ?? 0);
  }

  /** Checks that every type can be decoded and names types that there are. */
  validate(): void {
    for (let i = 0; i < this.endId - this.firstId; i++) {
      const offset = this.#offsets[i] ?? 0;
      // Decoded values are dropped: keeping those of a whole kernel costs more than decoding the few that are asked for again.
      for (const id of referencesOf(this.#decode(offset, i))) {
        if (id >= this.endId)
          throw malformed(`type ${this.firstId + i} names type ${id}, and ${this.endId - 1} is the last`, offset);
      }
    }
  }

  #decode(offset: number, index: number): BtfType {
    return decodeType(this.#types, offset, this.#offsets[index + 1] ?? offset, this.#little, this.strings);
  }

  /** Where each type begins, and where the last one ends. */
  #walk(sizes: readonly (KindSize | undefined)[]): Uint32Array {
    const end = this.#types.byteLength;
    const offsets = new Uint32Array(Math.ceil(end / 12) + 1);
    let count = 0;
    for (let at = 0; at < end;) {
      if (at + 12 > end) throw malformed(`type ${this.firstId + count} is cut off`, at);
      const info = this.#types.getUint32(at + 4, this.#little);
      const kind = (info >>> 24) & 0x7f;
      const size = sizes[kind];
      if (size === undefined)
        throw malformed(
          `type ${this.firstId + count} is of kind ${kind}, which is not known and has no kind layout`,
          at + 4,
        );
      offsets[count++] = at;
      at += 12 + size.fixed + size.each * (info & 0xff_ffff);
      if (at > end) throw malformed(`type ${this.firstId + count - 1} is cut off`, offsets[count - 1] ?? 0);
    }
    offsets[count] = end;
    return offsets.slice(0, count + 1);
  }

  #kindAt(id: BtfId): BtfKind | undefined {
    return KIND_NAME[(this.#types.getUint32((this.#offsets[id - this.firstId] ?? 0) + 4, this.#little) >>> 24) & 0x7f];
  }

  #index(): Map<string, BtfId[]> {
    const names = new Map<string, BtfId[]>();
    for (let i = 0; i < this.endId - this.firstId; i++) {
      const name = this.strings.at(this.#types.getUint32(this.#offsets[i] ?? 0, this.#little));
      if (name === '') continue;
      const ids = names.get(name);
      if (ids === undefined) names.set(name, [this.firstId + i]);
      else ids.push(this.firstId + i);
    }
    return names;
  }
}
