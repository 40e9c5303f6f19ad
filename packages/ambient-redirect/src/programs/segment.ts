import {
  all,
  be16,
  IPPROTO_TCP,
  IPPROTO_UDP,
  mappedIpv6,
  Ports,
  Tcp,
  TCP_FLAG,
  u8,
  when,
  type BytesValue,
  type Condition,
  type Ended,
  type Ip,
  type Transport,
  type Value,
  type View,
} from 'bpf-asm';
import { Flow } from '../maps.ts';
import type { Tools } from './tools.ts';
import type { PacketPorts } from './verdict.ts';

/** What a TCP segment says of its connection; all zero in a part of a packet that has no ports. */
export interface Segment extends PacketPorts {
  /** Bits of `TCP_FLAG`. */
  readonly flags: Value<'u8'>;
  /** It asks for a new connection. */
  readonly isSyn: Condition;
}

/** Reads the segment that follows. */
export function readSegment({ skb, variable }: Tools, { hasPorts }: Transport, short: () => Ended): Segment {
  const [source, destination, flags] = [variable(be16, 0), variable(be16, 0), variable(u8, 0)];
  when(hasPorts, () => {
    const tcp = skb.parse(Tcp, short);
    source.set(tcp.source);
    destination.set(tcp.destination);
    flags.set(tcp.flags);
  });
  return {
    source: source.get(),
    destination: destination.get(),
    flags: flags.get(),
    isSyn: flags
      .get()
      .and(TCP_FLAG.SYN | TCP_FLAG.ACK)
      .eq(TCP_FLAG.SYN),
  };
}

/** Reads the ports of a UDP packet; zero in others, and in a part of a packet that has none. */
export function readUdpPorts(tools: Tools, transport: Transport, short: () => Ended): PacketPorts {
  return portsOf(tools, transport, [IPPROTO_UDP], short);
}

/** Reads the ports of TCP and UDP; zero in others, and in a part of a packet that has none. */
export function readPorts(tools: Tools, transport: Transport, short: () => Ended): PacketPorts {
  return portsOf(tools, transport, [IPPROTO_TCP, IPPROTO_UDP], short);
}

function portsOf(
  { skb, variable }: Tools,
  { protocol, hasPorts }: Transport,
  protocols: readonly number[],
  short: () => Ended,
): PacketPorts {
  const [source, destination] = [variable(be16, 0), variable(be16, 0)];
  when(
    all(protocol.oneOf(...protocols), () => hasPorts),
    () => {
      const ports = skb.parse(Ports, short);
      source.set(ports.source);
      destination.set(ports.destination);
    },
  );
  return { source: source.get(), destination: destination.get() };
}

/** A key of maps of connections. */
export type FlowKey = View<{ [K in keyof typeof Flow.fields]: (typeof Flow.fields)[K]['layout'] }>;

/** The connection of a segment, as the pod at one of its ends sees it. */
export function flowOf({ record }: Tools, ip: Ip, segment: Segment, pod: 'source' | 'destination'): FlowKey {
  const other = pod === 'source' ? 'destination' : 'source';
  const address = (end: 'source' | 'destination'): BytesValue<'ipv6'> =>
    ip.version === 4 ? mappedIpv6(ip[end]) : ip[end];
  return record(Flow, { pod: address(pod), other: address(other), podPort: segment[pod], otherPort: segment[other] });
}
