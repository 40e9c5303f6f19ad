/**
 * Byte offsets of the fields of `union bpf_attr` (Linux' include/uapi/linux/bpf.h), one table a command, spelt as in C. All
 * fields are 32 bits wide but those marked `u64`. The kernel takes a longer structure than it knows if the rest is zero, and a
 * shorter one too: `size` is what is passed, and covers the newest field that is used here.
 */

/** `BPF_MAP_CREATE`. `map_name` is 16 bytes, `map_extra` u64 (5.16). */
export const MAP_CREATE = {
  map_type: 0,
  key_size: 4,
  value_size: 8,
  max_entries: 12,
  map_flags: 16,
  inner_map_fd: 20,
  numa_node: 24,
  map_name: 28,
  map_ifindex: 44,
  btf_fd: 48,
  btf_key_type_id: 52,
  btf_value_type_id: 56,
  btf_vmlinux_value_type_id: 60,
  map_extra: 64,
} as const;
export const MAP_CREATE_SIZE = 72;

/** `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY`, `BPF_MAP_FREEZE`. `key`, `value` and `flags` are u64. */
export const MAP_ELEM = { map_fd: 0, key: 8, value: 16, next_key: 16, flags: 24 } as const;
export const MAP_ELEM_SIZE = 32;

/** `BPF_MAP_*_BATCH` (5.6). The first four, `elem_flags` and `flags` are u64. */
export const MAP_BATCH = {
  in_batch: 0,
  out_batch: 8,
  keys: 16,
  values: 24,
  count: 32,
  map_fd: 36,
  elem_flags: 40,
  flags: 48,
} as const;
export const MAP_BATCH_SIZE = 56;

/** `BPF_PROG_LOAD`. Pointers are u64, `prog_name` 16 bytes, `log_true_size` an output (6.4). */
export const PROG_LOAD = {
  prog_type: 0,
  insn_cnt: 4,
  insns: 8,
  license: 16,
  log_level: 24,
  log_size: 28,
  log_buf: 32,
  kern_version: 40,
  prog_flags: 44,
  prog_name: 48,
  prog_ifindex: 64,
  expected_attach_type: 68,
  prog_btf_fd: 72,
  func_info_rec_size: 76,
  func_info: 80,
  func_info_cnt: 88,
  line_info_rec_size: 92,
  line_info: 96,
  line_info_cnt: 104,
  attach_btf_id: 108,
  attach_prog_fd: 112,
  core_relo_cnt: 116,
  fd_array: 120,
  core_relos: 128,
  core_relo_rec_size: 136,
  log_true_size: 140,
} as const;
export const PROG_LOAD_SIZE = 144;

/** `BPF_OBJ_PIN`, `BPF_OBJ_GET`. `pathname` is u64. */
export const OBJ = { pathname: 0, bpf_fd: 8, file_flags: 12 } as const;
export const OBJ_SIZE = 16;

/** `BPF_PROG_ATTACH`, `BPF_PROG_DETACH`. `expected_revision` is u64 (6.6). */
export const PROG_ATTACH = {
  target_fd: 0,
  attach_bpf_fd: 4,
  attach_type: 8,
  attach_flags: 12,
  replace_bpf_fd: 16,
  relative_fd: 20,
  expected_revision: 24,
} as const;
export const PROG_ATTACH_SIZE = 20;

/** `BPF_PROG_TEST_RUN`. The pointers to data and context are u64. */
export const TEST_RUN = {
  prog_fd: 0,
  retval: 4,
  data_size_in: 8,
  data_size_out: 12,
  data_in: 16,
  data_out: 24,
  repeat: 32,
  duration: 36,
  ctx_size_in: 40,
  ctx_size_out: 44,
  ctx_in: 48,
  ctx_out: 56,
  flags: 64,
  cpu: 68,
  batch_size: 72,
} as const;
export const TEST_RUN_SIZE = 80;

/** `BPF_*_GET_NEXT_ID`, `BPF_*_GET_FD_BY_ID`. */
export const GET_ID = { start_id: 0, prog_id: 0, next_id: 4, open_flags: 8 } as const;
export const GET_ID_SIZE = 12;

/** `BPF_OBJ_GET_INFO_BY_FD`. `info` is u64. */
export const GET_INFO = { bpf_fd: 0, info_len: 4, info: 8 } as const;
export const GET_INFO_SIZE = 16;

/** `BPF_PROG_QUERY`. From `prog_ids` on u64 but `prog_cnt`; the last three from 6.6. */
export const PROG_QUERY = {
  target_fd: 0,
  attach_type: 4,
  query_flags: 8,
  attach_flags: 12,
  prog_ids: 16,
  prog_cnt: 24,
  prog_attach_flags: 32,
  link_ids: 40,
  link_attach_flags: 48,
  revision: 56,
} as const;
export const PROG_QUERY_SIZE = 64;

/** `BPF_BTF_LOAD`. The pointers are u64. */
export const BTF_LOAD = { btf: 0, btf_log_buf: 8, btf_size: 16, btf_log_size: 20, btf_log_level: 24 } as const;
export const BTF_LOAD_SIZE = 28;

/** `BPF_LINK_CREATE`; the fields of tcx and netkit are a union from 16 on. `expected_revision` is u64 (6.6). */
export const LINK_CREATE = {
  prog_fd: 0,
  target_fd: 4,
  attach_type: 8,
  flags: 12,
  relative_fd: 16,
  expected_revision: 24,
} as const;
export const LINK_CREATE_SIZE = 16;
export const LINK_CREATE_ORDERED_SIZE = 32;

/** `BPF_LINK_UPDATE` (5.7). */
export const LINK_UPDATE = { link_fd: 0, new_prog_fd: 4, flags: 8, old_prog_fd: 12 } as const;
export const LINK_UPDATE_SIZE = 16;

/** `BPF_LINK_DETACH` (5.9). */
export const LINK_DETACH_SIZE = 4;

/** `BPF_ENABLE_STATS` (5.8). */
export const ENABLE_STATS_SIZE = 4;
