import type { ConnectionCount, SteeredCounts, TrafficCount } from './traffic-counters.ts';

/** What was counted at a time, as far as rates are made of it. */
export interface Counts {
  readonly pods: readonly {
    readonly id: string;
    readonly traffic: readonly TrafficCount[];
    readonly connections: readonly ConnectionCount[];
  }[];
  readonly steered: SteeredCounts;
}

/** Packets of one kind a second. */
export interface TrafficRate extends Pick<TrafficCount, 'direction' | 'verdict'> {
  readonly packets: number;
  /** Link layer headers included. */
  readonly bytes: number;
}

/** A pod's traffic a second. */
export interface PodRates {
  readonly id: string;
  /** TCP connections that the proxy was given: opened by the pod, and opened to it. */
  readonly connections: { readonly outbound: number; readonly inbound: number };
  /** Both families together; kinds that there were none of are left out. */
  readonly traffic: readonly TrafficRate[];
}

/** What passes a second. */
export interface Rates {
  /** In the order of what was counted later. */
  readonly pods: readonly PodRates[];
  /** What became of connections at the proxy; with tproxy steering, of packets. */
  readonly steered: Readonly<Record<keyof SteeredCounts, number>>;
}

/**
 * What passed a second between two times. A pod that was not there before, or that has been enrolled anew since, counts from its enrolment on.
 * @param seconds how much later `after` is
 */
export function ratesOf(before: Counts, after: Counts, seconds: number): Rates {
  const ids = new Map(before.pods.map((pod) => [pod.id, pod]));
  return {
    pods: after.pods.map(({ id, traffic, connections }) => {
      const earlier = ids.get(id);
      const opened = sums(
        connections,
        ({ direction }) => direction,
        ({ count }) => [count],
      );
      const openedBefore = sums(
        earlier?.connections ?? [],
        ({ direction }) => direction,
        ({ count }) => [count],
      );
      const rate = (direction: string): number =>
        growth(opened.get(direction)?.[0] ?? 0n, openedBefore.get(direction)?.[0] ?? 0n) / seconds;
      return {
        id,
        connections: { outbound: rate('outbound'), inbound: rate('inbound') },
        traffic: trafficRates(traffic, earlier?.traffic ?? [], seconds),
      };
    }),
    steered: Object.fromEntries(
      Object.entries(after.steered).map(([name, count]) => [
        name,
        growth(count, before.steered[name as keyof SteeredCounts]) / seconds,
      ]),
    ) as Rates['steered'],
  };
}

function trafficRates(now: readonly TrafficCount[], then: readonly TrafficCount[], seconds: number): TrafficRate[] {
  const kind = ({ direction, verdict }: TrafficCount): string => `${direction} ${verdict}`;
  const amounts = ({ packets, bytes }: TrafficCount): readonly bigint[] => [packets, bytes];
  const earlier = sums(then, kind, amounts);
  return [...sums(now, kind, amounts)].flatMap(([name, [packets = 0n, bytes = 0n]]) => {
    const [packetsThen = 0n, bytesThen = 0n] = earlier.get(name) ?? [];
    const passed = growth(packets, packetsThen);
    if (passed === 0) return [];
    const [direction, verdict] = name.split(' ') as [TrafficRate['direction'], TrafficRate['verdict']];
    return [{ direction, verdict, packets: passed / seconds, bytes: growth(bytes, bytesThen) / seconds }];
  });
}

/** How much a counter has grown: all of it where it has begun anew. */
function growth(now: bigint, then: bigint): number {
  return Number(now >= then ? now - then : now);
}

function sums<T>(
  all: readonly T[],
  kind: (one: T) => string,
  amounts: (one: T) => readonly bigint[],
): Map<string, readonly bigint[]> {
  const found = new Map<string, readonly bigint[]>();
  for (const one of all) {
    const before = found.get(kind(one)) ?? [];
    found.set(
      kind(one),
      amounts(one).map((amount, at) => amount + (before[at] ?? 0n)),
    );
  }
  return found;
}
