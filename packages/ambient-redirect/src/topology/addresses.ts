import { familyOf, IFA_F, listAddresses, type Address, type Family } from 'netlink-tc';
import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { AmbientRedirectError } from '../error.ts';
import type { Host } from './host.ts';

/** Addresses by family, each sorted and in its usual form (RFC 5952 for IPv6). */
export interface Addresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

const LAYOUT = { ipv4: ipv4Address, ipv6: ipv6Address } as const;
const IPV6_LINK_LOCAL = /^fe[89ab][0-9a-f]:/;

/**
 * The usual form of an address, so that the same addresses are the same text.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when it is no address
 */
export function normaliseAddress(address: string): string {
  let family: Family;
  try {
    family = familyOf(address);
  } catch (cause) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `'${String(address)}' is no IPv4 or IPv6 address`, {
      cause,
    });
  }
  const layout = LAYOUT[family];
  return layout.decode(layout.encode(address));
}

/** Sorts addresses into families, without repetition. They must be in their usual form. */
export function byFamily(addresses: Iterable<string>): Addresses {
  const all = [...new Set(addresses)].toSorted();
  return { ipv4: all.filter((each) => !each.includes(':')), ipv6: all.filter((each) => each.includes(':')) };
}

/** The addresses that others can reach: not loopback ones, not link-local ones, and none that turned out to be taken. */
export function reachable(addresses: readonly Address[]): Addresses {
  const useful = addresses.filter(({ address, flags, scope }) => {
    if ((flags & IFA_F.DADFAILED) !== 0 || scope === 'host') return false;
    return !IPV6_LINK_LOCAL.test(address) && !address.startsWith('127.') && address !== '::1';
  });
  return byFamily(useful.map(({ address }) => address));
}

/**
 * The host's own addresses, on all its interfaces: what it sends itself carries one of them. Link-local ones are left out: there
 * is one an interface, and each is known by its prefix `fe80::/10`.
 */
export async function hostAddresses(host: Host): Promise<Addresses> {
  return reachable(await host.socket.request(listAddresses()));
}
