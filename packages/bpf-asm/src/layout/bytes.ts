import { Codec, positive, show } from './codec.ts';
import type { BytesLayout, LayoutFault, StringLayout } from './layout.ts';

class Bytes extends Codec<Uint8Array> implements BytesLayout {
  readonly kind = 'bytes';
  readonly label: string;
  readonly size: number;
  readonly align = 1;

  constructor(size: number) {
    super();
    this.label = `bytes(${size})`;
    this.size = size;
  }

  check(value: unknown): LayoutFault | undefined {
    if (!(value instanceof Uint8Array)) return { path: '', problem: `is ${show(value)}, and must be a Uint8Array` };
    if (value.length === this.size) return undefined;
    return { path: '', problem: `has ${value.length} bytes, and must have ${this.size}` };
  }

  write(value: Uint8Array, into: Uint8Array, at: number): void {
    into.set(value, at);
  }

  read(from: Uint8Array, at: number): Uint8Array {
    return Uint8Array.from(from.subarray(at, at + this.size));
  }

  checkPadding(): undefined {
    return undefined;
  }

  forByteOrder(): this {
    return this;
  }
}

class Text extends Codec<string> implements StringLayout {
  readonly kind = 'string';
  readonly label: string;
  readonly size: number;
  readonly align = 1;
  readonly #encoder = new TextEncoder();
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });

  constructor(size: number) {
    super();
    this.label = `string(${size})`;
    this.size = size;
  }

  check(value: unknown): LayoutFault | undefined {
    if (typeof value !== 'string') return { path: '', problem: `is ${show(value)}, and must be a string` };
    // A surrogate without its partner has no UTF-8; the encoder would put a replacement in its place.
    if (/[\0\p{Surrogate}]/u.test(value))
      return { path: '', problem: `is ${show(value)}, and must be text without NUL` };
    if (utf8Length(value) < this.size) return undefined;
    return { path: '', problem: `is ${show(value)}, and must be at most ${this.size - 1} bytes in UTF-8` };
  }

  write(value: string, into: Uint8Array, at: number): void {
    const { written } = this.#encoder.encodeInto(value, into.subarray(at, at + this.size));
    into.fill(0, at + written, at + this.size);
  }

  read(from: Uint8Array, at: number): string {
    return this.#decoder.decode(from.subarray(at, this.#end(from, at)));
  }

  checkPadding(from: Uint8Array, at: number): LayoutFault | undefined {
    for (let i = this.#end(from, at); i < at + this.size; i++) {
      if (from[i] !== 0) return { path: '', problem: `has a byte after the NUL, at byte ${i - at}, that is not zero` };
    }
    return undefined;
  }

  forByteOrder(): this {
    return this;
  }

  #end(from: Uint8Array, at: number): number {
    let end = at;
    while (end < at + this.size && from[end] !== 0) end++;
    return end;
  }
}

function utf8Length(text: string): number {
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // A pair of surrogates is four bytes: two for each half.
    length += code < 0x80 ? 1 : code < 0x800 || (code >= 0xd800 && code <= 0xdfff) ? 2 : 3;
  }
  return length;
}

/**
 * `__u8 name[size]`: bytes as they are. Decoding copies them.
 *
 * @param size - how many, at least one.
 * @throws BpfAsmError `ERR_LAYOUT` when the size is not a positive integer.
 */
export function bytes(size: number): BytesLayout {
  positive('bytes', size, 1);
  return new Bytes(size);
}

/**
 * `char name[size]`: text in UTF-8 with NUL to the end, as in `task->comm` and interface names. Decoding stops at the first NUL, or
 * at the end where there is none, and puts U+FFFD for what is not UTF-8.
 *
 * @param size - bytes, the NUL included: 16 for an interface name.
 * @throws BpfAsmError `ERR_LAYOUT` when the size is not a positive integer.
 */
export function string(size: number): StringLayout {
  positive('string', size, 1);
  return new Text(size);
}
