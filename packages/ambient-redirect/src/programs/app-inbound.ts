import {
  all,
  any,
  bytes,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  Icmp,
  IPPROTO_FRAGMENT,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPv4,
  IPv6,
  match,
  not,
  schedCls,
  struct,
  u8,
  when,
  type Condition,
  type Ended,
  type Ip,
  type Program,
} from 'bpf-asm';
import { direct, exempt, POD_FLAG, type Verdict } from '../maps.ts';
import {
  capturesAll,
  laterSegment,
  newConnection,
  noteNew,
  notesAll,
  type Connection,
  type Fates,
} from './connection.ts';
import type { AppFacts, ProxyEnd } from './facts.ts';
import { findPod } from './find-pod.ts';
import { isConnectedIn } from './other-proxy.ts';
import { isWithin } from './prefixes.ts';
import { isExcluded } from './rules.ts';
import { flowOf, readSegment, readUdpPorts, type Segment } from './segment.ts';
import { LICENCE, readHeaders } from './tools.ts';
import { verdict, type PodPacket } from './verdict.ts';

/** Errors that tell of a packet by its first bytes: unreachable, too long, expired, malformed (RFC 792; RFC 4443 section 3). */
const ERRORS = { 4: [3, 11, 12], 6: [1, 2, 3, 4] } as const;

/** Fragment header of IPv6 (RFC 8200 section 4.5), as far as it is looked at. */
const Fragment = struct('frag_hdr', { nextHeader: u8, rest: bytes(7) });

/**
 * What is on its way to a pod, at the tc egress hook of the host's end of its interface: TCP goes to the proxy, unless the proxy sent it, or the host.
 *
 * @param facts - all of them become constants; a rule, mode or feature that is not in them leaves no instruction.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for ports and pod prefixes that are none; BpfAsmError `ERR_LANGUAGE` for addresses and other prefixes
 */
