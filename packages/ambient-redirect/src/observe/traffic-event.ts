import type { Codec } from 'netlink-tc';
import type { DIRECTION } from '../maps.ts';
import { TrafficRecord, VERDICT, type Verdict } from '../maps.ts';

/** A packet that was sampled. */
export interface TrafficEvent {
  /** `CLOCK_MONOTONIC`, nanoseconds. */
  readonly time: bigint;
  /** The pod's id; undefined where it is none that is enrolled by now. */
  readonly pod: string | undefined;
  readonly direction: keyof typeof DIRECTION;
  readonly family: 'ipv4' | 'ipv6';
  readonly verdict: Verdict;
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
}

const MAPPED = '::ffff:';
const VERDICTS = Object.keys(VERDICT) as Verdict[];

/** How records of the ring buffer become events. @param podOf the pod that has a slot */
export function trafficCodec(podOf: (slot: number) => string | undefined): Pick<Codec<TrafficEvent>, 'size' | 'read'> {
  return {
    size: TrafficRecord.size,
    read: (bytes, at) => eventOf(TrafficRecord.read(bytes, at), podOf),
  };
}

function eventOf(
  record: ReturnType<typeof TrafficRecord.read>,
  podOf: (slot: number) => string | undefined,
): TrafficEvent {
  const { what, slot, source, destination, ...rest } = record;
  const family = (what & 16) === 0 ? 'ipv4' : 'ipv6';
  const plain = (address: string): string => (family === 'ipv4' ? address.replace(MAPPED, '') : address);
  return {
    ...rest,
    pod: podOf(slot),
    direction: (what & 32) === 0 ? 'outbound' : 'inbound',
    family,
    // A program of a newer version may tell of what this one has no word for.
    verdict: VERDICTS.find((name) => VERDICT[name] === (what & 15)) ?? 'other',
    source: plain(source),
    destination: plain(destination),
  };
}
