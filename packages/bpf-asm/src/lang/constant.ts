import { ipv4Address, type IntegerName } from '../layout/index.ts';
import { languageError, show } from './language-error.ts';
import type { SourcePosition } from '../source.ts';
import { factsOf } from './types.ts';

/**
 * The content of a register for a constant of a type: checked against the type's range, and with its bytes swapped where the type is in network order.
 * Small signed numbers are two's complement in 32 bits, the upper half zero, as everywhere in the language.
 *
 * @throws BpfAsmError `ERR_LANGUAGE` when it is no integer, or out of range.
 */
export function constantPattern(type: IntegerName, literal: unknown, source?: SourcePosition): bigint {
  const { bits, signed, wire, width } = factsOf(type);
  const value = integerOf(type, literal, source);
  const [least, most] = signed
    ? [-(1n << BigInt(bits - 1)), (1n << BigInt(bits - 1)) - 1n]
    : [0n, (1n << BigInt(bits)) - 1n];
  if (value < least || value > most) {
    const hint =
      value < 0n && !signed
        ? `${type} has no negative numbers: subtract, or convert to a signed type`
        : 'convert the other side to a wider type, or give another constant';
    throw languageError(`${show(literal)} is out of the range of ${type}, ${least} to ${most}`, hint, source);
  }
  if (wire) return swapBytes(value, bits);
  return BigInt.asUintN(width, value);
}

/** `value` with its bytes in the other order. */
function swapBytes(value: bigint, bits: number): bigint {
  let swapped = 0n;
  for (let bit = 0n; bit < BigInt(bits); bit += 8n) swapped = (swapped << 8n) | ((value >> bit) & 0xffn);
  return swapped;
}

function integerOf(type: IntegerName, literal: unknown, source: SourcePosition | undefined): bigint {
  if (typeof literal === 'bigint') return literal;
  if (typeof literal === 'number' && Number.isSafeInteger(literal)) return BigInt(literal);
  if (typeof literal === 'string' && type === 'be32' && ipv4Address.check(literal) === undefined) {
    return ipv4Address.encode(literal).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }
  const forms = type === 'be32' ? "an integer or an address such as '10.0.0.1'" : 'an integer';
  throw languageError(`${show(literal)} is no constant of type ${type}`, `write ${forms}`, source);
}

/** A prefix such as `10.0.0.0/8`: its text before the slash, and its length. */
export interface Prefix {
  readonly address: string;
  readonly length: number;
}

/**
 * Takes a prefix apart.
 *
 * @param text - an address, a slash and a length.
 * @param bits - of an address of the family.
 * @throws BpfAsmError `ERR_LANGUAGE` when the length is missing or too long; the address is not looked at.
 */
export function parsePrefix(text: string, bits: number, source?: SourcePosition): Prefix {
  const match = /^(?<address>[^/]+)\/(?<length>\d{1,3})$/.exec(text)?.groups;
  const length = Number(match?.['length'] ?? Number.NaN);
  if (match?.['address'] !== undefined && length <= bits) return { address: match['address'], length };
  throw languageError(`${show(text)} is no prefix`, `write an address, a slash and a length up to ${bits}`, source);
}
