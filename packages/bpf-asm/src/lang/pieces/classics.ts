import type { Program } from '../../asm/index.ts';
import {
  ipv4Address,
  ipv6Address,
  struct,
  u16,
  u32,
  u64,
  u8,
  type AddressLayout,
  type IntegerLayout,
  type StructLayout,
} from '../../layout/index.ts';
import {
  ETH_P_8021Q,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  hashMap,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPv4,
  IPv6,
  lpmTrieMap,
  match,
  not,
  percpuArrayMap,
  Ports,
  ringbufMap,
  schedCls,
  Vlan,
  when,
  xdp,
} from '../index.ts';
import { TunnelKey } from './layouts.ts';

type U8 = IntegerLayout<number, 'u8'>;
type U16 = IntegerLayout<number, 'u16'>;
type U32 = IntegerLayout<number, 'u32'>;
type U64 = IntegerLayout<bigint, 'u64'>;
type Ipv4Layout = AddressLayout<'ipv4'>;
type Ipv6Layout = AddressLayout<'ipv6'>;

/** What {@link printer} says of a packet. */
export const Line: StructLayout<{
  readonly source: Ipv4Layout;
  readonly destination: Ipv4Layout;
  readonly sourcePort: U16;
  readonly destinationPort: U16;
  readonly length: U16;
  readonly protocol: U8;
  readonly ttl: U8;
}> = struct('line', {
  source: ipv4Address,
  destination: ipv4Address,
  sourcePort: u16,
  destinationPort: u16,
  length: u16,
  protocol: u8,
  ttl: u8,
});

/** Where {@link printer} puts its lines. */
const lines = ringbufMap('lines', { size: 65536 });

/** Tells user space of every TCP and UDP packet over IPv4, behind a VLAN tag or not. */
export function printer(): Program {
  return schedCls('printer', { licence: 'Apache-2.0' }, ({ skb, next, reserve, variable }) => {
    const eth = skb.parse(Ethernet, next);
    when(eth.type.ne(ETH_P_IP), next);
    const ip = skb.parse(IPv4, next);
    when(ip.isFragmentTail, next);
    const { source, destination, protocol, ttl } = ip;
    const length = ip.totalLength.toHost();
    const [sourcePort, destinationPort] = [variable(u16, 0), variable(u16, 0)];
    when(protocol.oneOf(IPPROTO_TCP, IPPROTO_UDP), () => {
      const ports = skb.parse(Ports, next);
      sourcePort.set(ports.source.toHost());
      destinationPort.set(ports.destination.toHost());
    });
    reserve(lines, Line).ifPresent((line) => {
      line.submit({
        source,
        destination,
        protocol,
        ttl,
        length,
        sourcePort: sourcePort.get(),
        destinationPort: destinationPort.get(),
      });
    });
    return next();
  });
}

/** A virtual address in a tunnel. */
export const Vip4: StructLayout<{ readonly tunnel: U32; readonly address: Ipv4Layout }> = struct('vip4', {
  tunnel: u32,
  address: ipv4Address,
});

/** The same for IPv6. */
export const Vip6: StructLayout<{ readonly tunnel: U32; readonly address: Ipv6Layout }> = struct('vip6', {
  tunnel: u32,
  address: ipv6Address,
});

/** Virtual addresses that are shut, with the packets that were dropped for them. */
const shut4 = hashMap('shut4', { key: Vip4, value: u64, maxEntries: 1024 });

/** The same for IPv6. */
const shut6 = hashMap('shut6', { key: Vip6, value: u64, maxEntries: 1024 });

/** Drops what goes to a virtual address that is shut, told apart by the tunnel it came through. */
export function vipDrop(): Program {
  return schedCls('vip_drop', { licence: 'Apache-2.0' }, ({ skb, next, drop, room, helpers, lookup }) => {
    const tunnel = room(TunnelKey);
    when(helpers.skbGetTunnelKey(tunnel, 0).lt(0), next);
    const eth = skb.parse(Ethernet, next);
    return match(
      eth.type,
      {
        [ETH_P_IP]: () => {
          const address = skb.parse(IPv4, next).destination;
          lookup(shut4, { tunnel: tunnel.id, address }).orElse(next).atomicAdd(1);
          return drop();
        },
        [ETH_P_IPV6]: () => {
          const address = skb.parse(IPv6, next).destination;
          lookup(shut6, { tunnel: tunnel.id, address }).orElse(next).atomicAdd(1);
          return drop();
        },
      },
      next,
    );
  });
}

/** Packets and bytes of a protocol. */
export const Traffic: StructLayout<{ readonly packets: U64; readonly bytes: U64 }> = struct('traffic', {
  packets: u64,
  bytes: u64,
});

/** Traffic by protocol number of IP; what is no IP counts as 255. */
const traffic = percpuArrayMap('traffic', {
  value: Traffic,
  maxEntries: 256,
});

/** Counts packets and bytes by protocol, as early as can be. */
export function protocolCounter(): Program {
  return xdp('proto_count', { licence: 'Apache-2.0' }, ({ packet, pass, count, variable }) => {
    const protocol = variable(u32, 255);
    const eth = packet.parse(Ethernet, pass);
    match(eth.type, {
      [ETH_P_IP]: () => protocol.set(packet.parse(IPv4, pass).protocol),
      [ETH_P_IPV6]: () => protocol.set(packet.parse(IPv6, pass).nextHeader),
      [ETH_P_8021Q]: () => {
        const inner = packet.parse(Vlan, pass);
        when(inner.type.eq(ETH_P_IP), () => protocol.set(packet.parse(IPv4, pass).protocol));
      },
    });
    count(traffic, protocol.get(), { packets: 1 });
    return pass();
  });
}

/** A prefix of sources. */
export const Prefix4: StructLayout<{ readonly length: U32; readonly address: Ipv4Layout }> = struct('prefix4', {
  length: u32,
  address: ipv4Address,
});

/** What sources of a prefix may do. */
export const Rule: StructLayout<{ readonly lowPort: U16; readonly highPort: U16; readonly protocol: U8 }> = struct(
  'rule',
  {
    lowPort: u16,
    highPort: u16,
    protocol: u8,
  },
);

/** Rules by the longest prefix of the source. */
const rules = lpmTrieMap('rules', {
  key: Prefix4,
  value: Rule,
  maxEntries: 1024,
});

/** Lets TCP and UDP over IPv4 in only to the ports that the rule of the sender's prefix names. */
export function firewall(): Program {
  return xdp('firewall', { licence: 'Apache-2.0' }, ({ packet, pass, drop, lookup }) => {
    const eth = packet.parse(Ethernet, drop);
    when(eth.type.ne(ETH_P_IP), pass);
    const ip = packet.parse(IPv4, drop);
    when(ip.isFragmentTail, drop);
    when(not(ip.protocol.oneOf(IPPROTO_TCP, IPPROTO_UDP)), pass);
    const port = packet.parse(Ports, drop).destination.toHost();
    const rule = lookup(rules, { length: 32, address: ip.source }).orElse(drop);
    when(rule.protocol.ne(ip.protocol), drop);
    when(port.lt(rule.lowPort), drop);
    return when(port.gt(rule.highPort), drop, pass);
  });
}
