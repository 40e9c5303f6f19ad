import { be16, bytes, struct, u32, u8 } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import { NO_POLICY, policy, type Attributes, type MessageFormat } from '../netlink/index.ts';

/** `NETLINK_SOCK_DIAG`: the netlink family that tells of sockets. */
export const NETLINK_SOCK_DIAG = 4;

/** Types of messages about sockets (`linux/sock_diag.h`). */
export const SOCK_DIAG = { SOCK_DIAG_BY_FAMILY: 20, SOCK_DESTROY: 21 } as const;

/** `struct inet_diag_sockid`: which socket. An IPv4 address is in the first four bytes. */
const IDENTITY = {
  localPort: be16,
  remotePort: be16,
  local: bytes(16),
  remote: bytes(16),
  device: u32,
  cookieLow: u32,
  cookieHigh: u32,
};
