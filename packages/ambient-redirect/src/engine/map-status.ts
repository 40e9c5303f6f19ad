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

/** Counts what is in the maps whose room can run out. Those of the counters have room for all pods, and the ring buffer is emptied as it fills. */
export function mapStatus({ directory, pods, node }: MapContext): MapStatus[] {
  const { maps } = directory;
  const addresses = [...pods.values()].flatMap(addressesOf);
  const walked = Object.entries(WALKED).map(([name, holds]): MapStatus => {
    const map = maps[name as keyof typeof WALKED];
    return {
      name: name as keyof typeof WALKED,
      holds,
      entries: countKeys(map),
      limit: map.definition.maxEntries,
      evicts: name === 'exempt',
    };
  });
  return [
    { name: 'counters', holds: 'pods', entries: pods.size, limit: MAX_PODS - 1, evicts: false },
    {
      name: 'pod_array',
      holds: "addresses of pods in the node's prefixes",
      entries: addresses.filter((address) => 'array' in podPlace(node.podCidrs, address)).length,
      limit: 2 * POD_ARRAY_SPAN,
      evicts: false,
    },
    ...walked,
  ];
}

type MapContext = Pick<EngineContext, 'directory' | 'pods' | 'node'>;

function countKeys(map: { keys(): Iterable<unknown> }): number {
  let count = 0;
  for (const _ of map.keys()) count += 1;
  return count;
}
