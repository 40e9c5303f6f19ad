import type { BpfMap } from 'netlink-tc';
import { UNTOLD } from '../maps.ts';
import {
  readConnections,
  readSteered,
  readTraffic,
  type ConnectionCount,
  type SteeredCounts,
  type TrafficCount,
} from '../observe/index.ts';
import type { EngineContext } from './context.ts';
import type { ReconcileMetrics } from './reconcile-meter.ts';

/** What was counted of a pod, since it was enrolled. */
export interface PodMetrics {
  readonly id: string;
  readonly traffic: readonly TrafficCount[];
  /** TCP connections that the proxy was given. Where `ztunnel_tproxy` steers, they are not counted by pod: it sees packets. */
  readonly connections: readonly ConnectionCount[];
}

/** What was counted. */
export interface EngineMetrics {
  readonly pods: readonly PodMetrics[];
  readonly steered: SteeredCounts;
  /** Packets that were to be told as events, for which there was no room in the ring buffer. */
  readonly untold: bigint;
  /** What this engine did since it was opened; undefined where it is a view, which does nothing. */
  readonly reconciles: ReconcileMetrics | undefined;
}

/** Reads all counters of the pods, and those of the proxy's side. */
export function readMetrics(
  { directory, pods }: Pick<EngineContext, 'directory' | 'pods'>,
  reconciles?: ReconcileMetrics,
): EngineMetrics {
  const { counters, proxy_counters: ofProxy } = directory.maps;
  return {
    pods: [...pods.values()].map(({ id, slot }) => ({
      id,
      traffic: readTraffic(counters, slot),
      connections: readConnections(counters, slot),
    })),
    steered: readSteered(ofProxy),
    untold: readUntold(ofProxy),
    reconciles,
  };
}

/** How many packets could not be told of, since the state was made. */
export function readUntold(counters: Pick<BpfMap<number, readonly bigint[]>, 'lookup'>): bigint {
  return (counters.lookup(UNTOLD) ?? []).reduce((sum, each) => sum + each, 0n);
}
