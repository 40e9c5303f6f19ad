import {
  all,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPPROTO_TCP,
  IPv4,
  IPv6,
  match,
  not,
  schedCls,
  u32,
  when,
  type Condition,
  type Ended,
  type Ip,
  type Program,
} from 'bpf-asm';
import { EXEMPT, exempt, interfaces, type Verdict } from '../maps.ts';
import { capturesAll, laterSegment, newConnection } from './connection.ts';
import type { AppFacts, ProxyEnd } from './facts.ts';
import { findPod } from './find-pod.ts';
import { isConnectedIn } from './other-proxy.ts';
import { isWithin } from './prefixes.ts';
import { isExcluded } from './rules.ts';
import { flowOf, readSegment, readUdpPorts, type Segment } from './segment.ts';
import { LICENCE, readHeaders } from './tools.ts';
import { verdict, type PodPacket } from './verdict.ts';

const DNS_PORT = 53;

/** `PACKET_HOST` (`include/uapi/linux/if_packet.h`): for whoever receives it. */
const PACKET_HOST = 0;

/**
 * What leaves a pod, at the tc ingress hook of the host's end of its interface: TCP, and DNS over UDP if the policy wants it, goes to the proxy.
 *
 * @param facts - all of them become constants; a rule, mode or feature that is not in them leaves no instruction.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for ports and pod prefixes that are none; BpfAsmError `ERR_LANGUAGE` for addresses and other prefixes
 */
export function appOutbound(facts: AppFacts): Program {
  const { node, policy, proxy, mode } = facts;
  const other = 'away' in proxy ? undefined : proxy.other;
  const rules = policy.outbound;
  const capturesDns = policy.dns && (mode === 'preserve' || mode === 'full');

  return schedCls('app_outbound', { licence: LICENCE }, (tools) => {
    const { skb, next, drop, redirectPeer, helpers, lookup, variable } = tools;
    when(skb.vlanPresent.ne(0), next);
    return readHeaders(tools, (short) => {
      const eth = skb.parse(Ethernet, short);
      return match(
        eth.type,
        {
          [ETH_P_IP]: () => leaves(skb.parse(IPv4, short)),
          [ETH_P_IPV6]: () => {
            const ip = skb.parse(IPv6, short);
            when(ip.destination.within('fe80::/10'), next);
            return leaves(ip);
          },
        },
        next,
      );

      function leaves(ip: Ip): Ended {
        const transport = ip.transport(short);
        const { slot, isForged } = senderOf(ip);
        const packet: PodPacket = { direction: 'outbound', ip, transport, slot };
        return when(
          transport.protocol.eq(IPPROTO_TCP),
          () => segmentLeaves(packet, isForged),
          () => datagramLeaves(packet, isForged),
        );
      }

      function datagramLeaves(unread: PodPacket, isForged: Condition): Ended {
        if (!capturesDns && facts.sample === undefined) return leave(unread, 'other');
        const { ip, transport } = unread;
        const ports = readUdpPorts(tools, transport, short);
        const packet = { ...unread, ports };
        if (!capturesDns) return leave(packet, 'other');
        const isQuery = all(ports.destination.eq(DNS_PORT), () => not(transport.isFragment));
        when(not(isQuery), () => leave(packet, 'other'));
        when(isWithin(tools, ip.destination, node.host), () => leave(packet, 'host'));
        when(isWithin(tools, ip.destination, node.bypass), () => leave(packet, 'bypassed'));
        when(isForged, () => verdict(tools, facts, packet, 'spoofed', drop));
        when(isExcluded(tools, rules, ip.destination, ports.destination), () => leave(packet, 'excluded'));
        return capture(packet, 'dns');
      }

      function segmentLeaves(unread: PodPacket, isForged: Condition): Ended {
        const { ip, transport } = unread;
        // Where every connection is captured, and no event is told, nobody asks for ports.
        const asksForPorts = !capturesAll(facts) || facts.sample !== undefined || other !== undefined;
        const early = asksForPorts ? readSegment(tools, transport, short) : undefined;
        const packet = early === undefined ? unread : { ...unread, ports: early };
        when(isWithin(tools, ip.destination, node.host), () => {
          const flow = flowOf(tools, ip, early ?? readSegment(tools, transport, short), 'source');
          const why = lookup(exempt, flow).orElse(() => leave(packet, 'host'));
          when(why.get().ne(EXEMPT.masqueraded), () => leave(packet, 'host'));
        });
        when(isWithin(tools, ip.destination, node.bypass), () => leave(packet, 'bypassed'));
        when(isForged, () => verdict(tools, facts, packet, 'spoofed', drop));
        if (early === undefined || capturesAll(facts)) return capture(packet, 'captured', early);
        return byItsConnection(packet, early);
      }

      function byItsConnection(packet: PodPacket, segment: Segment): Ended {
        const { ip } = packet;
        const connection = { flow: flowOf(tools, ip, segment, 'source'), segment, sender: 'pod' } as const;
        const fates = {
          captured: () => capture(packet, 'captured', segment),
          excluded: () => leave(packet, 'excluded'),
          preserved: () => leave(packet, 'preserved'),
        };
        const excluded = (): Condition => isExcluded(tools, rules, ip.destination, segment.destination);
        return when(
          segment.isSyn,
          () => newConnection(tools, facts, connection, fates, { isExcluded: excluded }),
          () => laterSegment(tools, facts, connection, fates),
        );
      }

      /** The slot of the pod that a packet comes from, by its source, which may be forged: then by the interface. */
      function senderOf(ip: Ip): { readonly slot: PodPacket['slot']; readonly isForged: Condition } {
        const pod = findPod(tools, node, ip.source);
        const [slot, forged] = [variable(u32, pod.slot), variable(u32, 0)];
        when(pod.ifindex.ne(skb.ifindex), () => {
          forged.set(1);
          lookup(interfaces, skb.ifindex).match({
            present: (known) => slot.set(known.get()),
            absent: () => slot.set(0),
          });
        });
        return { slot: slot.get(), isForged: forged.get().ne(0) };
      }

      function leave(packet: PodPacket, reason: Verdict): Ended {
        return verdict(tools, facts, packet, reason, next);
      }

      function capture(packet: PodPacket, reason: 'captured' | 'dns', segment?: Segment): Ended {
        if ('away' in proxy) {
          if (proxy.away === 'pass') return leave(packet, 'passedWithoutProxy');
          return verdict(tools, facts, packet, 'droppedWithoutProxy', drop);
        }
        if (other !== undefined && segment !== undefined)
          when(isConnectedIn(tools, other.netnsId, packet.ip, segment), () => handTo(other, packet, reason));
        return handTo(proxy, packet, reason);
      }

      function handTo({ ifindex, tags }: ProxyEnd, packet: PodPacket, reason: Verdict): Ended {
        return verdict(tools, facts, packet, reason, () => {
          if (tags !== undefined) eth.set({ source: tags.outbound });
          // A bridge's packets are for its own address; where the peer's kernel does not look again, it would drop them.
          when(skb.pktType.ne(PACKET_HOST), () => void helpers.skbChangeType(PACKET_HOST));
          return redirectPeer(ifindex);
        });
      }
    });
  });
}
