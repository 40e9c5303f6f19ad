import { BpfAsmError } from '../error.ts';

/** Longest string that is read: every name and line is shorter, and many names of one long string take no time to speak of. */
const MAX_LENGTH = 0x1_0000;

/** The strings of BTF that was read: found by their byte offset. Those of a base come before. */
export class StringTable {
  readonly #bytes: Uint8Array;
  /** The bytes as characters of one byte: a name is cut out of it with no decoding, as nearly all are ASCII. */
  readonly #text: string;
  readonly #ascii: boolean;
  readonly #start: number;
  readonly #base: StringTable | undefined;

  /**
   * @param bytes - the section of strings.
   * @param base - the strings that come before, of split BTF.
   * @throws BpfAsmError `ERR_BTF` when the section does not end with NUL, or, without a base, does not begin with it.
   */
  constructor(bytes: Uint8Array, base?: StringTable) {
    const whole =
      bytes.length === 0 ? base !== undefined : bytes[bytes.length - 1] === 0 && (base !== undefined || bytes[0] === 0);
    if (!whole) throw new BpfAsmError('ERR_BTF', 'the strings of BTF do not begin and end with NUL', { byteOffset: 0 });
    this.#bytes = bytes;
    this.#text = new TextDecoder('latin1').decode(bytes);
    this.#ascii = /^[\0-\x7f]*$/.test(this.#text);
    this.#base = base;
    this.#start = base?.end ?? 0;
  }

  /** One beyond the last byte offset. */
  get end(): number {
    return this.#start + this.#bytes.length;
  }

  /**
   * The string at a byte offset, U+FFFD in the place of what is not UTF-8.
   *
   * @throws BpfAsmError `ERR_BTF` when the offset is beyond the strings, or the string is longer than 64 KiB.
   */
  at(offset: number): string {
    if (offset < this.#start && this.#base !== undefined) return this.#base.at(offset);
    const from = offset - this.#start;
    if (!(from < this.#bytes.length)) {
      throw new BpfAsmError('ERR_BTF', `a name is at byte ${offset} of the strings, which end at ${this.end}`, {
        byteOffset: offset,
      });
    }
    const text = this.#text.slice(from, from + MAX_LENGTH);
    const length = text.indexOf('\0');
    if (length < 0) throw new BpfAsmError('ERR_BTF', `the string at byte ${offset} has no end`, { byteOffset: offset });
    if (this.#ascii) return text.slice(0, length);
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(this.#bytes.subarray(from, from + length));
  }
}

/** Strings that are being written: each once, the empty one first. */
export class StringWriter {
  readonly #offsets = new Map<string, number>();
  readonly #parts: Uint8Array[] = [];
  readonly #encoder = new TextEncoder();
  #end: number;

  /** @param start - byte offset of the first string: 0, or where the strings of the base end. */
  constructor(start = 0) {
    this.#end = start;
    if (start === 0) this.add('');
    else this.#offsets.set('', 0);
  }

  /**
   * Byte offset of a string, which is added where it is new.
   *
   * @throws BpfAsmError `ERR_BTF` when it has a NUL in it.
   */
  add(text: string): number {
    const known = this.#offsets.get(text);
    if (known !== undefined) return known;
    if (typeof text !== 'string' || text.includes('\0')) {
      throw new BpfAsmError('ERR_BTF', `${JSON.stringify(text)} cannot be a string of BTF`, {
        hint: 'give text without NUL',
      });
    }
    const offset = this.#end;
    const part = this.#encoder.encode(`${text}\0`);
    this.#parts.push(part);
    this.#end += part.length;
    this.#offsets.set(text, offset);
    return offset;
  }

  /** All strings, each with its NUL. */
  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.#parts.reduce((size, part) => size + part.length, 0));
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }
}
