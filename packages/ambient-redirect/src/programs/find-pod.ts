import { be16, mappedIpv6, u32, when, type BytesValue, type Toolbox, type Value } from 'bpf-asm';
import { podArray, podHash } from '../maps.ts';
import type { NodeFacts } from './facts.ts';
import { arrayPrefix } from './pod-place.ts';

/** What a program knows of the pod with an address; all zero where there is none. */
export interface FoundPod {
  /** The host's end of its interface. No packet has 0, so that comparing it with a packet's tells whether there is a pod as well. */
  readonly ifindex: Value<'u32'>;
  readonly slot: Value<'u32'>;
  /** Bits of `POD_FLAG`. */
  readonly flags: Value<'u32'>;
}

/** What {@link findPod} takes from the toolbox of a program of any type. */
export type FindPodTools = Pick<Toolbox<'sched_cls' | 'sk_lookup', string>, 'lookup' | 'variable'>;

/**
 * Looks up whose an address is: in the array where it is of the node's own prefix, else in the hash table. `podPlace` is the same for the engine.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when a prefix of the node is none that the array has room for
 * @example
 * ```ts
 * const pod = findPod(tools, facts.node, ip.source);
 * when(pod.ifindex.ne(skb.ifindex), drop);
 * ```
 */
export function findPod(
  { lookup, variable }: FindPodTools,
  { podCidrs }: Pick<NodeFacts, 'podCidrs'>,
  address: Value<'be32'> | BytesValue<'ipv6'>,
): FoundPod {
  const [ifindex, slot, flags] = [variable(u32, 0), variable(u32, 0), variable(u32, 0)];
  const take = (pod: {
    readonly ifindex: Value<'u32'>;
    readonly slot: Value<'u16'>;
    readonly flags: Value<'u16'>;
  }): void => {
    ifindex.set(pod.ifindex);
    slot.set(pod.slot);
    flags.set(pod.flags);
  };
  const isIpv6 = 'kind' in address;
  const own = arrayPrefix(podCidrs, isIpv6 ? 'ipv6' : 'ipv4');
  const inHash = (): void => lookup(podHash, { address: isIpv6 ? address : mappedIpv6(address) }).ifPresent(take);
  if (own === undefined) inHash();
  else {
    const inArray = (): void => {
      const last = isIpv6 ? address.part(be16, 14).toHost() : address.toHost();
      lookup(podArray, last.and(own.hostMask).add(own.first)).ifPresent(take);
    };
    when(isIpv6 ? address.within(own.prefix) : address.within(own.prefix), inArray, inHash);
  }
  return { ifindex: ifindex.get(), slot: slot.get(), flags: flags.get() };
}
