/** `struct sk_msg_md` (`sk_msg_is_valid_access` in `net/core/filter.c`, Linux 4.17). `remotePort` is a number of 32 bits in network order. */
export const SK_MSG_FIELDS = {
  family: { type: 'u32', offset: 16, since: '4.18' },
  remoteIp4: { type: 'be32', offset: 20, since: '4.18' },
  localIp4: { type: 'be32', offset: 24, since: '4.18' },
  remoteIp6: { type: 'ipv6', offset: 28, since: '4.18' },
  localIp6: { type: 'ipv6', offset: 44, since: '4.18' },
  remotePort: { type: 'be32', offset: 60, since: '4.18' },
  localPort: { type: 'u32', offset: 64, since: '4.18' },
  size: { type: 'u32', offset: 68, since: '5.0' },
} as const;
