import {
  all,
  any,
  be16,
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
  u32,
  when,
  type Condition,
  type Ended,
  type Ip,
  type MemoryArgument,
  type Program,
  type Socket,
  type Value,
} from 'bpf-asm';
import { proxyCounters, STEERED } from '../maps.ts';
import type { ProxyPorts } from '../ports.ts';
import type { TproxyFacts } from './facts.ts';
import { connectionTuple, listenerTuple, TCP_STATE, THIS_NETNS } from './socket-tuple.ts';
import { LICENCE } from './tools.ts';

const DNS_PORT = 53;

/**
 * `ztunnel_tproxy`: at the tc ingress hook of the proxy's own interface, where `ztunnel_steer` cannot be used. The source MAC address says that a packet
 * was captured, and where: it is given to the socket of its connection, else to the listener it is for. What was captured and finds no socket is dropped,
 * so that nothing goes past the proxy.
 */
export function tproxy({ ports, proxy, tags, dns, mark }: TproxyFacts): Program {
  return schedCls('ztunnel_tproxy', { licence: LICENCE }, (tools) => {
    const { skb, next, drop, helpers, count, variable } = tools;
    when(skb.vlanPresent.ne(0), next);
    const eth = skb.parse(Ethernet, next);
    const isOutbound = variable(u32, 1);
    when(not(eth.source.eq(tags.outbound)), () => {
      when(not(eth.source.eq(tags.inbound)), next);
      isOutbound.set(0);
    });
    return match(
      eth.type,
      { [ETH_P_IP]: () => give(skb.parse(IPv4, refuse)), [ETH_P_IPV6]: () => give(skb.parse(IPv6, refuse)) },
      next,
    );

    function give(ip: Ip): Ended {
      // What pods have for the proxy itself, such as its metrics, was captured with the rest.
      when(any(...isOwn(ip)), next);
      const connection = connectionTuple(tools, ip);
      const { protocol, hasPorts } = ip.transport(refuse);
      // The stack puts fragments together before it looks for their socket, and finds only those that are connected.
      when(not(hasPorts), next);
      return match(protocol, { [IPPROTO_TCP]: tcp, ...(dns ? { [IPPROTO_UDP]: udp } : {}) }, next);

      function tcp(): Ended {
        const { source, destination } = skb.parse(Ports, refuse);
        connection.set({ sourcePort: source, destinationPort: destination });
        helpers.skcLookupTcp(connection, THIS_NETNS, 0).ifPresent((socket) => {
          when(socket.fields.state.ne(TCP_STATE.listen), () => assign(socket, STEERED.established));
        });
        const [port, what] = [variable(be16, ports.plaintext), variable(u32, STEERED.plaintext)];
        const aim = (purpose: keyof ProxyPorts): void => {
          port.set(ports[purpose]);
          what.set(STEERED[purpose]);
        };
        when(
          isOutbound.get().ne(0),
          () => {
            aim('outbound');
            when(
              all(dns, () => destination.eq(DNS_PORT)),
              () => aim('dns'),
            );
          },
          () => {
            when(destination.eq(ports.hbone), () => aim('hbone'));
          },
        );
        const listener = helpers.skcLookupTcp(anywhere(port.get()), THIS_NETNS, 0).orElse(refuse);
        return assign(listener, what.get());
      }

      function udp(): Ended {
        const { destination } = skb.parse(Ports, refuse);
        when(
          any(isOutbound.get().eq(0), () => destination.ne(DNS_PORT)),
          next,
        );
        const listener = helpers.skLookupUdp(anywhere(ports.dns), THIS_NETNS, 0).orElse(refuse);
        return assign(listener, STEERED.dns);
      }

      /** What finds a listener by its port alone. */
      function anywhere(port: number | Value<'be16'>): MemoryArgument {
        const tuple = listenerTuple(tools, ip);
        tuple.set({ destinationPort: port });
        return tuple;
      }
    }

    function isOwn(ip: Ip): (() => Condition)[] {
      const { ipv4, ipv6 } = proxy.addresses;
      if (ip.version === 4) return ipv4.map((own) => () => ip.destination.eq(own));
      return ipv6.map((own) => () => ip.destination.eq(own));
    }

    function assign(socket: Socket, what: number | Value<'u32'>): Ended {
      when(helpers.skAssign(socket, 0).ne(0), () => refuse('wrongFamily'));
      skb.set({ mark: skb.mark.and(~mark.mask >>> 0).or((mark.value & mark.mask) >>> 0) });
      count(proxyCounters, what, 1);
      return next();
    }

    function refuse(why: 'noListener' | 'wrongFamily' = 'noListener'): Ended {
      count(proxyCounters, STEERED[why], 1);
      return drop();
    }
  });
}
