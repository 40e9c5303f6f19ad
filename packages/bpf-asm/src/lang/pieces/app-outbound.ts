import type { Program } from '../../asm/index.ts';
import {
  any,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPv4,
  IPv6,
  match,
  not,
  Ports,
  schedCls,
  when,
  type Ended,
  type Ip,
} from '../index.ts';
import { VERDICT, verdicts } from './layouts.ts';

/** What is fixed for a pod and its node when the program is made: all of it becomes immediates. */
export interface OutboundFacts {
  /** The proxy's device on the node. */
  readonly proxy: number;
  /** The pod's own addresses; a packet from another one is forged. */
  readonly addresses4: readonly string[];
  readonly addresses6?: readonly string[];
  /** Destinations that are not captured. */
  readonly bypass4?: string;
  readonly bypass6?: string;
  /** Whether DNS is captured as well. */
  readonly dns?: boolean;
  /** Whether verdicts are counted. */
  readonly count?: boolean;
}

/**
 * What leaves a pod, at the tc ingress hook of its host-side veth: TCP, and DNS if wanted, goes to the proxy.
 *
 * @param facts - a family or a feature that is not in them leaves no instruction.
 */
export function appOutbound(facts: OutboundFacts): Program {
  return schedCls('app_outbound', { licence: 'Apache-2.0' }, ({ skb, next, drop, redirectPeer, count }) => {
    const eth = skb.parse(Ethernet, next);
    const ipv4 = { [ETH_P_IP]: () => capture(skb.parse(IPv4, next), facts.bypass4, facts.addresses4) };
    const { addresses6 } = facts;
    if (addresses6 === undefined) return match(eth.type, ipv4, next);
    return match(
      eth.type,
      { ...ipv4, [ETH_P_IPV6]: () => capture(skb.parse(IPv6, next), facts.bypass6, addresses6) },
      next,
    );

    function capture(ip: Ip, bypass: string | undefined, own: readonly string[]): Ended {
      const { protocol, hasPorts } = ip.transport(next);
      if (facts.dns !== true) when(protocol.ne(IPPROTO_TCP), next);
      else {
        when(protocol.ne(IPPROTO_TCP), () => {
          when(any(protocol.ne(IPPROTO_UDP), not(hasPorts)), next);
          when(skb.parse(Ports, next).destination.ne(53), next);
        });
      }
      if (bypass !== undefined) when(ip.destination.within(bypass), () => verdict('bypassed', next));
      when(not(any(...own.map((address) => ip.source.eq(address)))), () => verdict('spoofed', drop));
      return verdict('captured', () => redirectPeer(facts.proxy));
    }

    function verdict(reason: keyof typeof VERDICT, end: () => Ended): Ended {
      if (facts.count === true) count(verdicts, VERDICT[reason], 1);
      return end();
    }
  });
}
