import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { AmbientRedirectError } from '../error.ts';
import { POD_ARRAY_SPAN } from '../maps.ts';
import type { NodeFacts } from './facts.ts';

/** Where a pod's entry is: in `pod_array` by an index, or in `pod_hash` by an address in the form that its key has. */
export type PodPlace = { readonly array: number } | { readonly hash: string };

const FAMILIES = {
  ipv4: { layout: ipv4Address, bits: 32, first: 0 },
  ipv6: { layout: ipv6Address, bits: 128, first: POD_ARRAY_SPAN },
} as const;

/** Bits of host part that the array has room for. */
const MOST_HOST_BITS = Math.log2(POD_ARRAY_SPAN);

/** How programs find the index of an address of the node's own prefix. */
export interface ArrayPrefix {
  /** The prefix, in its usual form. */
  readonly prefix: string;
  /** Bits of the address' last 16 that tell pods apart. */
  readonly hostMask: number;
  /** Index of the prefix' first address. */
  readonly first: number;
}

/**
 * The node's prefix of a family, if it has one, as programs and the engine use it.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when it is no prefix, has more than 16 bits of host part, or bits set in it
 */
export function arrayPrefix(podCidrs: NodeFacts['podCidrs'], family: 'ipv4' | 'ipv6'): ArrayPrefix | undefined {
  const prefix = podCidrs[family];
  if (prefix === undefined) return undefined;
  const { layout, bits, first } = FAMILIES[family];
  const { address = '', length = '' } = /^(?<address>[^/]+)\/(?<length>\d{1,3})$/.exec(prefix)?.groups ?? {};
  const hostBits = bits - Number(length);
  const isPrefix = layout.check(address) === undefined && length !== '' && hostBits >= 0;
  const hostMask = 2 ** hostBits - 1;
  if (isPrefix && hostBits <= MOST_HOST_BITS && (lastBits(layout.encode(address)) & hostMask) === 0) {
    return { prefix, hostMask, first };
  }
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `'${prefix}' cannot be the node's ${family} pod prefix`, {
    hint: `give its first address and a length of ${bits - MOST_HOST_BITS} to ${bits}`,
  });
}

/**
 * Where the engine puts a pod's entry for one of its addresses, and `findPod` looks for it.
 *
 * @param podCidrs - as in the facts that the programs are made of.
 * @param address - of either family.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when it is no address, or a prefix is none that the array has room for
 */
export function podPlace(podCidrs: NodeFacts['podCidrs'], address: string): PodPlace {
  const family = address.includes(':') ? 'ipv6' : 'ipv4';
  const { layout } = FAMILIES[family];
  if (layout.check(address) !== undefined) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `'${address}' is no IPv4 or IPv6 address`, { address });
  }
  const bytes = layout.encode(address);
  const own = arrayPrefix(podCidrs, family);
  if (own === undefined || !isWithin(bytes, own, layout.encode(own.prefix.split('/')[0] ?? ''))) {
    return { hash: family === 'ipv4' ? `::ffff:${address}` : ipv6Address.decode(bytes) };
  }
  return { array: own.first + (lastBits(bytes) & own.hostMask) };
}

/** Whether all bits but those of the host part are the prefix' own: these lie in the last two bytes. */
function isWithin(address: Uint8Array, { hostMask }: ArrayPrefix, network: Uint8Array): boolean {
  const rest = address.length - 2;
  if (address.subarray(0, rest).some((byte, at) => byte !== network[at])) return false;
  return (lastBits(address) & ~hostMask) === lastBits(network);
}

/** The last 16 bits of an address. */
function lastBits(address: Uint8Array): number {
  return new DataView(address.buffer, address.byteOffset).getUint16(address.length - 2);
}
