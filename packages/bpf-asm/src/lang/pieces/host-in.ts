import type { Program } from '../../asm/index.ts';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPv4,
  IPv6,
  mappedIpv6,
  match,
  schedCls,
  when,
  type Ended,
  type View,
} from '../index.ts';
import { type Pod, pods, pods4 } from './layouts.ts';

type PodView = View<{ [K in keyof typeof Pod.fields]: (typeof Pod.fields)[K]['layout'] }>;

/**
 * What the proxy sends to a pod of this node, at the tc ingress hook of the proxy's host-side veth: straight into the pod.
 *
 * @param families - IPv4 alone, with a key of 4 bytes; or both, with one key of 16 bytes for either.
 */
export function hostIn(families: 'ipv4' | 'both'): Program {
  return schedCls('host_in', { licence: 'Apache-2.0' }, ({ skb, next, lookup, redirectPeer }) => {
    const eth = skb.parse(Ethernet, next);
    if (families === 'ipv4') {
      when(eth.type.ne(ETH_P_IP), next);
      const ip = skb.parse(IPv4, next);
      return deliver(lookup(pods4, { address: ip.destination }).orElse(next));
    }
    return match(
      eth.type,
      {
        [ETH_P_IP]: () => {
          const ip = skb.parse(IPv4, next);
          return deliver(lookup(pods, { address: mappedIpv6(ip.destination) }).orElse(next));
        },
        [ETH_P_IPV6]: () => {
          const ip = skb.parse(IPv6, next);
          return deliver(lookup(pods, { address: ip.destination }).orElse(next));
        },
      },
      next,
    );

    function deliver(pod: PodView): Ended {
      when(pod.deliver.eq(0), next);
      return redirectPeer(pod.ifindex);
    }
  });
}