export function appInbound(facts: AppFacts): Program {
  const { node, policy, proxy } = facts;
  const present = 'away' in proxy ? undefined : proxy;
  const proxies: readonly ProxyEnd[] =
    present === undefined ? [] : [present, ...(present.other ? [present.other] : [])];

  return schedCls('app_inbound', { licence: LICENCE }, (tools) => {
    const { skb, next, drop, redirect, helpers, lookup, remove, variable } = tools;
    when(skb.vlanPresent.ne(0), next);
    return readHeaders(tools, (short) => {
      const eth = skb.parse(Ethernet, short);
      return match(
        eth.type,
        {
          [ETH_P_IP]: () => arrives(skb.parse(IPv4, short)),
          [ETH_P_IPV6]: () => arrives(skb.parse(IPv6, short)),
        },
        next,
      );

      function arrives(ip: Ip): Ended {
        const pod = findPod(tools, node, ip.destination);
        when(pod.ifindex.ne(skb.ifindex), next);
        const transport = ip.transport(short);
        const packet: PodPacket = { direction: 'inbound', ip, transport, slot: pod.slot };
        const icmp = ip.version === 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
        return match(
          transport.protocol,
          { [IPPROTO_TCP]: () => segmentArrives(packet), [icmp]: () => icmpArrives(packet) },
          () => datagramArrives(packet),
        );
      }

      function datagramArrives(unread: PodPacket): Ended {
        const { transport } = unread;
        const packet =
          facts.sample === undefined ? unread : { ...unread, ports: readUdpPorts(tools, transport, short) };
        when(isFromProxy(), () => leave(packet, 'fromProxy'));
        return leave(packet, 'other');
      }

      /** An error may be about a packet that the proxy has sent in the pod's name: it must learn of it too, or it never finds the path's MTU. */
      function icmpArrives(packet: PodPacket): Ended {
        const { ip, transport } = packet;
        when(isFromProxy(), () => leave(packet, 'fromProxy'));
        if (proxies.length === 0) return leave(packet, 'other');
        when(transport.hasPorts, () => {
          const isError = skb.parse(Icmp, short).type.oneOf(...ERRORS[ip.version]);
          when(isError, () => {
            when(isAboutTcp(ip.version), () => verdict(tools, facts, packet, 'icmpCopied', copy));
          });
        });
        return leave(packet, 'other');
      }

      /** Whether the packet that an error tells of is one of TCP; of extension headers only that of a fragment is looked behind. */
      function isAboutTcp(version: Ip['version']): Condition {
        if (version === 4) return skb.parse(IPv4, short).protocol.eq(IPPROTO_TCP);
        const { nextHeader } = skb.parse(IPv6, short);
        const behind = variable(u8, nextHeader);
        when(nextHeader.eq(IPPROTO_FRAGMENT), () => behind.set(skb.parse(Fragment, short).nextHeader));
        return behind.get().eq(IPPROTO_TCP);
      }

      /** A copy goes to each proxy, the packet itself on to the pod. */
      function copy(): Ended {
        const own = eth.destination.copy();
        let header = eth;
        for (const { ifindex, mac } of proxies) {
          header.set({ destination: mac });
          helpers.cloneRedirect(ifindex, 0);
          header = skb.parse(Ethernet, next);
        }
        header.set({ destination: own });
        return next();
      }

      function segmentArrives(unread: PodPacket): Ended {
        const { ip, transport } = unread;
        const segment = readSegment(tools, transport, short);
        const packet = { ...unread, ports: segment };
        when(isFromProxy(), () => {
          if (notesAll(facts))
            when(segment.isSyn, () => void noteNew(tools, flowOf(tools, ip, segment, 'destination')));
          return leave(packet, 'fromProxy');
        });
        const isFromHost = (): Condition => isWithin(tools, ip.source, node.host);
        when(all(skb.ingressIfindex.eq(0), isFromHost), () => {
          // Its ports may have been those of a connection from elsewhere that was masqueraded.
          when(segment.isSyn, () => void remove(exempt, flowOf(tools, ip, segment, 'destination')));
          return leave(packet, 'host');
        });
        when(isWithin(tools, ip.source, node.bypass), () => leave(packet, 'bypassed'));
        when(segment.isSyn, () => {
          when(isFromHost(), () => begins(packet, segment, { isMasqueraded: true }));
          when(isForged(ip, segment), () => verdict(tools, facts, packet, 'spoofed', drop));
          return begins(packet, segment, { isMasqueraded: false });
        });
        if (capturesAll(facts)) return capture(packet, segment);
        return laterSegment(tools, facts, connectionOf(packet, segment), fatesOf(packet, segment));
      }

      function begins(
        packet: PodPacket,
        segment: Segment,
        { isMasqueraded }: { readonly isMasqueraded: boolean },
      ): Ended {
        const excluded = (): Condition => isExcluded(tools, policy.inbound, packet.ip.source, segment.destination);
        const how = { isExcluded: excluded, isMasqueraded };
        if (capturesAll(facts) && !isMasqueraded) return capture(packet, segment);
        return newConnection(tools, facts, connectionOf(packet, segment), fatesOf(packet, segment), how);
      }

      /**
       * A pod's own new connections have gone to the proxy at its own interface: one that comes by here instead is not its own. Unless its own
       * program let it pass, and noted that.
       */
      function isForged(ip: Ip, segment: Segment): Condition {
        // Without a proxy, pods' connections may be let pass, and what is dropped is dropped anyway.
        if (present === undefined) return any(false);
        const { flags } = findPod(tools, node, ip.source);
        const wasLetPass = (): Condition => {
          const flow = flowOf(tools, ip, segment, 'source');
          return any(lookup(exempt, flow).found, () => lookup(direct, flow).found);
        };
        return all(flags.hasAny(POD_FLAG.guard), () => not(wasLetPass()));
      }

      function connectionOf({ ip }: PodPacket, segment: Segment): Connection {
        return { flow: flowOf(tools, ip, segment, 'destination'), segment, sender: 'other' };
      }

      function fatesOf(packet: PodPacket, segment: Segment): Fates {
        return {
          captured: () => capture(packet, segment),
          excluded: () => leave(packet, 'excluded'),
          preserved: () => leave(packet, 'preserved'),
        };
      }

      function isFromProxy(): Condition {
        return any(
          ...proxies.map(
            ({ ifindex }) =>
              () =>
                skb.ingressIfindex.eq(ifindex),
          ),
        );
      }

      function leave(packet: PodPacket, reason: Verdict): Ended {
        return verdict(tools, facts, packet, reason, next);
      }

      function capture(packet: PodPacket, segment: Segment): Ended {
        if ('away' in proxy) {
          if (proxy.away === 'pass') return leave(packet, 'passedWithoutProxy');
          return verdict(tools, facts, packet, 'droppedWithoutProxy', drop);
        }
        const { other } = proxy;
        if (other !== undefined)
          when(isConnectedIn(tools, other.netnsId, packet.ip, segment), () => handTo(other, packet));
        return handTo(proxy, packet);
      }

      function handTo({ ifindex, mac, tags }: ProxyEnd, packet: PodPacket): Ended {
        return verdict(tools, facts, packet, 'captured', () => {
          eth.set({ destination: mac, ...(tags === undefined ? {} : { source: tags.inbound }) });
          return redirect(ifindex);
        });
      }
    });
  });
}
