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
  not,
  schedCls,
  Tcp,
  TCP_FLAG,
  when,
  type Condition,
  type Ended,
  type Ip,
  type Ipv6View,
  type Program,
} from 'bpf-asm';
import { direct, EXEMPT, exempt, POD_FLAG } from '../maps.ts';
import type { HostInFacts } from './facts.ts';
import { findPod } from './find-pod.ts';
import { isWithin } from './prefixes.ts';
import { flowOf, readPorts, readSegment } from './segment.ts';
import { LICENCE } from './tools.ts';
import { isTold, verdict, type JudgedPacket } from './verdict.ts';

/** `PACKET_HOST`: for this very machine. */
const PACKET_HOST = 0;

/**
 * `ztunnel_host_in`: what the proxy sends, at the tc ingress hook of the host's end of its interface. What is for a pod goes straight into it; all else
 * takes the usual way, which is open to that as well, so that nothing depends on this short cut.
 *
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` when a pod prefix of the node is none
 */
export function hostIn(facts: HostInFacts): Program {
  const { node, proxy, preserving } = facts;
  return schedCls('ztunnel_host_in', { licence: LICENCE }, (tools) => {
    const { skb, next, drop, redirectPeer, lookup, update, helpers } = tools;
    when(skb.vlanPresent.ne(0), next);
    return match(
      skb.parse(Ethernet, next).type,
      {
        [ETH_P_IP]: () => deliver(skb.parse(IPv4, next)),
        [ETH_P_IPV6]: () => {
          const ip = skb.parse(IPv6, next);
          dropRefusal(ip);
          return deliver(ip);
        },
      },
      next,
    );

    /**
     * While nobody listens, a connection that was captured must find silence, so that its SYN is tried again. But over IPv6 the proxy's kernel answers
     * it with a reset, in the name of whom it was for (tcp_v6_send_reset; over IPv4 it finds no route for that). It has no extension headers.
     */
    function dropRefusal(ip: Ipv6View): void {
      const { ipv6 } = proxy.addresses;
      when(ip.nextHeader.eq(IPPROTO_TCP), () => {
        const tcp = skb.parse(Tcp, next);
        const isRefusal = all(tcp.flags.eq(TCP_FLAG.RST | TCP_FLAG.ACK), () => tcp.sequence.eq(0));
        const isOwn = any(...ipv6.map((address) => ip.source.eq(address)), () => ip.source.within('fe80::/10'));
        when(
          all(isRefusal, () => not(isOwn)),
          drop,
        );
      });
    }

    function deliver(ip: Ip): Ended {
      const pod = findPod(tools, node, ip.destination);
      when(not(pod.flags.hasAny(POD_FLAG.deliver)), next);
      const isDraining = not(pod.flags.hasAny(POD_FLAG.classify));
      if (preserving) lookAtSegment(ip, isDraining);
      else when(isWithin(tools, ip.source, node.host), () => lookAtSegment(ip, isDraining));
      // Behind a bridge the packet may be addressed to a third party, and a pod's stack drops those.
      when(skb.pktType.ne(PACKET_HOST), () => {
        helpers.skbChangeType(PACKET_HOST);
      });
      const packet = isTold(facts, 'delivered') ? readAgain(ip.version) : { ip };
      const { slot, ifindex } = pod;
      return verdict(tools, facts, { direction: 'inbound', slot, ...packet }, 'delivered', () => redirectPeer(ifindex));
    }

    /** What is told of a packet, from its beginning: the paths before have read differently far. */
    function readAgain(version: Ip['version']): Pick<JudgedPacket, 'ip' | 'transport' | 'ports'> {
      skb.rewind();
      skb.parse(Ethernet, next);
      const ip = version === 4 ? skb.parse(IPv4, next) : skb.parse(IPv6, next);
      const transport = ip.transport(next);
      return { ip, transport, ports: readPorts(tools, transport, next) };
    }

    /** Whether what is sent to an address comes by here, since it is that of a pod whose connections are captured. */
    function isCaptured(address: Ip['source']): Condition {
      return findPod(tools, node, address).flags.hasAny(POD_FLAG.classify);
    }

    /**
     * A connection that its pod had before it was enrolled goes on by the node's stack, both ways: connection tracking must see both. Parts of packets
     * without ports could be of one. So does a new one that another pod opens to one that drains: it may outlast the latter's programs, and then
     * tracking would see the end of what it has not seen begin. The pod's program notes it.
     *
     * And the proxy speaks in the name of the caller. Where that is an address of the host, since the caller was masqueraded, the pod's answers would be
     * for the host itself: a new connection is noted, so that they come back to the proxy.
     */
    function lookAtSegment(ip: Ip, isDraining: Condition): void {
      const transport = ip.transport(next);
      when(transport.protocol.eq(IPPROTO_TCP), () => {
        if (preserving) when(not(transport.hasPorts), next);
        const segment = readSegment(tools, transport, next);
        const flow = flowOf(tools, ip, segment, 'destination');
        if (preserving) when(lookup(direct, flow).found, next);
        when(segment.isSyn, () => {
          when(
            isWithin(tools, ip.source, node.host),
            () => void update(exempt, flow, EXEMPT.masqueraded),
            () => {
              if (preserving) when(isDraining, () => void when(isCaptured(ip.source), next));
            },
          );
        });
      });
    }
  });
}
