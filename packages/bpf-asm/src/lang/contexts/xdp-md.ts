/** `struct xdp_md` (`xdp_is_valid_access` in `net/core/filter.c`), without the packet's pointers. */
export const XDP_MD_FIELDS = {
  ingressIfindex: { type: 'u32', offset: 12, since: '4.16' },
  rxQueueIndex: { type: 'u32', offset: 16, since: '4.16' },
  egressIfindex: { type: 'u32', offset: 20, since: '5.8' },
} as const;
