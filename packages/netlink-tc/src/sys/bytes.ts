import { NetlinkTcError } from '../error.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/**
 * Text as C wants it: UTF-8 and a zero byte.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` if the text has a zero byte itself
 */
export function cString(text: string): Uint8Array {
  if (text.includes('\0')) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'the text contains a zero byte');
  return encoder.encode(`${text}\0`);
}

/** The text before the first zero byte; bytes that are no UTF-8 become U+FFFD. */
export function textOf(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return decoder.decode(end < 0 ? bytes : bytes.subarray(0, end));
}
