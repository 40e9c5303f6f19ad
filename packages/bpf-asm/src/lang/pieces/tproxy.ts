import type { Program } from '../../asm/index.ts';
import {
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  IPPROTO_TCP,
  IPv4,
  IPv6,
  match,
  Ports,
  schedCls,
  when,
  type MemoryArgument,
} from '../index.ts';
import { Tuple4, Tuple6 } from './layouts.ts';

/** What is fixed for the proxy when the program is made. */
export interface TproxyFacts {
  readonly families: 'ipv4' | 'both';
  /** Where connections from pods go: the listener's port, which any address has. */
  readonly port: number;
  /** The mark that tells the proxy's routing that the packet is its own. */
  readonly mark: number;
}

/** At the proxy's own device, where `sk_lookup` cannot be used: a packet is given to its connection's socket, else to the listener, and is dropped if there is none. */
export function tproxy(facts: TproxyFacts): Program {
  return schedCls('ztunnel_tproxy', { licence: 'Apache-2.0' }, ({ skb, next, drop, ok, record, helpers }) => {
    const eth = skb.parse(Ethernet, next);
    const ipv4 = {
      [ETH_P_IP]: () => {
        const ip = skb.parse(IPv4, next);
        when(ip.protocol.ne(IPPROTO_TCP), next);
        const { source, destination } = ip;
        const ports = skb.parse(Ports, drop);
        const tuple = record(Tuple4, {
          source,
          destination,
          sourcePort: ports.source,
          destinationPort: ports.destination,
        });
        give(tuple, () => record(Tuple4, { source: 0, destination: 0, sourcePort: 0, destinationPort: facts.port }));
        return ok();
      },
    };
    if (facts.families === 'ipv4') return match(eth.type, ipv4, next);
    return match(
      eth.type,
      {
        ...ipv4,
        [ETH_P_IPV6]: () => {
          const ip = skb.parse(IPv6, next);
          const { source, destination } = ip;
          when(ip.transport(next).protocol.ne(IPPROTO_TCP), next);
          const ports = skb.parse(Ports, drop);
          const tuple = record(Tuple6, {
            source,
            destination,
            sourcePort: ports.source,
            destinationPort: ports.destination,
          });
          give(tuple, () =>
            record(Tuple6, { source: '::', destination: '::', sourcePort: 0, destinationPort: facts.port }),
          );
          return ok();
        },
      },
      next,
    );

    function give(connection: MemoryArgument, listener: () => MemoryArgument): void {
      skb.set({ mark: facts.mark });
      helpers.skcLookupTcp(connection, THIS_NETNS, 0).match({
        present: (socket) => {
          when(helpers.skAssign(socket, 0).ne(0), drop);
        },
        absent: () => {
          const socket = helpers.skcLookupTcp(listener(), THIS_NETNS, 0).orElse(drop);
          when(helpers.skAssign(socket, 0).ne(0), drop);
        },
      });
    }
  });
}

/** `BPF_F_CURRENT_NETNS`. */
const THIS_NETNS = -1;
