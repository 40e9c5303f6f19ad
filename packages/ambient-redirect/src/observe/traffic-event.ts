import { SNAPSHOT, SnapshotRecord, TrafficRecord, VERDICT, type DIRECTION, type Verdict } from '../maps.ts';

/** A packet that was sampled. */
export interface TrafficEvent {
  /** `CLOCK_MONOTONIC`, nanoseconds. */
  readonly time: bigint;
  /** The pod's id; undefined where it is none that is enrolled by now. */
  readonly pod: string | undefined;
  readonly direction: keyof typeof DIRECTION;
  readonly family: 'ipv4' | 'ipv6';
  readonly verdict: Verdict;
  /** The program that decided. */
  readonly program: TellingProgram;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  /** 0 where there are no ports. */
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Bytes, link layer header included. */
  readonly length: number;
  /** The interface that it was seen at. */
  readonly ifindex: number;
  /** Where they were asked for, the first bytes of the packet as it came, from its link layer header on: at most 128. */
  readonly packet?: Uint8Array;
}

/** The programs that tell of packets. */
export type TellingProgram = 'app_outbound' | 'app_inbound' | 'ztunnel_host_in';

const MAPPED = '::ffff:';
const VERDICTS = Object.keys(VERDICT) as Verdict[];

/**
 * Reads a record of the ring buffer: one with a packet's first bytes or one without, told by its size.
 * @param podOf the pod that has a slot
 * @returns undefined for a record of another version, with another size
 */
export function readTrafficEvent(
  record: Uint8Array,
  podOf: (slot: number) => string | undefined,
): TrafficEvent | undefined {
  if (record.length === TrafficRecord.size) return eventOf(TrafficRecord.read(record, 0), podOf);
  if (record.length !== SnapshotRecord.size) return undefined;
  const { traffic, packet } = SnapshotRecord.read(record, 0);
  return { ...eventOf(traffic, podOf), packet: packet.slice(0, Math.min(traffic.length, SNAPSHOT)) };
}

function eventOf(
  record: ReturnType<typeof TrafficRecord.read>,
  podOf: (slot: number) => string | undefined,
): TrafficEvent {
  const { what, slot, source, destination, ...rest } = record;
  const family = (what & 16) === 0 ? 'ipv4' : 'ipv6';
  const plain = (address: string): string => (family === 'ipv4' ? address.replace(MAPPED, '') : address);
  const direction = (what & 32) === 0 ? 'outbound' : 'inbound';
  // A program of a newer version may tell of what this one has no word for.
  const verdict = VERDICTS.find((name) => VERDICT[name] === (what & 15)) ?? 'other';
  return {
    ...rest,
    pod: podOf(slot),
    direction,
    family,
    verdict,
    program: programOf(direction, verdict),
    source: plain(source),
    destination: plain(destination),
  };
}

/** Each verdict in a direction is one program's. */
function programOf(direction: TrafficEvent['direction'], verdict: Verdict): TellingProgram {
  if (verdict === 'delivered') return 'ztunnel_host_in';
  return direction === 'outbound' ? 'app_outbound' : 'app_inbound';
}
