import type { SourcePosition } from './source.ts';

/**
 * The closed list of error codes of this package. Codes are stable: one is added when a new kind of failure appears, none is
 * renamed or reused. `ERR_OUT_OF_RANGE` is a value that does not fit its field; `ERR_INVALID_*` is a value of the wrong shape.
 */
export const BPF_ASM_ERROR_CODES = [
  'ERR_OUT_OF_RANGE',
  'ERR_INVALID_ARGUMENT',
  'ERR_INVALID_LENGTH',
  'ERR_INVALID_INSTRUCTION',
  'ERR_UNRESOLVED',
  'ERR_DUPLICATE_LABEL',
  'ERR_MISSING_LABEL',
  'ERR_UNREACHABLE',
  'ERR_LINT',
  'ERR_SYNTAX',
  'ERR_LAYOUT',
  'ERR_BTF',
  'ERR_ELF',
  'ERR_TRAP',
  'ERR_STEP_LIMIT',
  'ERR_UNSUPPORTED',
  'ERR_LANGUAGE',
  'ERR_LICENCE',
  'ERR_HELPER',
  'ERR_COMPILE',
] as const;

/** One of {@link BPF_ASM_ERROR_CODES}. */
export type BpfAsmErrorCode = (typeof BPF_ASM_ERROR_CODES)[number];

/** Where an error was found and what to do about it. Every field is present only where it means something. */
export interface BpfAsmErrorContext {
  /** Index of the instruction in the list that was given (a 64-bit immediate load counts once). */
  readonly instruction?: number;
  /** Name of the field that is wrong, as the instruction type spells it. */
  readonly field?: string;
  /** Byte offset into the bytes that were read. */
  readonly byteOffset?: number;
  /** Line in the text that was parsed, from 1. */
  readonly line?: number;
  /** Column in the text that was parsed, from 1. */
  readonly column?: number;
  /** The address that an access was refused at, as the register held it. */
  readonly address?: bigint;
  /** Bytes that the access would have read or written. */
  readonly size?: number;
  /** The place in the author's source that asked for the instruction. */
  readonly source?: SourcePosition;
  /** What to do about it, in one sentence. */
  readonly hint?: string;
  /** The error that led to this one. */
  readonly cause?: unknown;
}

/** The one error class of this package. Tell it by {@link isBpfAsmError}: two copies of the class can meet in one process. */
export class BpfAsmError extends Error {
  readonly code: BpfAsmErrorCode;
  readonly instruction: number | undefined;
  readonly field: string | undefined;
  readonly byteOffset: number | undefined;
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly address: bigint | undefined;
  readonly size: number | undefined;
  readonly source: SourcePosition | undefined;
  readonly hint: string | undefined;

  /**
   * @param code - what kind of failure it is.
   * @param message - what was wrong, with the value; the position and the hint are appended.
   * @param context - where, and what to do.
   */
  constructor(code: BpfAsmErrorCode, message: string, context: BpfAsmErrorContext = {}) {
    super(describe(message, context), context.cause === undefined ? undefined : { cause: context.cause });
    this.name = 'BpfAsmError';
    this.code = code;
    this.instruction = context.instruction;
    this.field = context.field;
    this.byteOffset = context.byteOffset;
    this.line = context.line;
    this.column = context.column;
    this.address = context.address;
    this.size = context.size;
    this.source = context.source;
    this.hint = context.hint;
  }
}

function describe(
  message: string,
  { instruction, byteOffset, line, column, source, hint }: BpfAsmErrorContext,
): string {
  const where: string[] = [];
  if (line !== undefined) where.push(column === undefined ? `line ${line}` : `line ${line}, column ${column}`);
  if (instruction !== undefined) where.push(`instruction ${instruction}`);
  if (byteOffset !== undefined) where.push(`byte ${byteOffset}`);
  if (source !== undefined) where.push(`${source.file}:${source.line}`);
  return `${message}${where.length > 0 ? ` (${where.join(', ')})` : ''}${hint === undefined ? '' : `; ${hint}`}`;
}

/**
 * Tells whether `error` is a {@link BpfAsmError}, of this copy of the package or another.
 *
 * @param error - anything that was thrown.
 * @param code - if given, the error must also carry this code.
 * @example
 * ```ts
 * try { encode(program) } catch (e) { if (isBpfAsmError(e, 'ERR_OUT_OF_RANGE')) console.log(e.field) }
 * ```
 */
export function isBpfAsmError(error: unknown, code?: BpfAsmErrorCode): error is BpfAsmError {
  return (
    error instanceof Error &&
    error.name === 'BpfAsmError' &&
    'code' in error &&
    (code === undefined ? (BPF_ASM_ERROR_CODES as readonly unknown[]).includes(error.code) : error.code === code)
  );
}

/**
 * Checks what types cannot promise to a caller in JavaScript: that there is a list, and that it is of objects.
 *
 * @param list - what was given.
 * @param what - what the list is of, in the plural.
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` that says which element is none.
 */
export function checkObjects(list: unknown, what: string): void {
  if (!Array.isArray(list)) throw new BpfAsmError('ERR_INVALID_ARGUMENT', `the ${what} are not an array`);
  const index = list.findIndex((element) => typeof element !== 'object' || element === null);
  if (index >= 0) throw new BpfAsmError('ERR_INVALID_ARGUMENT', `element ${index} of the ${what} is no object`);
}
