import {
  arrayMap,
  be16,
  bytes,
  hashMap,
  ipv6Address,
  lpmTrieMap,
  lruHashMap,
  MAP_FLAG,
  percpuArrayMap,
  ringbufMap,
  sockmap,
  struct,
  u16,
  u32,
  u64,
  u8,
  type AddressLayout,
  type BytesLayout,
  type IntegerLayout,
  type MapHandle,
  type StructLayout,
} from 'bpf-asm';

type U8 = IntegerLayout<number, 'u8'>;
type U16 = IntegerLayout<number, 'u16'>;
type U32 = IntegerLayout<number, 'u32'>;
type U64 = IntegerLayout<bigint, 'u64'>;
type Be16 = IntegerLayout<number, 'be16'>;
type Ipv6 = AddressLayout<'ipv6'>;

/** Pods that can be enrolled at a time, one more than their slots: slot 0 stands for no pod. */
export const MAX_PODS = 512;

/** Bits of a pod's flags. */
export const POD_FLAG = {
  /** What the proxy sends to it goes straight into it. */
  deliver: 1,
  /** Its new connections that reach the proxy are outbound ones: not while it drains. */
  classify: 2,
  /** It opens no connection but through the proxy: a SYN from it elsewhere, that the proxy did not send, is forged. */
  guard: 4,
} as const;

/** What programs know of a pod, found by each of its addresses. All zero is no pod. */
export const Pod: StructLayout<{ readonly ifindex: U32; readonly slot: U16; readonly flags: U16 }> = struct('pod', {
  ifindex: u32,
  slot: u16,
  flags: u16,
});

/** An address of either family; IPv4 is mapped into IPv6 (RFC 4291 section 2.5.5.2). */
export const AddressKey: StructLayout<{ readonly address: Ipv6 }> = struct('address_key', { address: ipv6Address });

/** Addresses of one family that {@link podArray} has room for: 16 bits of host part. */
export const POD_ARRAY_SPAN = 0x1_0000;

/**
 * Pods by the host part of their address, for the node's own CIDRs: IPv4 in the first half, IPv6 in the second. The JIT inlines a look-up in
 * an array, which makes it nearly free; one in a hash table takes some 20 ns.
 */
export const podArray: MapHandle<'array', U32, typeof Pod> = arrayMap('pod_array', {
  value: Pod,
  maxEntries: 2 * POD_ARRAY_SPAN,
});

/** Pods by address, for those that are not of the node's own CIDRs. */
export const podHash: MapHandle<'hash', typeof AddressKey, typeof Pod> = hashMap('pod_hash', {
  key: AddressKey,
  value: Pod,
  maxEntries: 8192,
});

/** Slots of pods by the host's end of their interface, for where an address does not tell who it is: forged packets. */
export const interfaces: MapHandle<'hash', U32, U32> = hashMap('interfaces', {
  key: u32,
  value: u32,
  maxEntries: MAX_PODS,
});

/** A TCP connection as its pod sees it; ports in network byte order, IPv4 mapped into IPv6. 36 bytes without padding. */
export const Flow: StructLayout<{
  readonly pod: Ipv6;
  readonly other: Ipv6;
  readonly podPort: Be16;
  readonly otherPort: Be16;
}> = struct('flow', { pod: ipv6Address, other: ipv6Address, podPort: be16, otherPort: be16 });

/**
 * State of a connection that does not go by the proxy: each is 0 or 1, in a byte of its own, so that CPUs that write at the same time need no atomic
 * operation (these are from Linux 5.12).
 */
export const DirectFlow: StructLayout<{
  /** More was seen of it than its SYN and the answer to that. */
  readonly open: U8;
  /** The pod, or the other side, has sent its FIN. */
  readonly podFin: U8;
  readonly otherFin: U8;
}> = struct('direct_flow', { open: u8, podFin: u8, otherFin: u8 });

/**
 * Connections that run on past the proxy: they were open before their pod was enrolled, or began while it drained. The engine sweeps those
 * that have ended.
 */
export const direct: MapHandle<'hash', typeof Flow, typeof DirectFlow> = hashMap('direct', {
  key: Flow,
  value: DirectFlow,
  maxEntries: 0x1_0000,
  flags: MAP_FLAG.NO_PREALLOC,
});

