import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import type { Family } from '../rtnl/index.ts';
import { familyOf } from '../rtnl/prefix.ts';
import type { TcpState } from './state.ts';

/** Protocols whose sockets can be listed. */
export type InetProtocol = 'tcp' | 'udp';

/** One end of a socket. */
export interface SocketEndpoint {
  /** As text; that of a socket of both families as it stands there, `::ffff:10.0.0.1`: see {@link normaliseMapped}. */
  readonly address: string;
  /** In host byte order; 0 for none. */
  readonly port: number;
}

/** The timer that a socket waits for. */
export interface SocketTimer {
  /** `keepalive` is also that of connections that are being closed. */
  readonly kind: 'retransmit' | 'keepalive' | 'time_wait' | 'probe' | number;
  /** How long until it fires, in milliseconds. */
  readonly expiresMs: number;
  /** How often it fired without success. */
  readonly retransmits: number;
}

/** A TCP or UDP socket of a network namespace. */
export interface InetSocket {
  readonly protocol: InetProtocol;
  readonly family: Family;
  /** A number for states without a name here. */
  readonly state: TcpState | number;
  readonly local: SocketEndpoint;
  /** Zero address and port where it is not connected. */
  readonly remote: SocketEndpoint;
  /** Index of the link that it is bound to; 0 for none. */
  readonly device: number;
  /** Inode number, as in the links `socket:[…]` of `/proc/PID/fd`; 0 where no process has it any more. */
  readonly inode: number;
  /** User id of its owner, as the asking process's user namespace numbers it. */
  readonly uid: number;
  /** Number that no other socket has until the next boot; `bpf_get_socket_cookie` gives the same. */
  readonly cookie: bigint;
  /** Bytes that nobody has read yet; of a listener, connections that nobody has accepted yet. */
  readonly receiveQueue: number;
  /** Bytes that are not acknowledged; of a listener, the greatest number of connections that may wait. */
  readonly sendQueue: number;
  /** The timer that runs, if one does. */
  readonly timer: SocketTimer | undefined;
  /** `SO_MARK`; undefined without `CAP_NET_ADMIN`. */
  readonly mark: number | undefined;
  /** Whether an IPv6 socket takes no IPv4; undefined for IPv4 and for connections. */
  readonly v6only: boolean | undefined;
  /** Whether it may have addresses of others (`IP_TRANSPARENT`); undefined before 5.10, and for what has no full socket. */
  readonly transparent: boolean | undefined;
}

/**
 * The IPv4 address in an IPv4-mapped IPv6 address (`::ffff:10.0.0.1`), which sockets of both families have; any other address as
 * it is.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when it is no address
 * @example
 * ```ts
 * normaliseMapped('::ffff:10.0.0.1'); // '10.0.0.1'
 * ```
 */
export function normaliseMapped(address: string): string {
  if (familyOf(address) === 'ipv4') return address;
  const bytes = ipv6Address.encode(address);
  const mapped = bytes[10] === 0xff && bytes[11] === 0xff && bytes.subarray(0, 10).every((byte) => byte === 0);
  return mapped ? ipv4Address.read(bytes, 12) : address;
}
