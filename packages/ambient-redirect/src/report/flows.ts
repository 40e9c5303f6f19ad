import type { Verdict } from '../maps.ts';
import type { TrafficCount } from '../observe/index.ts';

/** Where a packet goes, as it is drawn. */
export type Way = 'outbound' | 'inbound' | 'delivered' | 'direct' | 'dropped';

/** Packets by the way that they went. */
export type Flows = Readonly<Record<Way, bigint>>;

/** What a verdict means for where a packet goes. */
const WAYS: Readonly<Record<Verdict, 'proxy' | Exclude<Way, 'outbound' | 'inbound'>>> = {
  captured: 'proxy',
  dns: 'proxy',
  // The packet itself goes on to the pod; the proxy has a copy.
  icmpCopied: 'direct',
  delivered: 'delivered',
  fromProxy: 'delivered',
  host: 'direct',
  bypassed: 'direct',
  excluded: 'direct',
  preserved: 'direct',
  other: 'direct',
  passedWithoutProxy: 'direct',
  droppedWithoutProxy: 'dropped',
  spoofed: 'dropped',
};

/** The way of a packet that was counted. */
export function wayOf({ direction, verdict }: Pick<TrafficCount, 'direction' | 'verdict'>): Way {
  const way = WAYS[verdict];
  return way === 'proxy' ? direction : way;
}

/** Sums up what was counted by where it went. */
export function flowsOf(traffic: readonly TrafficCount[]): Flows {
  const flows: Record<Way, bigint> = { outbound: 0n, inbound: 0n, delivered: 0n, direct: 0n, dropped: 0n };
  for (const count of traffic) flows[wayOf(count)] += count.packets;
  return flows;
}

/** Sums up flows. */
export function sumOf(all: readonly Flows[]): Flows {
  const sum = flowsOf([]) as Record<Way, bigint>;
  for (const flows of all) for (const way of Object.keys(sum) as Way[]) sum[way] += flows[way];
  return sum;
}
