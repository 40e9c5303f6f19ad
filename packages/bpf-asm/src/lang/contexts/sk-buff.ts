/**
 * `struct __sk_buff` as programs at tc hooks may use it (`tc_cls_act_is_valid_access` in `net/core/filter.c`). `data` and `dataEnd` are not here: headers are
 * parsed.
 */
export const SK_BUFF_FIELDS = {
  len: { type: 'u32', offset: 0, since: '4.1' },
  pktType: { type: 'u32', offset: 4, since: '4.1' },
  mark: { type: 'u32', offset: 8, since: '4.1', writable: true },
  queueMapping: { type: 'u32', offset: 12, since: '4.1', writable: true },
  protocol: { type: 'be16', offset: 16, since: '4.1', size: 4 },
  vlanPresent: { type: 'u32', offset: 20, since: '4.1' },
  vlanTci: { type: 'u32', offset: 24, since: '4.1' },
  vlanProto: { type: 'be16', offset: 28, since: '4.1', size: 4 },
  priority: { type: 'u32', offset: 32, since: '4.1', writable: true },
  ingressIfindex: { type: 'u32', offset: 36, since: '4.2' },
  ifindex: { type: 'u32', offset: 40, since: '4.2' },
  tcIndex: { type: 'u32', offset: 44, since: '4.2', writable: true },
  cb: { type: 'words', offset: 48, since: '4.2', writable: true, count: 5 },
  hash: { type: 'u32', offset: 68, since: '4.3' },
  tcClassid: { type: 'u32', offset: 72, since: '4.4', writable: true },
  napiId: { type: 'u32', offset: 84, since: '4.12' },
  tstamp: { type: 'u64', offset: 152, since: '5.0', writable: true },
  wireLen: { type: 'u32', offset: 160, since: '5.0' },
  gsoSegs: { type: 'u32', offset: 164, since: '5.1' },
  gsoSize: { type: 'u32', offset: 176, since: '5.7' },
  tstampType: { type: 'u8', offset: 180, since: '5.18' },
  hwtstamp: { type: 'u64', offset: 184, since: '5.16' },
} as const;

/** `struct __sk_buff` as programs of type `cgroup_skb` may use it (`cg_skb_is_valid_access`); the packet begins with its IP header (Linux 5.0). */
export const CGROUP_SKB_FIELDS = {
  len: { type: 'u32', offset: 0, since: '4.10' },
  pktType: { type: 'u32', offset: 4, since: '4.10' },
  mark: { type: 'u32', offset: 8, since: '4.10', writable: true },
  queueMapping: { type: 'u32', offset: 12, since: '4.10' },
  protocol: { type: 'be16', offset: 16, since: '4.10', size: 4 },
  vlanPresent: { type: 'u32', offset: 20, since: '4.10' },
  vlanTci: { type: 'u32', offset: 24, since: '4.10' },
  vlanProto: { type: 'be16', offset: 28, since: '4.10', size: 4 },
  priority: { type: 'u32', offset: 32, since: '4.10', writable: true },
  ingressIfindex: { type: 'u32', offset: 36, since: '4.10' },
  ifindex: { type: 'u32', offset: 40, since: '4.10' },
  tcIndex: { type: 'u32', offset: 44, since: '4.10' },
  cb: { type: 'words', offset: 48, since: '4.10', writable: true, count: 5 },
  hash: { type: 'u32', offset: 68, since: '4.10' },
  napiId: { type: 'u32', offset: 84, since: '4.12' },
  family: { type: 'u32', offset: 88, since: '4.13' },
  remoteIp4: { type: 'be32', offset: 92, since: '4.13' },
  localIp4: { type: 'be32', offset: 96, since: '4.13' },
  remoteIp6: { type: 'ipv6', offset: 100, since: '4.13' },
  localIp6: { type: 'ipv6', offset: 116, since: '4.13' },
  remotePort: { type: 'be32', offset: 132, since: '4.13' },
  localPort: { type: 'u32', offset: 136, since: '4.13' },
} as const;
