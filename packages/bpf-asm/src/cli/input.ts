import { readFile } from 'node:fs/promises';
import { BpfAsmError } from '../error.ts';
import type { Program } from '../asm/index.ts';
import type { ByteOrder, Instruction } from '../isa/index.ts';
import { UsageError, type Io } from './command.ts';

/** What was asked for, read. */
export interface Input {
  /** Name for errors. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * Reads the one input that a command takes.
 *
 * @throws UsageError when there are several.
 */
export async function readInput(positionals: readonly string[], io: Io): Promise<Input> {
  const [name = '-', ...more] = positionals;
  if (more.length > 0) throw new UsageError(`one input is enough, and there is also ${more.join(', ')}`);
  if (name === '-') return { name: 'standard input', bytes: await io.input() };
  return { name, bytes: await readFile(name) };
}

/** How {@link readProgram} understands its input. */
export interface ProgramOptions {
  readonly byteOrder?: ByteOrder | undefined;
  /** Name of the program of an object file. */
  readonly program?: string | undefined;
  /** The input is bytes. */
  readonly raw?: boolean | undefined;
}

/** A program that was read. */
export interface ReadProgram {
  readonly instructions: readonly Instruction[];
  /** The same with its maps, where it is of an object file. */
  readonly program: Program | readonly Instruction[];
  /** What its maps hold at first, by name. */
  readonly data: ReadonlyMap<string, Uint8Array>;
}

/**
 * Reads a program: of an object file, of bytes, or of bytes in hexadecimal.
 *
 * @throws BpfAsmError when they make no sense; UsageError when there is no such program.
 */
export async function readProgram(
  bytes: Uint8Array,
  { byteOrder, program, raw }: ProgramOptions,
): Promise<ReadProgram> {
  if (raw !== true && isObject(bytes)) {
    const { readObject } = await import('../elf/index.ts');
    const { programs, data } = readObject(bytes, { type: 'socket_filter' });
    const found = program === undefined ? programs[0] : programs.find(({ name }) => name === program);
    if (found !== undefined) return { instructions: found.instructions, program: found, data };
    const names = programs.map(({ name }) => name).join(', ');
    throw new UsageError(
      `the object has no program${program === undefined ? '' : ` ${program}`}${names === '' ? '' : `: it has ${names}`}`,
    );
  }
  const { decode } = await import('../isa/index.ts');
  const instructions = decode(raw === true ? bytes : plainBytes(bytes), byteOrder === undefined ? {} : { byteOrder });
  return { instructions, program: instructions, data: new Map() };
}

/** Tells whether bytes are an ELF file. */
export function isObject(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;
}

/** Bytes as they are, or, where they are hexadecimal digits and white space only, what these say. */
function plainBytes(bytes: Uint8Array): Uint8Array {
  const text = new TextDecoder('latin1').decode(bytes);
  return /^[\s0-9a-f]+$/i.test(text) && /[0-9a-f]/i.test(text) ? parseHex(text, 'the input') : bytes;
}

/**
 * Bytes that are written in hexadecimal, with white space anywhere.
 *
 * @throws BpfAsmError `ERR_SYNTAX` for anything else.
 */
export function parseHex(text: string, what: string): Uint8Array {
  const digits = text.replaceAll(/\s+/g, '').replace(/^0x/i, '');
  const wrong = /[^0-9a-f]/i.exec(digits)?.[0];
  if (wrong !== undefined)
    throw new BpfAsmError('ERR_SYNTAX', `${what} is hexadecimal, and ${JSON.stringify(wrong)} is no digit of it`);
  if (digits.length % 2 !== 0)
    throw new BpfAsmError('ERR_SYNTAX', `${what} has ${digits.length} hexadecimal digits, which are no whole bytes`);
  const bytes = new Uint8Array(digits.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(digits.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Bytes in hexadecimal. */
export function formatHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/**
 * A value that must be one of a few.
 *
 * @throws UsageError when it is none of them.
 */
export function choice<T extends string>(
  option: string,
  value: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (value === undefined) return undefined;
  const found = choices.find((one) => one === value);
  if (found === undefined) throw new UsageError(`--${option} is ${choices.join(' or ')}, and not ${value}`);
  return found;
}

/** Values of `--byte-order`. */
export const BYTE_ORDERS = ['little', 'big'] as const;
/** Values of `--dialect`. */
export const DIALECTS = ['kernel', 'conformance'] as const;
