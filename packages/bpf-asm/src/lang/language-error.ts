import { BpfAsmError, type BpfAsmErrorCode } from '../error.ts';
import type { SourcePosition } from '../source.ts';

/**
 * The error for a program that makes no sense.
 *
 * @param message - what is wrong.
 * @param hint - what to write instead.
 * @param source - the author's line.
 * @param code - `ERR_LANGUAGE` where nothing is said.
 */
export function languageError(
  message: string,
  hint?: string,
  source?: SourcePosition,
  code: BpfAsmErrorCode = 'ERR_LANGUAGE',
): BpfAsmError {
  return new BpfAsmError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(source === undefined ? {} : { source }),
  });
}

/** A value in a message: short. */
export function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'string') return JSON.stringify(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === 'object' && value !== null) return `a ${value.constructor?.name ?? 'object'}`;
  return typeof value === 'function' ? 'a function' : String(value);
}
