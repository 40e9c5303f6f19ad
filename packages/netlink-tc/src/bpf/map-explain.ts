import { MAP_FLAG, type MapDefinition, type MapType } from 'bpf-asm';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import type { Sys } from '../sys/index.ts';
import type { BpfErrorContext } from './command.ts';
import { readPrivileges } from './permission.ts';
import { mapAnswer } from './probe-map.ts';

const { EINVAL, ENOMEM, E2BIG, EPERM } = constants.errno;

/** Types whose creation asks for CAP_NET_ADMIN beside CAP_BPF. */
const NETWORK: ReadonlySet<MapType> = new Set<MapType>([
  'sockmap',
  'sockhash',
  'devmap',
  'devmap_hash',
  'cpumap',
  'xskmap',
]);

/** One row of the decision table: when it applies, and what to say. The first that applies is taken. */
interface Row {
  applies(definition: MapDefinition, sys: Sys): boolean;
  readonly hint: string | ((definition: MapDefinition, sys: Sys) => string);
}

const isRing = ({ type }: MapDefinition): boolean => type === 'ringbuf' || type === 'user_ringbuf';
const isArray = ({ type }: MapDefinition): boolean => type.includes('array') && type !== 'reuseport_sockarray';
const has = ({ flags = 0 }: MapDefinition, flag: number): boolean => (flags & flag) !== 0;

const INVALID: readonly Row[] = [
  {
    applies: (d, sys) => isRing(d) && (d.maxEntries < sys.pageSize || (d.maxEntries & (d.maxEntries - 1)) !== 0),
    hint: (d, sys) =>
      `the size of a ring buffer is a power of two of whole pages of ${sys.pageSize} bytes, not ${d.maxEntries}`,
  },
  {
    applies: (d) => isRing(d) && (d.keySize !== 0 || d.valueSize !== 0),
    hint: 'a ring buffer has neither key nor value: both sizes are 0',
  },
  {
    applies: (d) => ['queue', 'stack', 'bloom_filter'].includes(d.type) && d.keySize !== 0,
    hint: 'queues, stacks and Bloom filters have no key: the key size is 0',
  },
  {
    applies: (d) => d.type.endsWith('_storage') && !d.type.includes('cgroup_') && !has(d, MAP_FLAG.NO_PREALLOC),
    hint: 'storage maps need the flag NO_PREALLOC, and 0 entries',
  },
  {
    applies: (d) => d.type.endsWith('_storage') && !d.type.includes('cgroup_') && (!d.key || !d.value),
    hint: 'storage maps need the types of their keys and values: give layouts, the key a 4-byte integer',
  },
  {
    applies: (d) => d.type === 'lpm_trie' && !has(d, MAP_FLAG.NO_PREALLOC),
    hint: 'an LPM trie needs the flag NO_PREALLOC',
  },
  {
    applies: (d) => d.type === 'lpm_trie' && (d.keySize < 5 || d.keySize > 4 + 256),
    hint: 'the key of an LPM trie is the prefix length in 4 bytes, then 1 to 256 bytes of data',
  },
  {
    applies: (d) => (d.type.startsWith('lru_') || isArray(d)) && has(d, MAP_FLAG.NO_PREALLOC),
    hint: 'arrays and LRU maps are always allocated in advance: leave the flag NO_PREALLOC out',
  },
  {
    applies: (d) => has(d, MAP_FLAG.NO_COMMON_LRU) && !d.type.startsWith('lru_'),
    hint: 'NO_COMMON_LRU is for LRU maps only',
  },
  {
    applies: (d) => d.type === 'arena' && (!has(d, MAP_FLAG.MMAPABLE) || d.keySize !== 0 || d.valueSize !== 0),
    hint: 'an arena needs the flag MMAPABLE, a key and a value size of 0, and a number of pages as its entries',
  },
  {
    applies: (d) => has(d, MAP_FLAG.MMAPABLE) && d.type !== 'array' && d.type !== 'arena',
    hint: 'MMAPABLE is for plain arrays and arenas only',
  },
  {
    applies: (d) => d.type === 'struct_ops',
    hint: "a map of struct_ops needs the id of its structure among the kernel's own types, which this package does not look up",
  },
  { applies: (d) => isArray(d) && d.keySize !== 4, hint: 'the key of an array is its index: 4 bytes' },
  {
    applies: (d) => d.maxEntries === 0 && !d.type.endsWith('_storage'),
    hint: 'the maximum of entries is 0',
  },
  {
    applies: (d) => (d.type === 'array_of_maps' || d.type === 'hash_of_maps') && d.inner === undefined,
    hint: 'a map of maps needs a pattern: give inner',
  },
  { applies: (d) => d.keySize === 0 && /hash|sock/.test(d.type), hint: 'the key size is 0' },
  { applies: (d) => d.valueSize === 0 && !isRing(d) && d.type !== 'arena', hint: 'the value size is 0' },
  {
    applies: (d) => d.type === 'sockmap' && d.valueSize !== 4 && d.valueSize !== 8,
    hint: 'the value of a sockmap is a descriptor (4 bytes) or a cookie (8 bytes)',
  },
];

/**
 * Why the kernel refused to create a map: first what can be told from the definition, then what a smaller attempt tells.
 * @param errno the positive error number of the refusal
 * @param numaNode the node that was asked for
 */
export function explainMapCreate(
  sys: Sys,
  definition: MapDefinition,
  errno: number,
  numaNode?: number,
): BpfErrorContext {
  const { type, maxEntries } = definition;
  switch (errno) {
    case EPERM:
      return { needs: NETWORK.has(type) ? ['CAP_BPF', 'CAP_NET_ADMIN'] : ['CAP_BPF'] };
    case E2BIG:
      return { hint: `a key or a value is too large, or ${maxEntries} entries are more than the kernel allows` };
    case ENOMEM:
      return { hint: `no memory for ${maxEntries} entries: fewer, or a higher limit of the control group` };
    case EINVAL: {
      const row = INVALID.find((candidate) => candidate.applies(definition, sys));
      if (row !== undefined) {
        const hint = typeof row.hint === 'string' ? row.hint : row.hint(definition, sys);
        return { code: 'ERR_INVALID_ARGUMENT', hint };
      }
      if (sys.backend !== 'fake' && mapAnswer(sys, type) === 'no') {
        return { code: 'ERR_UNSUPPORTED', hint: `this kernel has no maps of type ${type}` };
      }
      if (numaNode !== undefined && !existsSync(`/sys/devices/system/node/node${numaNode}`)) {
        return { code: 'ERR_INVALID_ARGUMENT', hint: `this machine has no NUMA node ${numaNode}` };
      }
      const flags = definition.flags ?? 0;
      if (flags !== 0) return { hint: `this kernel may not know all flags (0x${flags.toString(16)}) for this type` };
      return {};
    }
    default:
      return readPrivileges().lockdown === 'confidentiality' ? { hint: 'the kernel is locked down' } : {};
  }
}
