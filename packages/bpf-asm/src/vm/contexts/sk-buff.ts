import { pointer, u32, type ContextLayout } from './context-layout.ts';

const writable = { writable: true } as const;

/**
 * `struct __sk_buff` as programs of type `sched_cls` may use it (`include/uapi/linux/bpf.h`; `bpf_skb_is_valid_access` and
 * `tc_cls_act_is_valid_access` in `net/core/filter.c`). `protocol` and `vlan_proto` are in network byte order.
 */
export const SK_BUFF: ContextLayout = {
  name: '__sk_buff',
  size: 192,
  fields: [
    u32('len', 0),
    u32('pkt_type', 4),
    u32('mark', 8, writable),
    u32('queue_mapping', 12, writable),
    u32('protocol', 16),
    u32('vlan_present', 20),
    u32('vlan_tci', 24),
    u32('vlan_proto', 28),
    u32('priority', 32, writable),
    u32('ingress_ifindex', 36),
    u32('ifindex', 40),
    u32('tc_index', 44, writable),
    u32('cb', 48, { count: 5, writable: true, access: 'any' }),
    u32('hash', 68),
    u32('tc_classid', 72, writable),
    pointer('data', 76, 4),
    pointer('data_end', 80, 4),
    u32('napi_id', 84),
    pointer('data_meta', 140, 4),
    { name: 'tstamp', offset: 152, size: 8, writable: true, access: 'whole' },
    u32('wire_len', 160),
    u32('gso_segs', 164),
    pointer('sk', 168, 8),
    u32('gso_size', 176),
    { name: 'tstamp_type', offset: 180, size: 1 },
    { name: 'hwtstamp', offset: 184, size: 8, access: 'whole' },
  ],
};
