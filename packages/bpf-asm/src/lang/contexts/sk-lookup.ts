/** `struct bpf_sk_lookup` (`sk_lookup_is_valid_access` in `net/core/filter.c`, Linux 5.9). The local side is the packet's destination. */
export const SK_LOOKUP_FIELDS = {
  family: { type: 'u32', offset: 8, since: '5.9' },
  protocol: { type: 'u32', offset: 12, since: '5.9' },
  remoteIp4: { type: 'be32', offset: 16, since: '5.9' },
  remoteIp6: { type: 'ipv6', offset: 20, since: '5.9' },
  remotePort: { type: 'be16', offset: 36, since: '5.9' },
  localIp4: { type: 'be32', offset: 40, since: '5.9' },
  localIp6: { type: 'ipv6', offset: 44, since: '5.9' },
  localPort: { type: 'u32', offset: 60, since: '5.9' },
  ingressIfindex: { type: 'u32', offset: 64, since: '5.17' },
} as const;
