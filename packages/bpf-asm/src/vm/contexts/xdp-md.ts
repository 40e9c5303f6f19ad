import { pointer, u32, type ContextLayout } from './context-layout.ts';

/**
 * `struct xdp_md` (`include/uapi/linux/bpf.h`; `xdp_is_valid_access` in `net/core/filter.c`): whole reads only, no writes.
 * `egress_ifindex` is for programs of a device map, which the interpreter has not.
 */
export const XDP_MD: ContextLayout = {
  name: 'xdp_md',
  size: 24,
  fields: [
    pointer('data', 0, 4),
    pointer('data_end', 4, 4),
    pointer('data_meta', 8, 4),
    u32('ingress_ifindex', 12, { access: 'whole' }),
    u32('rx_queue_index', 16, { access: 'whole' }),
  ],
};
