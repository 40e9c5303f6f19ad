import { mappedIpv6, when, type BytesValue, type Ended, type Ip, type Transport, type Value } from 'bpf-asm';
import { counterIndex, counters, events, TrafficRecord, type DIRECTION, type Verdict } from '../maps.ts';
import type { AppFacts } from './facts.ts';
import type { Tools } from './tools.ts';

/** A packet of a pod, as far as everyone wants to know of it. */
export interface PodPacket {
  readonly direction: keyof typeof DIRECTION;
  readonly ip: Ip;
  readonly transport: Transport;
  /** The pod's slot. */
  readonly slot: Value<'u32'>;
  /** Its ports, as far as they were read: zero where it has none. */
  readonly ports?: PacketPorts;
}

/** Ports in a packet. */
export interface PacketPorts {
  readonly source: Value<'be16'>;
  readonly destination: Value<'be16'>;
}

/** Says what becomes of a packet: counts it, tells of it if it is sampled, and ends its path. */
export function verdict(
  tools: Tools,
  { sample }: Pick<AppFacts, 'sample'>,
  packet: PodPacket,
  reason: Verdict,
  end: () => Ended,
): Ended {
  const { skb, count } = tools;
  const what = counterIndex(0, packet.direction, packet.ip.version === 4 ? 'ipv4' : 'ipv6', reason);
  count(counters, packet.slot.shl(6).or(what), { packets: 1, bytes: skb.len });
  if (sample !== undefined) {
    const isSampled =
      sample === 1 ||
      tools.helpers
        .getPrandomU32()
        .and(sample - 1)
        .eq(0);
    when(isSampled, () => tell(tools, packet, what));
  }
  return end();
}

function tell({ skb, reserve, helpers }: Tools, { ip, transport, slot, ports }: PodPacket, what: number): void {
  const address = (end: 'source' | 'destination'): BytesValue<'ipv6'> =>
    ip.version === 4 ? mappedIpv6(ip[end]) : ip[end];
  reserve(events, TrafficRecord).ifPresent((event) => {
    event.submit({
      time: helpers.ktimeGetNs(),
      source: address('source'),
      destination: address('destination'),
      sourcePort: ports?.source ?? 0,
      destinationPort: ports?.destination ?? 0,
      protocol: transport.protocol,
      what,
      slot: slot.u16(),
      length: skb.len,
      ifindex: skb.ifindex,
    });
  });
}
