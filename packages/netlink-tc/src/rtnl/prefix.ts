import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { NetlinkTcError } from '../error.ts';

/** Address families (`linux/socket.h`). */
export const AF = { UNSPEC: 0, INET: 2, INET6: 10 } as const;

/** An address family, by its usual name. */
export type Family = 'ipv4' | 'ipv6';

/** The number of a family; 0, which stands for all, where none is named. */
export function familyNumber(family: Family | undefined): number {
  return family === undefined ? AF.UNSPEC : family === 'ipv4' ? AF.INET : AF.INET6;
}

/** The family of a number. Families other than IP do not come here. */
export function familyName(number: number): Family {
  return number === AF.INET6 ? 'ipv6' : 'ipv4';
}

/**
 * The family of an address in text.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when it is no address
 */
export function familyOf(address: string): Family {
  if (ipv4Address.check(address) === undefined) return 'ipv4';
  if (ipv6Address.check(address) === undefined) return 'ipv6';
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `'${String(address)}' is no IPv4 or IPv6 address`);
}

/** An address with the number of its leading bits that count. */
export interface Prefix {
  readonly family: Family;
  readonly address: string;
  /** 0 to 32, or to 128. */
  readonly length: number;
}

/**
 * Reads `10.0.0.0/8`; without a length all bits count.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when it is no address, or the length too great for its family
 */
export function parsePrefix(text: string): Prefix {
  const [address = '', bits, ...rest] = String(text).split('/');
  const family = familyOf(address);
  const longest = family === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? longest : Number(bits);
  if (rest.length > 0 || !/^\d{1,3}$/.test(bits ?? '0') || length > longest) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `'${text}' is no prefix`, {
      hint: `write it like ${family === 'ipv4' ? "'10.0.0.0/8'" : "'fd00::/8'"}`,
    });
  }
  return { family, address, length };
}

/** Writes a prefix as text, with its length always. */
export function formatPrefix(address: string | undefined, length: number, family: number): string {
  return `${address ?? (family === AF.INET6 ? '::' : '0.0.0.0')}/${length}`;
}
