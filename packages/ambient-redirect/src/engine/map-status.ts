import { MAX_PODS, POD_ARRAY_SPAN, type MAPS } from '../maps.ts';
import { podPlace } from '../programs/index.ts';
import type { EngineContext } from './context.ts';
import { addressesOf } from './pod-record.ts';

/** How full a map is. */
export interface MapStatus {
  readonly name: keyof typeof MAPS;
  /** What its entries are. */
  readonly holds: string;
  readonly entries: number;
  readonly limit: number;
  /** Whether what is new takes the place of what is old when it is full: nothing is refused then. */
  readonly evicts: boolean;
  /** Whether a fifth of its room or less is left, and what is new will be refused. */
  readonly isNearlyFull: boolean;
}

/** Maps whose entries are counted by walking them. */
const WALKED = {
  pod_hash: 'addresses of pods elsewhere',
  interfaces: 'interfaces of pods',
  direct: 'connections past the proxy',
  exempt: 'connections told by their SYN',
  cidrs: 'prefixes of long lists',
  records: 'parts of records',
} as const satisfies Partial<Record<keyof typeof MAPS, string>>;

/** Share of its room from which on a map is told of. */
const NEARLY_FULL = 0.8;

/** Counts what is in the maps whose room can run out. Those of the counters have room for all pods, and the ring buffer is emptied as it fills. */
export function mapStatus({ directory, pods, node }: Pick<EngineContext, 'directory' | 'pods' | 'node'>): MapStatus[] {
  const { maps } = directory;
  const addresses = [...pods.values()].flatMap(addressesOf);
  const inArray = addresses.filter((address) => 'array' in podPlace(node.podCidrs, address)).length;
  return [
    fill('counters', 'pods', { entries: pods.size, limit: MAX_PODS - 1 }),
    fill('pod_array', "addresses of pods in the node's prefixes", { entries: inArray, limit: 2 * POD_ARRAY_SPAN }),
    ...(Object.keys(WALKED) as (keyof typeof WALKED)[]).map((name) => {
      const map = maps[name];
      return fill(name, WALKED[name], { entries: countKeys(map), limit: map.definition.maxEntries });
    }),
  ];
}

function fill(
  name: MapStatus['name'],
  holds: string,
  { entries, limit }: Pick<MapStatus, 'entries' | 'limit'>,
): MapStatus {
  const evicts = name === 'exempt';
  return { name, holds, entries, limit, evicts, isNearlyFull: !evicts && entries >= limit * NEARLY_FULL };
}

function countKeys(map: { keys(): Iterable<unknown> }): number {
  let count = 0;
  for (const _ of map.keys()) count += 1;
  return count;
}
