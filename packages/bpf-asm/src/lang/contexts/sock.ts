/** `struct bpf_sock` (`bpf_sock_is_valid_access` in `net/core/filter.c`). `src` is the local side. */
export const SOCK_FIELDS = {
  boundDevIf: { type: 'u32', offset: 0, since: '4.11' },
  family: { type: 'u32', offset: 4, since: '4.11' },
  type: { type: 'u32', offset: 8, since: '4.11' },
  protocol: { type: 'u32', offset: 12, since: '4.11' },
  mark: { type: 'u32', offset: 16, since: '4.14' },
  priority: { type: 'u32', offset: 20, since: '4.14' },
  srcIp4: { type: 'be32', offset: 24, since: '4.17' },
  srcIp6: { type: 'ipv6', offset: 28, since: '4.17' },
  srcPort: { type: 'u32', offset: 44, since: '4.17' },
  dstPort: { type: 'be16', offset: 48, since: '5.1' },
  dstIp4: { type: 'be32', offset: 52, since: '5.1' },
  dstIp6: { type: 'ipv6', offset: 56, since: '5.1' },
  state: { type: 'u32', offset: 72, since: '5.1' },
  rxQueueMapping: { type: 'u32', offset: 76, since: '5.8' },
} as const;
