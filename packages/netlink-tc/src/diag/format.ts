import { be16, bytes, struct, u32, u8 } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import { policy, type Attributes, type MessageFormat } from '../netlink/index.ts';

/** `NETLINK_SOCK_DIAG`: the netlink family that tells of sockets. */
export const NETLINK_SOCK_DIAG = 4;

/** Types of messages about sockets (`linux/sock_diag.h`). */
export const SOCK_DIAG = { SOCK_DIAG_BY_FAMILY: 20, SOCK_DESTROY: 21 } as const;

/** What a request about sockets begins with: `struct inet_diag_req_v2` (`linux/inet_diag.h`), with its `id` laid flat. */
export interface SocketRequestHeader {
  readonly family: number;
  /** `IPPROTO_*`. */
  readonly protocol: number;
  readonly extensions: number;
  readonly pad: number;
  readonly states: number;
  readonly localPort: number;
  readonly remotePort: number;
  /** An IPv4 address is in the first four bytes. */
  readonly local: Uint8Array;
  readonly remote: Uint8Array;
  readonly device: number;
  readonly cookieLow: number;
  readonly cookieHigh: number;
}

/** How requests about sockets look. */
export const SOCKET_REQUEST: MessageFormat<SocketRequestHeader, Attributes> = {
  noun: 'socket request',
  protocol: NETLINK_SOCK_DIAG,
  header: native(
    struct('inet_diag_req_v2', {
      family: u8,
      protocol: u8,
      extensions: u8,
      pad: u8,
      states: u32,
      localPort: be16,
      remotePort: be16,
      local: bytes(16),
      remote: bytes(16),
      device: u32,
      cookieLow: u32,
      cookieHigh: u32,
    }),
  ),
  policy: policy<Attributes>({}),
  types: SOCK_DIAG,
};
