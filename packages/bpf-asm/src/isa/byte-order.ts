import { BpfAsmError } from '../error.ts';

/** Byte order of encoded instructions: that of the machine that runs them. */
export type ByteOrder = 'little' | 'big';

/** Options of `encode` and `decode`. */
export interface CodecOptions {
  /** Byte order of the encoded instructions; `little` where nothing is said. */
  readonly byteOrder?: ByteOrder;
}

/**
 * Reads the byte order from options.
 *
 * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when there is no such order.
 */
export function isLittle({ byteOrder = 'little' }: CodecOptions): boolean {
  if (byteOrder === 'little' || byteOrder === 'big') return byteOrder === 'little';
  throw new BpfAsmError('ERR_INVALID_ARGUMENT', `there is no byte order ${String(byteOrder)}`, {
    field: 'byteOrder',
    hint: 'little or big',
  });
}
