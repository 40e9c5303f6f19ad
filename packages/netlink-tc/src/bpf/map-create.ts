import { btfOf, MAP_FLAG, MAP_TYPE, type MapDefinition } from 'bpf-asm';
import { constants } from 'node:os';
import { ENOTSUPP, isNetlinkTcError, NetlinkTcError } from '../error.ts';
import type { Fd, Sys } from '../sys/index.ts';
import { MAP_CREATE, MAP_CREATE_SIZE } from './attr-table.ts';
import { Attr, checkU32 } from './attr.ts';
import { loadBtf } from './btf.ts';
import type { KeyInputOf, KeyOf, ValueInputOf, ValueOfMap } from './codec.ts';
import { BPF_COMMAND, bpfError } from './command.ts';
import { explainMapCreate } from './map-explain.ts';
import { readMapInfo, type MapInfo } from './map-info.ts';
import { BpfMap } from './map.ts';
import { withMemlock } from './memlock.ts';

const { EINVAL } = constants.errno;

/** BTF types of a map's key and value, from an object that was loaded with `loadBtf`. */
export interface MapBtf {
  readonly fd: number;
  readonly keyTypeId: number;
  readonly valueTypeId: number;
}

/** Options of {@link createMap}. */
export interface CreateMapOptions {
  /**
   * Types that `bpftool map dump` prints keys and values by; by default made of the definition's layouts, and `none` for none.
   * Left out again where the kernel or the map's type has none.
   */
  readonly btf?: MapBtf | 'none';
  /** NUMA node to take the memory from. */
  readonly numaNode?: number;
  /** Interface index, for maps of a network device that runs programs itself. */
  readonly ifindex?: number;
  /** The type's own extra value (5.16): hash functions of a Bloom filter, address of an arena. */
  readonly extra?: bigint;
}

/** The map that a definition makes. */
export type MapOf<D extends MapDefinition> = BpfMap<KeyOf<D>, ValueOfMap<D>, KeyInputOf<D>, ValueInputOf<D>>;

/**
 * Creates a map in the kernel.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for a definition that cannot be, `ERR_PERMISSION`, `ERR_UNSUPPORTED` for a type or
 * flag that this kernel lacks, `ERR_NO_SPACE`; the hint says which of the causes it is
 * @example
 * ```ts
 * const counters = createMap(sys, { name: 'counters', type: 'hash', keySize: 4, valueSize: 8, maxEntries: 64, key: u32, value: u64 });
 * counters.update(1, 2n);
 * ```
 */
export function createMap<const D extends MapDefinition>(
  sys: Sys,
  definition: D,
  options: CreateMapOptions = {},
): MapOf<D> {
  return new BpfMap(sys, createMapFd(sys, definition, options), definition) as MapOf<D>;
}

