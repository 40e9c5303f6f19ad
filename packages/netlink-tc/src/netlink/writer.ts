import type { Layout } from 'bpf-asm/layout';
import { NetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from './host.ts';

/** The longest attribute that its 16-bit length can tell, header included. */
const MAX_ATTRIBUTE = 0xffff;
const ALIGN = 4;

/**
 * A growing buffer for messages. Attributes are opened and closed like brackets; the names of the open ones are the path that an
 * error carries.
 */
export class MessageWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #path: string[] = [];
  readonly #zeros = new Map<unknown, unknown>();

  /** @param capacity bytes to begin with; it grows by doubling */
  constructor(capacity = 4096) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written: a view that holds until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Forgets what was written and keeps the memory. */
  reset(length = 0): void {
    this.#length = length;
    this.#path.length = 0;
  }

  /** Makes room for `size` zeroed bytes and returns where they begin. */
  reserve(size: number): number {
    const start = this.#length;
    const end = start + size;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, start));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#bytes.fill(0, start, end);
    this.#length = end;
    return start;
  }

  u8(value: number): void {
    const at = this.reserve(1);
    this.#view.setUint8(at, value);
  }

  u16(value: number, littleEndian: boolean = LITTLE_ENDIAN): void {
    const at = this.reserve(2);
    this.#view.setUint16(at, value, littleEndian);
  }

  u32(value: number, littleEndian: boolean = LITTLE_ENDIAN): void {
    const at = this.reserve(4);
    this.#view.setUint32(at, value, littleEndian);
  }

  u64(value: bigint, littleEndian: boolean = LITTLE_ENDIAN): void {
    const at = this.reserve(8);
    this.#view.setBigUint64(at, value, littleEndian);
  }

  raw(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  /** Writes a struct: `write` gets the buffer and where its `size` bytes begin. */
  struct(size: number, write: (into: Uint8Array, at: number) => void): void {
    const at = this.reserve(size);
    write(this.#bytes, at);
  }

  /** A value of a struct with every field zero, made once for each struct. */
  zero<T>(layout: Layout<T>): T {
    let value = this.#zeros.get(layout) as T | undefined;
    if (value === undefined) {
      value = layout.read(new Uint8Array(layout.size), 0);
      this.#zeros.set(layout, value);
    }
    return value;
  }

  /** Writes text of ASCII and its zero byte; says false, and writes nothing, where it is not. */
  ascii(text: string): boolean {
    for (let i = 0; i < text.length; i += 1) if (text.charCodeAt(i) > 0x7f) return false;
    const at = this.reserve(text.length + 1);
    for (let i = 0; i < text.length; i += 1) this.#bytes[at + i] = text.charCodeAt(i);
    return true;
  }

  /** Sets a 32-bit word that was written before. */
  patchU32(at: number, value: number): void {
    this.#view.setUint32(at, value, LITTLE_ENDIAN);
  }

  /** Sets a 16-bit word that was written before. */
  patchU16(at: number, value: number): void {
    this.#view.setUint16(at, value, LITTLE_ENDIAN);
  }

  /** Pads with zeros to the alignment of netlink, 4 bytes. */
  align(): void {
    const rest = this.#length % ALIGN;
    if (rest !== 0) this.reserve(ALIGN - rest);
  }

  /**
   * Begins an attribute.
   * @param type its number, with the flag for nests where it is one
   * @param name what errors call it
   * @returns what {@link close} wants
   */
  open(type: number, name: string): number {
    this.#path.push(name);
    const at = this.#length;
    this.u16(0);
    this.u16(type);
    return at;
  }

  /**
   * Ends the attribute that {@link open} began: writes its length and the padding after it.
   * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when it is longer than 65535 bytes
   */
  close(at: number): void {
    const length = this.#length - at;
    if (length > MAX_ATTRIBUTE)
      throw this.refuse(`takes ${length} bytes, and an attribute takes ${MAX_ATTRIBUTE} at most`);
    this.patchU16(at, length);
    this.align();
    this.#path.pop();
  }

  /** The error for a value that cannot be written where the writer stands. */
  refuse(problem: string, hint?: string): NetlinkTcError {
    const attribute = this.#path.join('.');
    return new NetlinkTcError('ERR_INVALID_ARGUMENT', `${attribute} ${problem}`, {
      attribute,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
