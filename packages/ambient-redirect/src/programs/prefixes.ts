import { any, mappedIpv6, type BytesValue, type Condition, type Value } from 'bpf-asm';
import { cidrs } from '../maps.ts';
import type { AppFacts, ByFamily } from './facts.ts';
import type { Tools } from './tools.ts';

/** An address of either family, in a packet. */
export type Address = Value<'be32'> | BytesValue<'ipv6'>;

/** Prefixes of a family up to which they are compared one by one: more are looked up. */
const MOST_COMPARED = 8;

/** Bits of a key of `cidrs` before the address: the set's number. */
const SET_BITS = 32;

/** A set of prefixes that programs look up in `cidrs`. */
export interface PrefixSet {
  /** Its number: it follows from the prefixes, so that programs that have the same ones share their set. */
  readonly set: number;
  readonly prefixes: readonly string[];
}

/**
 * Whether an address is of one of the prefixes.
 *
 * @param address - its family decides which of the prefixes count.
 * @param prefixes - addresses stand for themselves.
 */
export function isWithin({ lookup }: Pick<Tools, 'lookup'>, address: Address, prefixes: ByFamily): Condition {
  const isIpv6 = 'kind' in address;
  const wanted = usual(isIpv6 ? prefixes.ipv6 : prefixes.ipv4, isIpv6 ? 128 : 32);
  if (wanted.length <= MOST_COMPARED) return any(...wanted.map((prefix) => () => address.within(prefix)));
  const { set } = prefixSet(wanted);
  return any(() => {
    const key = { length: SET_BITS + 128, set, address: isIpv6 ? address : mappedIpv6(address) };
    return lookup(cidrs, key).found;
  });
}

/** The sets that programs made of these facts look up: they must be in `cidrs` before the programs run. */
export function prefixSets({ node, policy }: Pick<AppFacts, 'node'> & Partial<AppFacts>): readonly PrefixSet[] {
  const directions = policy === undefined ? [] : [policy.outbound, policy.inbound];
  const lists = [node.host, node.bypass, ...directions.flatMap((rules) => [rules.includeCidrs, rules.excludeCidrs])];
  const sets = new Map<number, PrefixSet>();
  for (const { ipv4, ipv6 } of lists) {
    for (const wanted of [usual(ipv4, 32), usual(ipv6, 128)]) {
      if (wanted.length <= MOST_COMPARED) continue;
      const one = prefixSet(wanted);
      sets.set(one.set, one);
    }
  }
  return [...sets.values()];
}

/** A key of `cidrs`. */
export interface PrefixKey {
  /** Bits of the set's number and of the prefix. */
  readonly length: number;
  readonly set: number;
  /** IPv4 mapped into IPv6. */
  readonly address: string;
}

/** The keys that stand for a set in `cidrs`; the values beside them do not matter. */
export function prefixKeys({ set, prefixes }: PrefixSet): readonly PrefixKey[] {
  return prefixes.map((prefix) => {
    const [address = '', length = ''] = prefix.split('/');
    const isIpv6 = address.includes(':');
    return {
      length: SET_BITS + Number(length) + (isIpv6 ? 0 : 96),
      set,
      address: isIpv6 ? address : `::ffff:${address}`,
    };
  });
}

/** Each prefix once, in order, addresses with their length. */
function usual(prefixes: readonly string[], bits: 32 | 128): readonly string[] {
  return [...new Set(prefixes.map((one) => (one.includes('/') ? one : `${one}/${bits}`)))].sort();
}

function prefixSet(prefixes: readonly string[]): PrefixSet {
  return { set: fnv1a(prefixes.join(' ')), prefixes };
}

/** FNV-1a of 32 bits. */
function fnv1a(text: string): number {
  let hash = 0x811c_9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return hash >>> 0;
}