/** Checks sizes before anything is made. */
function checkDefinition(definition: MapDefinition): void {
  const { name, type, keySize, valueSize, key, value } = definition;
  if (!Object.hasOwn(MAP_TYPE, type))
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no map type ${String(type)}`);
  checkU32(`key size of map ${name}`, keySize);
  checkU32(`value size of map ${name}`, valueSize);
  checkU32(`maximum of entries of map ${name}`, definition.maxEntries);
  checkU32(`flags of map ${name}`, definition.flags ?? 0);
  const mismatch = (what: string, size: number, layout: { size: number; label: string } | undefined): void => {
    if (layout === undefined || layout.size === size) return;
    throw new NetlinkTcError(
      'ERR_INVALID_ARGUMENT',
      `the ${what} of map ${name} has ${size} bytes, but its layout ${layout.label} has ${layout.size}`,
    );
  };
  mismatch('key', keySize, key);
  mismatch('value', valueSize, value);
}

function createMapFd(sys: Sys, definition: MapDefinition, options: CreateMapOptions): Fd {
  checkDefinition(definition);
  const { name, type, keySize, valueSize, maxEntries, inner } = definition;
  const { numaNode, ifindex, extra } = options;
  const made = options.btf === undefined ? btfOfLayouts(sys, definition) : undefined;
  const btf = options.btf === 'none' ? undefined : (options.btf ?? made?.types);
  // A map of maps is made after the pattern of a map that is closed again.
  const pattern = inner === undefined ? undefined : createMapFd(sys, inner, { btf: 'none' });
  try {
    const attr = new Attr(sys, MAP_CREATE_SIZE)
      .u32(MAP_CREATE.map_type, MAP_TYPE[type])
      .u32(MAP_CREATE.key_size, keySize)
      .u32(MAP_CREATE.value_size, valueSize)
      .u32(MAP_CREATE.max_entries, maxEntries)
      .u32(MAP_CREATE.map_flags, (definition.flags ?? 0) | (numaNode === undefined ? 0 : MAP_FLAG.NUMA_NODE))
      .u32(MAP_CREATE.inner_map_fd, pattern?.number ?? 0)
      .u32(MAP_CREATE.numa_node, checkU32('NUMA node', numaNode ?? 0))
      .u32(MAP_CREATE.map_ifindex, checkU32('interface index', ifindex ?? 0))
      .u64(MAP_CREATE.map_extra, extra ?? 0n)
      .name(MAP_CREATE.map_name, name);
    const make = (): number => withMemlock(sys, () => sys.bpf(BPF_COMMAND.BPF_MAP_CREATE, attr.bytes));
    const types = (fd: number, key: number, value: number): void => {
      attr.u32(MAP_CREATE.btf_fd, fd).u32(MAP_CREATE.btf_key_type_id, key).u32(MAP_CREATE.btf_value_type_id, value);
    };
    if (btf !== undefined) types(btf.fd, btf.keyTypeId, btf.valueTypeId);
    let result = make();
    if (btf !== undefined && (result === -EINVAL || result === -ENOTSUPP)) {
      types(0, 0, 0);
      result = make();
    }
    if (result < 0) {
      throw bpfError(
        sys,
        result,
        'BPF_MAP_CREATE',
        `cannot create ${type} map ${name}`,
        explainMapCreate(sys, definition, -result, numaNode),
      );
    }
    return sys.fds.own(result, `map ${name}`);
  } finally {
    pattern?.close();
    made?.fd.close();
  }
}

/** BTF of the layouts of a map's key and value: a nicety, so that a kernel that refuses it is no error. */
function btfOfLayouts(
  sys: Sys,
  { key, value }: MapDefinition,
): { readonly fd: Fd; readonly types: MapBtf } | undefined {
  if (key === undefined || value === undefined) return undefined;
  const { btf, ids } = btfOf([key, value], { byteOrder: sys.platform.littleEndian ? 'little' : 'big' });
  try {
    const fd = loadBtf(sys, btf.bytes());
    return { fd, types: { fd: fd.number, keyTypeId: ids[0] ?? 0, valueTypeId: ids[1] ?? 0 } };
  } catch (error) {
    if (isNetlinkTcError(error)) return undefined;
    throw error;
  }
}

/**
 * Takes an existing map for what a definition says, or refuses with every field that differs.
 * @param fd the map; closed when it is refused
 * @throws NetlinkTcError `ERR_INCOMPATIBLE`
 */
export function adoptMap<const D extends MapDefinition>(sys: Sys, fd: Fd, definition: D): MapOf<D> {
  try {
    checkDefinition(definition);
    const differences = mapDifferences(definition, readMapInfo(sys, fd.number));
    if (differences.length > 0) {
      throw new NetlinkTcError(
        'ERR_INCOMPATIBLE',
        `map ${definition.name} is not as defined: ${differences.join(', ')}`,
        {
          hint: 'remove or migrate the old map, or open it with the definition it was made by',
        },
      );
    }
    return new BpfMap(sys, fd, definition) as MapOf<D>;
  } catch (error) {
    fd.close();
    throw error;
  }
}

/** Flags that say how a descriptor was opened rather than what the map is. */
const OPEN_FLAGS = MAP_FLAG.RDONLY | MAP_FLAG.WRONLY;

/** What in an existing map differs from a definition, one phrase each; nothing where it can stand for it. */
export function mapDifferences(definition: MapDefinition, info: MapInfo): string[] {
  const { type, keySize, valueSize, maxEntries, flags = 0 } = definition;
  const wanted = { type, 'key size': keySize, 'value size': valueSize, 'maximum of entries': maxEntries };
  const found = {
    type: info.type,
    'key size': info.keySize,
    'value size': info.valueSize,
    'maximum of entries': info.maxEntries,
  };
  const differences = (Object.keys(wanted) as (keyof typeof wanted)[])
    .filter((what) => wanted[what] !== found[what])
    .map((what) => `${what} is ${found[what]}, not ${wanted[what]}`);
  const bits = (value: number): string => `0x${((value & ~OPEN_FLAGS) >>> 0).toString(16)}`;
  if (bits(flags) !== bits(info.flags & ~MAP_FLAG.NUMA_NODE))
    differences.push(`flags are ${bits(info.flags)}, not ${bits(flags)}`);
  return differences;
}
