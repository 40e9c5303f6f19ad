import type { ProgramType } from '../asm/kernel-types.ts';

/**
 * What a helper takes, as the verifier checks it (`enum bpf_arg_type` in `include/linux/bpf.h`). `…_or_null` may be 0,
 * `…_out` need hold nothing before and is written, `…_inout` is read and written.
 */
export type HelperArgumentKind =
  /** Any number, or a pointer of any kind where the program may leak it. */
  | 'any'
  /** The program's context. */
  | 'ctx'
  | 'ctx_or_null'
  /** A map, as a 64-bit immediate load loads it. */
  | 'map'
  /** Memory of as many bytes as a key, or a value, of that map has. */
  | 'map_key'
  | 'map_value'
  | 'map_value_or_null'
  | 'map_value_out'
  /** Memory of as many bytes as the `size` that follows says. */
  | 'mem'
  | 'mem_or_null'
  | 'mem_out'
  | 'mem_inout'
  /** Number of bytes of the memory before: a number whose bounds are known, above 0 unless it says so. */
  | 'size'
  | 'size_or_zero'
  /** Memory of a size that the helper knows, such as 8 bytes. */
  | 'fixed_mem'
  | 'fixed_mem_out'
  | 'fixed_mem_inout'
  /** Number of bytes to reserve: a constant. */
  | 'alloc_size'
  /** What `ringbuf_reserve` returned. */
  | 'ringbuf_mem'
  /** A `struct bpf_dynptr` on the stack. */
  | 'dynptr'
  | 'dynptr_out'
  /** A string in a read-only map. */
  | 'const_str'
  /** A function of the program, and what it is handed. */
  | 'func'
  | 'stack_or_null'
  /** A `struct bpf_spin_lock`, a `struct bpf_timer` or a kernel pointer in the value of a map. */
  | 'spin_lock'
  | 'timer'
  | 'kptr'
  /** A socket that the verifier knows: `btf_sock_common` is one of those, or a kernel socket by BTF. */
  | 'sock_common'
  | 'btf_sock_common'
  /** A kernel object of a type that the helper names. */
  | 'btf_id'
  | 'btf_id_or_null'
  | 'percpu_btf_id';

/** What a helper returns in r0, as the verifier takes it (`enum bpf_return_type`). `void` leaves nothing that may be read. */
export type HelperReturnKind =
  | 'integer'
  | 'void'
  | 'map_value'
  | 'map_value_or_null'
  | 'mem_or_null'
  | 'mem_or_btf_id'
  | 'mem_or_btf_id_or_null'
  | 'btf_id'
  | 'btf_id_or_null'
  | 'socket_or_null'
  | 'sock_common_or_null'
  | 'tcp_sock_or_null';

/** An argument of a helper, from r1 on. */
export interface HelperArgument {
  /** Its name in the comments of `include/uapi/linux/bpf.h`. */
  readonly name: string;
  readonly kind: HelperArgumentKind;
}

/** A kernel function that programs call by number. */
export interface Helper {
  /** Its number in `enum bpf_func_id` (`include/uapi/linux/bpf.h`). */
  readonly id: number;
  /** Its name without the prefix `bpf_`. */
  readonly name: string;
  /** First kernel that has it, for any program type: `5.10`. */
  readonly since: string;
  /** What it takes: none to five. Where program types differ, this is what tc takes, if it has the helper. */
  readonly args: readonly HelperArgument[];
  /** What it returns. */
  readonly returns: HelperReturnKind;
  /** Whether the kernel refuses it to programs whose licence is not GPL-compatible, in any program type (Linux 6.18). */
  readonly gplOnly: boolean;
  /** Whether it may move packet data, so that pointers into the packet must be made again after it. */
  readonly changesPacket: boolean;
  /** Program types that have it, some only with certain attach types or capabilities (Linux 6.18). */
  readonly programs: readonly ProgramType[];
}
