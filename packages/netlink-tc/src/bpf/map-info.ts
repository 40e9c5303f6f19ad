import { MAP_TYPE, type MapType } from 'bpf-asm';
import type { Sys } from '../sys/index.ts';
import { fillInfo, InfoBuffer, nameOf } from './object-info.ts';

/** Offsets of `struct bpf_map_info` (Linux' include/uapi/linux/bpf.h). */
const MAP_INFO = {
  type: 0,
  id: 4,
  key_size: 8,
  value_size: 12,
  max_entries: 16,
  map_flags: 20,
  name: 24,
  ifindex: 40,
  btf_id: 64,
  btf_key_type_id: 68,
  btf_value_type_id: 72,
  map_extra: 80,
} as const;
const MAP_INFO_SIZE = 88;

/** What the kernel tells of a map. */
export interface MapInfo {
  readonly id: number;
  /** Name of the type, or its number where it is newer than this package. */
  readonly type: MapType | number;
  /** Name in the kernel, 15 characters at most. */
  readonly name: string;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** Id of the BTF of key and value; 0 where it has none. */
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
}

/** Reads what the kernel tells of a map (4.13). */
export function readMapInfo(sys: Sys, fd: number): MapInfo {
  const info = fillInfo(sys, fd, new InfoBuffer(sys, MAP_INFO_SIZE), `map fd ${fd}`);
  return {
    id: info.getU32(MAP_INFO.id),
    type: nameOf(MAP_TYPE, info.getU32(MAP_INFO.type)),
    name: info.text(MAP_INFO.name, 16),
    keySize: info.getU32(MAP_INFO.key_size),
    valueSize: info.getU32(MAP_INFO.value_size),
    maxEntries: info.getU32(MAP_INFO.max_entries),
    flags: info.getU32(MAP_INFO.map_flags),
    btfId: info.getU32(MAP_INFO.btf_id),
    btfKeyTypeId: info.getU32(MAP_INFO.btf_key_type_id),
    btfValueTypeId: info.getU32(MAP_INFO.btf_value_type_id),
  };
}
