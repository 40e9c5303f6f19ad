import { BpfAsmError, type BpfAsmErrorCode } from '../error.ts';

const TAB = 9;
const NEWLINE = 10;
const RETURN = 13;
const SPACE = 32;
const QUOTE = 34;
const HASH = 35;
const PLUS = 43;
const MINUS = 45;
const SLASH = 47;
const ZERO = 48;
const SEMICOLON = 59;
const BACKSLASH = 92;
const LOWER_X = 120;

/** For each character below 128: 1 where a word may begin with it, 2 where a word may go on with it. */
const WORD = new Uint8Array(128);
for (const character of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_.$') WORD[character.charCodeAt(0)] = 1;
for (const digit of '0123456789') WORD[digit.charCodeAt(0)] = 2;

/** Value of a hexadecimal digit; 16 for every other character. */
function digitOf(character: number): number {
  if (character >= ZERO && character <= 57) return character - ZERO;
  const letter = character | 0x20;
  return letter >= 97 && letter <= 102 ? letter - 87 : 16;
}

/** Reads a text from its beginning, one small thing at a time, and knows the line and the column. */
export class Scanner {
  readonly text: string;
  /** Index of the next character. */
  at = 0;
  /** Line of the next character, from 1. */
  line = 1;
  #lineStart = 0;

  constructor(text: string) {
    this.text = text;
  }

  /** Column of an index of this line, from 1. */
  columnOf(at: number): number {
    return at - this.#lineStart + 1;
  }

  /** Passes over spaces, tabs and carriage returns. */
  spaces(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== SPACE && c !== TAB && c !== RETURN) return;
      this.at++;
    }
  }

  /** The next character that is no space, as a code; NaN at the end of the text. */
  peek(): number {
    this.spaces();
    return this.text.charCodeAt(this.at);
  }

  /** Tells whether nothing but a comment is left on the line. Comments begin with `;`, `#` or `//`. */
  lineEnds(): boolean {
    const c = this.peek();
    return (
      c !== c ||
      c === NEWLINE ||
      c === SEMICOLON ||
      c === HASH ||
      (c === SLASH && this.text.charCodeAt(this.at + 1) === SLASH)
    );
  }

  /** Goes to the beginning of the next line; false at the end of the text. */
  nextLine(): boolean {
    const end = this.text.indexOf('\n', this.at);
    if (end === -1) {
      this.at = this.text.length;
      return false;
    }
    this.at = end + 1;
    this.line++;
    this.#lineStart = this.at;
    return true;
  }

  /** Reads a word (letters, digits, `_`, `.`, `$`; no digit first); empty where none begins here. */
  word(): string {
    const c = this.peek();
    const start = this.at;
    if (c < 128 && WORD[c] === 1) this.#rest();
    return this.text.slice(start, this.at);
  }

  #rest(): void {
    let c = this.text.charCodeAt(++this.at);
    while (c < 128 && WORD[c] !== 0) c = this.text.charCodeAt(++this.at);
  }

  /** Reads a word or a string in quotes, as JSON has them. */
  name(expected: string): string {
    if (this.peek() !== QUOTE) {
      const word = this.word();
      return word === '' ? this.fail(expected) : word;
    }
    const start = this.at;
    let end = start + 1;
    for (let c = this.text.charCodeAt(end); c !== QUOTE; c = this.text.charCodeAt(++end)) {
      if (c !== c || c === NEWLINE) return this.fail('a quote at the end of the name', start);
      if (c === BACKSLASH) end++;
    }
    this.at = end + 1;
    try {
      return JSON.parse(this.text.slice(start, end + 1)) as string;
    } catch {
      return this.fail('a name in quotes as JSON has them', start);
    }
  }

  /** Passes over `literal` if it comes next. */
  accept(literal: string): boolean {
    this.spaces();
    if (!this.text.startsWith(literal, this.at)) return false;
    this.at += literal.length;
    return true;
  }

  /** Passes over `literal`, which must come next. */
  expect(literal: string): void {
    if (!this.accept(literal)) this.fail(JSON.stringify(literal));
  }

  /** Tells whether a number comes next. */
  startsNumber(): boolean {
    const c = this.peek();
    const first = c === MINUS || c === PLUS ? this.text.charCodeAt(this.at + 1) : c;
    return first >= ZERO && first <= 57;
  }

  /** Reads a decimal or hexadecimal (`0x`) integer with an optional sign. */
  integer(min: number, max: number, expected = 'a number'): number {
    this.spaces();
    const start = this.at;
    const value = this.#magnitude(expected);
    if (value < min || value > max) throw this.#range(start, min, max);
    return value;
  }

  /** Reads an integer from 0 to 2^32 - 1. */
  u32(): number {
    return this.integer(0, 0xffff_ffff);
  }

  /** Reads what fits 32 bits as a signed number. A hexadecimal number may be the bits as they are: `0xffffffff` is -1. */
  s32(): number {
    this.spaces();
    const start = this.at;
    const value = this.#magnitude('a number');
    const max = this.text.charCodeAt(start + 1) === LOWER_X ? 0xffff_ffff : 0x7fff_ffff;
    if (value < -0x8000_0000 || value > max) throw this.#range(start, -0x8000_0000, max);
    return value | 0;
  }

  /** Reads `+8` or `- 8`, the offset from an address, or nothing, which is 0. */
  offset(): number {
    const sign = this.peek();
    if (sign !== PLUS && sign !== MINUS) return 0;
    const start = this.at++;
    if (digitOf(this.peek()) > 9) this.fail('a number of bytes');
    const bytes = this.#magnitude('a number of bytes');
    const value = sign === MINUS ? -bytes : bytes;
    if (value < -0x8000 || value > 0x7fff) throw this.#range(start, -0x8000, 0x7fff);
    return value | 0;
  }

  /** Reads 64 bits: an integer from -2^63 to 2^64 - 1, as an unsigned number. */
  u64(): bigint {
    this.spaces();
    const start = this.at;
    const negative = this.text.charCodeAt(start) === MINUS;
    this.#magnitude('a number');
    const value =
      this.at - start > 80
        ? 1n << 64n
        : BigInt(this.text.slice(negative || this.text.charCodeAt(start) === PLUS ? start + 1 : start, this.at));
    if (value > (negative ? 0x8000_0000_0000_0000n : 0xffff_ffff_ffff_ffffn))
      throw this.#range(start, '-2^63', '2^64 - 1');
    return BigInt.asUintN(64, negative ? -value : value);
  }

  /** Reads a number with its sign, exactly as far as a double is exact, which is further than every range that is asked for. */
  #magnitude(expected: string): number {
    const { text } = this;
    const start = this.at;
    let c = text.charCodeAt(start);
    const negative = c === MINUS;
    if (negative || c === PLUS) c = text.charCodeAt(++this.at);
    let base = 10;
    if (c === ZERO && text.charCodeAt(this.at + 1) === LOWER_X) {
      base = 16;
      this.at += 2;
    }
    const first = this.at;
    let value = 0;
    for (let digit = digitOf(text.charCodeAt(first)); digit < base; digit = digitOf(text.charCodeAt(++this.at)))
      value = value * base + digit;
    const next = text.charCodeAt(this.at);
    if (this.at === first || (next < 128 && WORD[next] !== 0)) this.fail(expected, start);
    return negative && value !== 0 ? -value : value;
  }

  /** Cold: what stands at an index, for an error. */
  #found(at: number): string {
    const rest = /^\S{1,24}/.exec(this.text.slice(at, at + 24));
    return rest === null
      ? at >= this.text.length
        ? 'the end of the text'
        : 'the end of the line'
      : JSON.stringify(rest[0]);
  }

  /** Cold: throws `ERR_SYNTAX` that says what was expected, and where. */
  fail(expected: string, at?: number): never {
    if (at !== undefined) this.at = at;
    this.spaces();
    const where = this.at;
    throw this.error('ERR_SYNTAX', `expected ${expected}, found ${this.#found(where)}`, where);
  }

  #range(at: number, min: number | string, max: number | string): BpfAsmError {
    return this.error(
      'ERR_OUT_OF_RANGE',
      `${this.text.slice(at, Math.min(this.at, at + 40))} is not an integer from ${min} to ${max}`,
      at,
    );
  }

  /** Cold: an error at an index of this line. */
  error(code: BpfAsmErrorCode, message: string, at: number, hint?: string): BpfAsmError {
    return new BpfAsmError(code, message, {
      line: this.line,
      column: this.columnOf(at),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
