/**
 * Packets for tests, made by the same layouts that programs parse with.
 */
import { Ethernet, IPv4, IPv6, Tcp, Udp, Vlan } from '../src/lang/index.ts';

/** What a test says of a packet; the rest is ordinary. */
export interface PacketFacts {
  readonly source?: string;
  readonly destination?: string;
  readonly sourcePort?: number;
  readonly destinationPort?: number;
  readonly protocol?: number;
  /** Flags and offset of IPv4. */
  readonly fragment?: number;
  /** Bytes of options after the IPv4 header: a multiple of 4. */
  readonly options?: number;
  /** Extension headers of IPv6: type, and bytes with the first (the next header) left 0. */
  readonly extensions?: readonly (readonly [type: number, bytes: readonly number[]])[];
  readonly vlan?: number;
  /** Flags of TCP; SYN where nothing is said. */
  readonly flags?: number;
  /** What follows the IP headers, in place of a TCP or UDP header. */
  readonly payload?: Uint8Array;
}

/** Bytes one after the other. */
function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Addresses of the devices at both ends. */
export const MACS = { destination: '02:00:00:00:00:01', source: '02:00:00:00:00:02' } as const;

/** A frame of any type. */
export function frame(type: number, payload: Uint8Array, { vlan }: PacketFacts = {}): Uint8Array {
  if (vlan === undefined) return concat(Ethernet.encode({ ...MACS, type }), payload);
  return concat(Ethernet.encode({ ...MACS, type: 0x8100 }), Vlan.encode({ tag: vlan, type }), payload);
}

/** A TCP header, or the first bytes of a UDP one, by the protocol. */
function transport(facts: PacketFacts): Uint8Array {
  const { sourcePort = 40000, destinationPort = 80, protocol = 6, flags = 2, payload } = facts;
  if (payload !== undefined) return payload;
  const ports = { source: sourcePort, destination: destinationPort };
  if (protocol === 17) return Udp.encode({ ...ports, length: 8, checksum: 0 });
  return Tcp.layout.encode({
    ...ports,
    sequence: 1,
    acknowledgement: 0,
    dataOffset: 0x50,
    flags,
    window: 1000,
    checksum: 0,
    urgent: 0,
  });
}

/** An IPv4 packet with a TCP or UDP header in it. */
export function ipv4(facts: PacketFacts = {}): Uint8Array {
  const { source = '10.244.1.5', destination = '10.96.0.1', protocol = 6, fragment = 0, options = 0 } = facts;
  const header = IPv4.layout.encode({
    versionIhl: 0x45 + options / 4,
    tos: 0,
    totalLength: 40 + options,
    id: 1,
    fragment,
    ttl: 64,
    protocol,
    checksum: 0,
    source,
    destination,
  });
  return frame(0x0800, concat(header, new Uint8Array(options), transport(facts)), facts);
}

/** An IPv6 packet with a TCP or UDP header in it. */
export function ipv6(facts: PacketFacts = {}): Uint8Array {
  const { source = 'fd00:1::5', destination = 'fd00:2::1', protocol = 6, extensions = [] } = facts;
  const header = IPv6.layout.encode({
    versionClassFlow: 0x60000000,
    payloadLength: 20,
    nextHeader: extensions[0]?.[0] ?? protocol,
    hopLimit: 64,
    source,
    destination,
  });
  const chain = extensions.map(([, bytes], index) => {
    const part = Uint8Array.from(bytes);
    part[0] = extensions[index + 1]?.[0] ?? protocol;
    return part;
  });
  return frame(0x86dd, concat(header, ...chain, transport(facts)), facts);
}
