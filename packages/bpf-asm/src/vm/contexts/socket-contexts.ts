import { pointer, u32, type ContextField, type ContextLayout } from './context-layout.ts';

const whole = { access: 'whole' } as const;
const start = { access: 'start' } as const;
const settable = { writable: true } as const;

/**
 * `struct bpf_sk_lookup` (`include/uapi/linux/bpf.h`; `sk_lookup_is_valid_access` in `net/core/filter.c`). Addresses and
 * `remote_port` are in network byte order, `local_port` in host order.
 */
export const SK_LOOKUP: ContextLayout = {
  name: 'bpf_sk_lookup',
  size: 72,
  fields: [
    pointer('sk', 0, 8),
    u32('family', 8),
    u32('protocol', 12),
    u32('remote_ip4', 16),
    u32('remote_ip6', 20, { count: 4 }),
    { name: 'remote_port', offset: 36, size: 2, padded: true },
    { name: 'padding', offset: 38, size: 2 },
    u32('local_ip4', 40),
    u32('local_ip6', 44, { count: 4 }),
    u32('local_port', 60),
    u32('ingress_ifindex', 64),
  ],
};

/**
 * `struct bpf_sock`, what programs see of a socket (`bpf_sock_is_valid_access` in `net/core/filter.c`). Addresses and `dst_port`
 * are in network byte order, `src_port` in host order.
 */
export const SOCK: ContextLayout = {
  name: 'bpf_sock',
  size: 80,
  fields: [
    u32('bound_dev_if', 0, whole),
    u32('family', 4, start),
    u32('type', 8, start),
    u32('protocol', 12, start),
    u32('mark', 16, whole),
    u32('priority', 20, whole),
    u32('src_ip4', 24),
    u32('src_ip6', 28, { count: 4 }),
    u32('src_port', 44, start),
    { name: 'dst_port', offset: 48, size: 2, padded: true },
    u32('dst_ip4', 52),
    u32('dst_ip6', 56, { count: 4 }),
    u32('state', 72, start),
    u32('rx_queue_mapping', 76, start),
  ],
};

const SOCK_OPS_COUNTERS = [
  'snd_cwnd',
  'srtt_us',
  'bpf_sock_ops_cb_flags',
  'state',
  'rtt_min',
  'snd_ssthresh',
  'rcv_nxt',
  'snd_nxt',
  'snd_una',
  'mss_cache',
  'ecn_flags',
  'rate_delivered',
  'rate_interval_us',
  'packets_out',
  'retrans_out',
  'total_retrans',
  'segs_in',
  'data_segs_in',
  'segs_out',
  'data_segs_out',
  'lost_out',
  'sacked_out',
] as const;

/** `struct bpf_sock_ops`; `reply` is also `args[0]` (`sock_ops_is_valid_access` in `net/core/filter.c`). */
export const SOCK_OPS: ContextLayout = {
  name: 'bpf_sock_ops',
  size: 224,
  fields: [
    u32('op', 0, whole),
    u32('reply', 4, { writable: true, access: 'whole' }),
    u32('args_1', 8, whole),
    u32('args_2', 12, whole),
    u32('args_3', 16, whole),
    u32('family', 20, whole),
    u32('remote_ip4', 24, whole),
    u32('local_ip4', 28, whole),
    u32('remote_ip6', 32, { count: 4, access: 'whole' }),
    u32('local_ip6', 48, { count: 4, access: 'whole' }),
    u32('remote_port', 64, whole),
    u32('local_port', 68, whole),
    u32('is_fullsock', 72, whole),
    ...SOCK_OPS_COUNTERS.map((name, index): ContextField => u32(name, 76 + 4 * index, whole)),
    u32('sk_txhash', 164, { writable: true, access: 'whole' }),
    { name: 'bytes_received', offset: 168, size: 8, access: 'whole' },
    { name: 'bytes_acked', offset: 176, size: 8, access: 'whole' },
    pointer('sk', 184, 8),
    pointer('skb_data', 192, 8),
    pointer('skb_data_end', 200, 8),
    u32('skb_len', 208, whole),
    u32('skb_tcp_flags', 212, start),
    { name: 'skb_hwtstamp', offset: 216, size: 8, access: 'whole' },
  ],
};

/** `struct sk_msg_md` (`sk_msg_is_valid_access` in `net/core/filter.c`). */
export const SK_MSG: ContextLayout = {
  name: 'sk_msg_md',
  size: 80,
  fields: [
    pointer('data', 0, 8),
    pointer('data_end', 8, 8),
    u32('family', 16, whole),
    u32('remote_ip4', 20, whole),
    u32('local_ip4', 24, whole),
    u32('remote_ip6', 28, { count: 4, access: 'whole' }),
    u32('local_ip6', 44, { count: 4, access: 'whole' }),
    u32('remote_port', 60, whole),
    u32('local_port', 64, whole),
    u32('size', 68, whole),
    pointer('sk', 72, 8),
  ],
};

/**
 * `struct bpf_sock_addr` (`sock_addr_is_valid_access` in `net/core/filter.c`). Which of the addresses there are depends on where
 * the program is attached; the interpreter has them all.
 */
export const SOCK_ADDR: ContextLayout = {
  name: 'bpf_sock_addr',
  size: 72,
  fields: [
    u32('user_family', 0, whole),
    u32('user_ip4', 4, settable),
    u32('user_ip6', 8, { count: 4, writable: true, pairs: true }),
    u32('user_port', 24, settable),
    u32('family', 28, whole),
    u32('type', 32, whole),
    u32('protocol', 36, whole),
    u32('msg_src_ip4', 40, settable),
    u32('msg_src_ip6', 44, { count: 4, writable: true, pairs: true }),
    pointer('sk', 64, 8),
  ],
};
