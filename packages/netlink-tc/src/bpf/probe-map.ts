import { btfOf, MAP_FLAG, MAP_TYPE, u32, type MapType } from 'bpf-asm';
import { constants } from 'node:os';
import { ENOTSUPP, isNetlinkTcError } from '../error.ts';
import type { Fd, Sys } from '../sys/index.ts';
import { MAP_CREATE, MAP_CREATE_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { loadBtf } from './btf.ts';
import { BPF_COMMAND } from './command.ts';
import { withMemlock } from './memlock.ts';
import type { Finding } from './probe.ts';

const { E2BIG, EBADF, EINVAL, EPERM } = constants.errno;

/** The plainest map of a type, where it is not one entry with a key and a value of 4 bytes. */
interface Plain {
  readonly keySize?: number;
  readonly valueSize?: number;
  readonly maxEntries?: number | 'page';
  readonly flags?: number;
  /** Storage of kernel objects asks for types of its key and value. */
  readonly typed?: boolean;
  /** Attributes that ask for what cannot be, and the error by which a kernel that has the type says that: nothing is made. */
  readonly impossible?: { readonly attribute: keyof typeof MAP_CREATE; readonly value: number; readonly errno: number };
}

const KEYLESS: Plain = { keySize: 0 };
const RING: Plain = { keySize: 0, valueSize: 0, maxEntries: 'page' };
const STORAGE: Plain = { maxEntries: 0, flags: MAP_FLAG.NO_PREALLOC, typed: true };
/** The key is `struct bpf_cgroup_storage_key`. */
const CGROUP_STORAGE: Plain = { keySize: 16, valueSize: 8, maxEntries: 0 };
const OF_MAPS: Plain = { impossible: { attribute: 'inner_map_fd', value: -1, errno: EBADF } };

const PLAIN: Partial<Record<MapType, Plain>> = {
  lpm_trie: { keySize: 8, flags: MAP_FLAG.NO_PREALLOC },
  stack_trace: { valueSize: 8 },
  queue: KEYLESS,
  stack: KEYLESS,
  bloom_filter: KEYLESS,
  ringbuf: RING,
  user_ringbuf: RING,
  arena: { keySize: 0, valueSize: 0, flags: MAP_FLAG.MMAPABLE },
  cgroup_storage: CGROUP_STORAGE,
  percpu_cgroup_storage: CGROUP_STORAGE,
  sk_storage: STORAGE,
  inode_storage: STORAGE,
  task_storage: STORAGE,
  cgrp_storage: STORAGE,
  array_of_maps: OF_MAPS,
  hash_of_maps: OF_MAPS,
  // The first of the kernel's own types is an integer, of which there are no operations.
  struct_ops: { impossible: { attribute: 'btf_vmlinux_value_type_id', value: 1, errno: ENOTSUPP } },
};

/** Whether the kernel makes the plainest map of a type. Nothing of it stays. */
export function mapAnswer(sys: Sys, type: MapType): Finding {
  const { keySize = 4, valueSize = 4, maxEntries = 1, flags = 0, typed = false, impossible } = PLAIN[type] ?? {};
  const attr = new Attr(sys, MAP_CREATE_SIZE)
    .u32(MAP_CREATE.map_type, MAP_TYPE[type])
    .u32(MAP_CREATE.key_size, keySize)
    .u32(MAP_CREATE.value_size, valueSize)
    .u32(MAP_CREATE.max_entries, maxEntries === 'page' ? sys.pageSize : maxEntries)
    .u32(MAP_CREATE.map_flags, flags);
  if (impossible !== undefined) attr.u32(MAP_CREATE[impossible.attribute], impossible.value);
  let btf: Fd | undefined;
  try {
    if (typed) btf = integerBtf(sys);
  } catch (error) {
    if (!isNetlinkTcError(error)) throw error;
    return error.errno === EPERM ? -EPERM : 'no';
  }
  if (btf !== undefined) {
    attr.u32(MAP_CREATE.btf_fd, btf.number).u32(MAP_CREATE.btf_key_type_id, 1).u32(MAP_CREATE.btf_value_type_id, 1);
  }
  const result = withMemlock(sys, () => sys.bpf(BPF_COMMAND.BPF_MAP_CREATE, attr.bytes));
  btf?.close();
  if (result >= 0) sys.call('close', result);
  if (result >= 0 || result === -(impossible?.errno ?? 0)) return 'yes';
  // E2BIG: the kernel does not even know the attribute.
  return result === -EINVAL || result === -E2BIG ? 'no' : result;
}

/** Loads the smallest BTF there is: an integer of four bytes, whose id is 1. */
export function integerBtf(sys: Sys): Fd {
  const { btf } = btfOf([u32], { byteOrder: sys.platform.littleEndian ? 'little' : 'big' });
  return loadBtf(sys, btf.bytes());
}
