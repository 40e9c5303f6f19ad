import type { Program } from '../../asm/index.ts';
import {
  all,
  any,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPPROTO_TCP,
  IPv4,
  IPv6,
  match,
  schedCls,
  when,
  type Ended,
  type Ip,
} from '../index.ts';
import { VERDICT, verdicts } from './layouts.ts';

/** What is fixed for a node when the program is made. */
export interface InboundFacts {
  /** The proxy's device on the node, and the address at its other end. */
  readonly proxy: { readonly ifindex: number; readonly mac: string };
  /** The node's own addresses, from which its probes come. */
  readonly host4: readonly string[];
  readonly host6?: readonly string[];
  readonly count?: boolean;
}

/**
 * What is on its way to a pod, at the tc egress hook of its host-side veth: TCP goes to the proxy, unless the proxy sent it, or the node itself (probes).
 */
export function appInbound(facts: InboundFacts): Program {
  return schedCls('app_inbound', { licence: 'Apache-2.0' }, ({ skb, next, redirect, count }) => {
    const cameFrom = skb.ingressIfindex;
    when(cameFrom.eq(facts.proxy.ifindex), next);
    const eth = skb.parse(Ethernet, next);
    const ipv4 = { [ETH_P_IP]: () => capture(skb.parse(IPv4, next), facts.host4) };
    const { host6 } = facts;
    if (host6 === undefined) return match(eth.type, ipv4, next);
    return match(eth.type, { ...ipv4, [ETH_P_IPV6]: () => capture(skb.parse(IPv6, next), host6) }, next);

    function capture(ip: Ip, host: readonly string[]): Ended {
      when(ip.transport(next).protocol.ne(IPPROTO_TCP), next);
      const isProbe = all(cameFrom.eq(0), () => any(...host.map((address) => ip.source.eq(address))));
      when(isProbe, () => verdict('bypassed', next));
      eth.set({ destination: facts.proxy.mac });
      return verdict('captured', () => redirect(facts.proxy.ifindex));
    }

    function verdict(reason: keyof typeof VERDICT, end: () => Ended): Ended {
      if (facts.count === true) count(verdicts, VERDICT[reason], 1);
      return end();
    }
  });
}
