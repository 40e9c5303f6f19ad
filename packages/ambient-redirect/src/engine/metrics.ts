import { readSteered, readTraffic, type SteeredCounts, type TrafficCount } from '../observe/index.ts';
import type { EngineContext } from './context.ts';

/** What was counted. */
export interface EngineMetrics {
  readonly pods: readonly { readonly id: string; readonly traffic: readonly TrafficCount[] }[];
  readonly steered: SteeredCounts;
}

/** Reads all counters of the pods, and those of the proxy's side. */
export function readMetrics({ directory, pods }: Pick<EngineContext, 'directory' | 'pods'>): EngineMetrics {
  return {
    pods: [...pods.values()].map(({ id, slot }) => ({ id, traffic: readTraffic(directory.maps.counters, slot) })),
    steered: readSteered(directory.maps.proxy_counters),
  };
}