/** Why a connection is in {@link exempt}. */
export const EXEMPT = {
  /** Its pod's policy excludes it: it goes past the proxy. */
  excluded: 1,
  /** It comes from elsewhere by an address of the host (masqueraded): it goes by the proxy, where the host's own would not. */
  masqueraded: 2,
} as const;

/** Connections that were told from others by their SYN, so that the packets after it fare alike. The oldest make room for new ones. */
export const exempt: MapHandle<'lru_hash', typeof Flow, U32> = lruHashMap('exempt', {
  key: Flow,
  value: u32,
  maxEntries: 0x8000,
});

/** What became of a packet, and why: the last bits of an index of {@link counters}. */
export const VERDICT = {
  /** Handed to the proxy. */
  captured: 0,
  /** A DNS query over UDP, handed to the proxy. */
  dns: 1,
  /** An ICMP error about a TCP connection: the pod gets it, the proxy a copy. */
  icmpCopied: 2,
  /** Straight into the pod, from the proxy. */
  delivered: 3,
  /** Sent by the proxy, to the pod, by way of the node's stack. */
  fromProxy: 4,
  /** Left alone: to or from the host itself, probes among it. */
  host: 5,
  /** Left alone: to or from an address that the node bypasses. */
  bypassed: 6,
  /** Left alone by the pod's policy. */
  excluded: 7,
  /** Left alone: of a connection that runs past the proxy until it ends. */
  preserved: 8,
  /** Left alone: no TCP, and no DNS that is captured. */
  other: 9,
  /** Let through because there is no proxy, as the operator wants it. */
  passedWithoutProxy: 10,
  /** Dropped because there is no proxy. */
  droppedWithoutProxy: 11,
  /** Dropped: it says it is from an address that its sender does not have. */
  spoofed: 12,
} as const;

/** One of {@link VERDICT}. */
export type Verdict = keyof typeof VERDICT;

/** Directions as a pod sees them, in an index of {@link counters}. */
export const DIRECTION = { outbound: 0, inbound: 1 } as const;

/**
 * In the place of a verdict in {@link counterIndex}: what counts no packets but TCP connections that the proxy was given. `ztunnel_steer` counts
 * them, once each.
 */
export const CONNECTION = 15;

/** Index in {@link counters}: 6 bits tell verdict, family and direction, the others are the pod's slot. */
export function counterIndex(
  slot: number,
  direction: keyof typeof DIRECTION,
  family: 'ipv4' | 'ipv6',
  what: Verdict | typeof CONNECTION,
): number {
  const last = typeof what === 'number' ? what : VERDICT[what];
  return (slot << 6) | (DIRECTION[direction] << 5) | (Number(family === 'ipv6') << 4) | last;
}

/** Packets and their bytes, link layer headers included. */
export const Counter: StructLayout<{ readonly packets: U64; readonly bytes: U64 }> = struct('counter', {
  packets: u64,
  bytes: u64,
});

/** Counters by pod, direction, family and verdict. */
export const counters: MapHandle<'percpu_array', U32, typeof Counter> = percpuArrayMap('counters', {
  value: Counter,
  maxEntries: MAX_PODS << 6,
});

/** What became of a connection (of a packet, with tproxy steering) at the proxy: index of {@link proxyCounters}. */
export const STEERED = {
  outbound: 0,
  hbone: 1,
  plaintext: 2,
  dns: 3,
  /** A packet of a connection that the proxy has: tproxy only. */
  established: 4,
  /** Dropped: nothing listens. */
  noListener: 5,
  /** Dropped: the listener does not take this family. */
  wrongFamily: 6,
} as const;

/** Where in {@link proxyCounters} it is counted that a packet could not be told of: the ring buffer had no room for its record. */
export const UNTOLD = 7;

/** Counters of the proxy's side, and {@link UNTOLD}. */
export const proxyCounters: MapHandle<'percpu_array', U32, U64> = percpuArrayMap('proxy_counters', {
  value: u64,
  maxEntries: 8,
});

/** Listeners of the proxy by purpose: each has a slot for IPv4 and, after it, one for IPv6. A dual-stack socket is in both. */
export const LISTENER = { outbound: 0, hbone: 2, plaintext: 4, dnsTcp: 6, dnsUdp: 8 } as const;

/** Slots that the listeners of one proxy take. */
export const LISTENER_SLOTS = 10;

