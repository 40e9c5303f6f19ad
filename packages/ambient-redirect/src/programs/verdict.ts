import {
  bytes,
  choose,
  firstBytes,
  mappedIpv6,
  struct,
  when,
  type Assignable,
  type BytesValue,
  type Ended,
  type Ip,
  type Transport,
  type Value,
} from 'bpf-asm';
import {
  counterIndex,
  counters,
  events,
  proxyCounters,
  SNAPSHOT,
  SnapshotRecord,
  TrafficRecord,
  UNTOLD,
  type DIRECTION,
  type Verdict,
} from '../maps.ts';
import type { TellFacts } from './facts.ts';
import type { Tools } from './tools.ts';

/** Room for the first bytes of a packet. */
const Start = struct('start', { content: bytes(SNAPSHOT) });

/** A packet of a pod, as far as it is counted and told of. */
export interface JudgedPacket {
  readonly direction: keyof typeof DIRECTION;
  readonly ip: Ip;
  /** Zero is told in its place where it was not read. */
  readonly transport?: Transport;
  /** The pod's slot. */
  readonly slot: Value<'u32'>;
  /** Its ports, as far as they were read: zero where it has none. */
  readonly ports?: PacketPorts;
}

/** A packet of a pod, as far as everyone wants to know of it. */
export interface PodPacket extends JudgedPacket {
  readonly transport: Transport;
}

/** Ports in a packet. */
export interface PacketPorts {
  readonly source: Value<'be16'>;
  readonly destination: Value<'be16'>;
}

/** Says what becomes of a packet: counts it, tells of it if it is sampled, and ends its path. */
export function verdict(
  tools: Tools,
  facts: TellFacts,
  packet: JudgedPacket,
  reason: Verdict,
  end: () => Ended,
): Ended {
  const { skb, count } = tools;
  const what = counterIndex(0, packet.direction, packet.ip.version === 4 ? 'ipv4' : 'ipv6', reason);
  count(counters, packet.slot.shl(6).or(what), { packets: 1, bytes: skb.len });
  if (isTold(facts, reason)) {
    const { sample } = facts;
    const isSampled =
      sample === 1 ||
      tools.helpers
        .getPrandomU32()
        .and(sample - 1)
        .eq(0);
    when(isSampled, () => tell(tools, facts, packet, what));
  }
  return end();
}

/** Whether packets of a verdict are told of. */
export function isTold(facts: TellFacts, reason: Verdict): facts is TellFacts & { readonly sample: number } {
  return facts.sample !== undefined && (facts.verdicts?.includes(reason) ?? true);
}

function tell(tools: Tools, { snapshot = false }: TellFacts, packet: JudgedPacket, what: number): void {
  const { reserve, count } = tools;
  const untold = (): void => count(proxyCounters, UNTOLD, 1);
  if (!snapshot) {
    reserve(events, TrafficRecord).match({
      present: (event) => event.submit(recordOf(tools, packet, what)),
      absent: untold,
    });
    return;
  }
  const start = firstBytesOf(tools);
  reserve(events, SnapshotRecord).match({
    present: (event) => event.submit({ traffic: recordOf(tools, packet, what), packet: start }),
    absent: untold,
  });
}

function recordOf(
  { skb, helpers }: Tools,
  { ip, transport, slot, ports }: JudgedPacket,
  what: number,
): Assignable<typeof TrafficRecord> {
  const address = (end: 'source' | 'destination'): BytesValue<'ipv6'> =>
    ip.version === 4 ? mappedIpv6(ip[end]) : ip[end];
  return {
    time: helpers.ktimeGetNs(),
    source: address('source'),
    destination: address('destination'),
    sourcePort: ports?.source ?? 0,
    destinationPort: ports?.destination ?? 0,
    protocol: transport?.protocol ?? 0,
    what,
    slot: slot.u16(),
    length: skb.len,
    ifindex: skb.ifindex,
  };
}

/** The first bytes of the packet, copied from wherever they lie. */
function firstBytesOf({ skb, record, helpers }: Tools): BytesValue<'bytes'> {
  const { content } = record(Start);
  const length = choose(skb.len.lt(SNAPSHOT), skb.len, SNAPSHOT);
  // The mask changes nothing: it lets the verifier see that this is 1 to SNAPSHOT, whatever it has forgotten of the comparison.
  helpers.skbLoadBytes(
    0,
    firstBytes(
      content,
      length
        .sub(1)
        .and(SNAPSHOT - 1)
        .add(1),
    ),
  );
  return content;
}
