/** `struct bpf_sock_addr` (`sock_addr_is_valid_access` in `net/core/filter.c`, Linux 4.17): the address that a socket call is made with. */
export const SOCK_ADDR_FIELDS = {
  userFamily: { type: 'u32', offset: 0, since: '4.17' },
  userIp4: { type: 'be32', offset: 4, since: '4.17', writable: true },
  userIp6: { type: 'ipv6', offset: 8, since: '4.17', writable: true },
  userPort: { type: 'be16', offset: 24, since: '4.17', writable: true, size: 4 },
  family: { type: 'u32', offset: 28, since: '4.17' },
  type: { type: 'u32', offset: 32, since: '4.17' },
  protocol: { type: 'u32', offset: 36, since: '4.17' },
  msgSrcIp4: { type: 'be32', offset: 40, since: '4.18', writable: true },
  msgSrcIp6: { type: 'ipv6', offset: 44, since: '4.18', writable: true },
} as const;