/** Which of two proxies' listeners: one of them takes over from the other. */
export type ListenerBank = 0 | 1;

/** The listening sockets of a proxy, and of another one after them. One that is closed leaves its slot by itself. */
export const listeners: MapHandle<'sockmap', U32, undefined> = sockmap('listeners', { maxEntries: 2 * LISTENER_SLOTS });

/** A prefix of a set of prefixes. The set's number is part of what is matched: `length` counts its 32 bits too. */
export const CidrKey: StructLayout<{ readonly length: U32; readonly set: U32; readonly address: Ipv6 }> = struct(
  'cidr_key',
  { length: u32, set: u32, address: ipv6Address },
);

/** Sets of prefixes that are too many to be compared one by one; IPv4 mapped into IPv6. */
export const cidrs: MapHandle<'lpm_trie', typeof CidrKey, U8> = lpmTrieMap('cidrs', {
  key: CidrKey,
  value: u8,
  maxEntries: 0x1_0000,
});

/** A packet that was sampled. Addresses and ports as in the packet; IPv4 mapped into IPv6. */
export const TrafficRecord: StructLayout<{
  /** `CLOCK_MONOTONIC`, nanoseconds. */
  readonly time: U64;
  readonly source: Ipv6;
  readonly destination: Ipv6;
  readonly sourcePort: Be16;
  readonly destinationPort: Be16;
  readonly protocol: U8;
  /** As {@link counterIndex} has its last 6 bits. */
  readonly what: U8;
  readonly slot: U16;
  readonly length: U32;
  /** The interface that it was seen at. */
  readonly ifindex: U32;
}> = struct('traffic_record', {
  time: u64,
  source: ipv6Address,
  destination: ipv6Address,
  sourcePort: be16,
  destinationPort: be16,
  protocol: u8,
  what: u8,
  slot: u16,
  length: u32,
  ifindex: u32,
});

/** Bytes of a packet that are told of it: all its headers, but of IPv4 and TCP with the most options both. A power of two. */
export const SNAPSHOT = 128;

/** A packet that was sampled, and its first bytes from the link layer's header on; zeros after its end. */
export const SnapshotRecord: StructLayout<{ readonly traffic: typeof TrafficRecord; readonly packet: BytesLayout }> =
  struct('snapshot_record', { traffic: TrafficRecord, packet: bytes(SNAPSHOT) });

/** Sampled packets: a {@link TrafficRecord} each, or a {@link SnapshotRecord}; their size tells which. */
export const events: MapHandle<'ringbuf', undefined, undefined> = ringbufMap('events', { size: 0x4_0000 });

/** Bytes of a part of a record. */
export const RECORD_PART = 1000;

/** Key of a part of a record: SHA-256 of its name in the first 16 bytes, its generation and the number of the part. */
export const RecordKey: StructLayout<{ readonly name: BytesLayout; readonly generation: U32; readonly part: U32 }> =
  struct('record_key', { name: bytes(16), generation: u32, part: u32 });

/** A part of a record. */
export const RecordPart: StructLayout<{ readonly length: U32; readonly data: BytesLayout }> = struct('record_part', {
  length: u32,
  data: bytes(RECORD_PART),
});

/**
 * What the engine knows, as JSON in parts: it lives as long as what it describes. No program looks at it.
 */
export const records: MapHandle<'hash', typeof RecordKey, typeof RecordPart> = hashMap('records', {
  key: RecordKey,
  value: RecordPart,
  maxEntries: 0x4000,
  flags: MAP_FLAG.NO_PREALLOC,
});

/** Every map, by its name. */
export const MAPS: {
  readonly pod_array: typeof podArray;
  readonly pod_hash: typeof podHash;
  readonly interfaces: typeof interfaces;
  readonly direct: typeof direct;
  readonly exempt: typeof exempt;
  readonly counters: typeof counters;
  readonly proxy_counters: typeof proxyCounters;
  readonly listeners: typeof listeners;
  readonly cidrs: typeof cidrs;
  readonly events: typeof events;
  readonly records: typeof records;
} = {
  pod_array: podArray,
  pod_hash: podHash,
  interfaces,
  direct,
  exempt,
  counters,
  proxy_counters: proxyCounters,
  listeners,
  cidrs,
  events,
  records,
};
