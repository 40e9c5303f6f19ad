import type { BpfMap } from 'netlink-tc';
import { CONNECTION, counterIndex, DIRECTION, STEERED, VERDICT, type Verdict } from '../maps.ts';

/** Packets of one kind that a pod sent or got. */
export interface TrafficCount {
  readonly direction: keyof typeof DIRECTION;
  readonly family: 'ipv4' | 'ipv6';
  readonly verdict: Verdict;
  readonly packets: bigint;
  /** Link layer headers included. */
  readonly bytes: bigint;
}

/** TCP connections of one kind that the proxy was given: those that a pod opened, or that were opened to it. */
export interface ConnectionCount {
  readonly direction: keyof typeof DIRECTION;
  readonly family: 'ipv4' | 'ipv6';
  readonly count: bigint;
}

/** What became of connections at the proxy; with tproxy steering, of packets. */
export type SteeredCounts = Readonly<Record<keyof typeof STEERED, bigint>>;

interface Sum {
  readonly packets: bigint;
  readonly bytes: bigint;
}

/** The map of counters, as far as it is read here. */
export type CounterReader = Pick<BpfMap<number, readonly Sum[]>, 'lookup'>;

const DIRECTIONS = Object.keys(DIRECTION) as (keyof typeof DIRECTION)[];
const FAMILIES = ['ipv4', 'ipv6'] as const;
const VERDICTS = Object.keys(VERDICT) as Verdict[];

/** Counters of one pod, summed over the CPUs; those that are zero are left out. */
export function readTraffic(counters: CounterReader, slot: number): TrafficCount[] {
  return DIRECTIONS.flatMap((direction) =>
    FAMILIES.flatMap((family) =>
      VERDICTS.flatMap((verdict): TrafficCount[] => {
        const perCpu = counters.lookup(counterIndex(slot, direction, family, verdict)) ?? [];
        const packets = perCpu.reduce((sum, each) => sum + each.packets, 0n);
        if (packets === 0n) return [];
        return [{ direction, family, verdict, packets, bytes: perCpu.reduce((sum, each) => sum + each.bytes, 0n) }];
      }),
    ),
  );
}

/** Connections of one pod, summed over the CPUs; those that are zero are left out. */
export function readConnections(counters: CounterReader, slot: number): ConnectionCount[] {
  return DIRECTIONS.flatMap((direction) =>
    FAMILIES.flatMap((family): ConnectionCount[] => {
      const perCpu = counters.lookup(counterIndex(slot, direction, family, CONNECTION)) ?? [];
      const count = perCpu.reduce((sum, each) => sum + each.packets, 0n);
      return count === 0n ? [] : [{ direction, family, count }];
    }),
  );
}

/** Counters of the proxy's side, summed over the CPUs. */
export function readSteered(counters: Pick<BpfMap<number, readonly bigint[]>, 'lookup'>): SteeredCounts {
  const count = (index: number): bigint => (counters.lookup(index) ?? []).reduce((sum, each) => sum + each, 0n);
  return Object.fromEntries(
    Object.entries(STEERED).map(([name, index]) => [name, count(index)]),
  ) as unknown as SteeredCounts;
}
