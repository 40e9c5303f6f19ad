import { systemError } from '../error.ts';
import type { Sys } from '../sys/index.ts';
import { LITTLE_ENDIAN } from './host.ts';

/** `AF_NETLINK`. */
const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;

/** Options of `linux/netlink.h` that every socket of this package sets. */
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;

/** Bytes of `struct sockaddr_nl`. */
export const SOCKADDR_NL = 12;

function word(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, LITTLE_ENDIAN);
  return bytes;
}

function set(sys: Sys, fd: number, level: number, option: number, value: number): number {
  return sys.call('setsockopt', fd, level, option, word(value), 4);
}

/** What {@link openRawSocket} makes. */
export interface RawSocketOptions {
  /** Netlink family: 0 is `NETLINK_ROUTE`. */
  readonly protocol: number;
  /** Multicast groups to join, by number. */
  readonly groups: readonly number[];
  /** Bytes of the receive buffer; above the system's limit it needs `CAP_NET_ADMIN`, and is cut without it. */
  readonly receiveBuffer: number | undefined;
}

/** A netlink socket without a protocol of its own: a descriptor that does not block, and the port the kernel gave it. */
export interface RawSocket {
  readonly fd: number;
  readonly port: number;
}

/**
 * Opens a netlink socket with strict checking of requests (4.20), extended acknowledgements (4.12) that leave the request out
 * (4.3), and a port of its own.
 * @throws NetlinkTcError `ERR_UNSUPPORTED` where the kernel lacks one of these, or the family
 */
export function openRawSocket(sys: Sys, { protocol, groups, receiveBuffer }: RawSocketOptions): RawSocket {
  const fd = sys.call('socket', AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
  if (fd < 0) throw systemError(fd, 'socket', `cannot open a netlink socket of family ${protocol}`);
  const must = (result: number, syscall: string, what: string): void => {
    if (result >= 0) return;
    sys.call('close', fd);
    throw systemError(result, syscall, what);
  };
  const options = {
    'capped acknowledgements': NETLINK_CAP_ACK,
    'extended acknowledgements': NETLINK_EXT_ACK,
    'strict checking': NETLINK_GET_STRICT_CHK,
  };
  for (const [what, option] of Object.entries(options)) {
    must(set(sys, fd, SOL_NETLINK, option, 1), 'setsockopt', `cannot switch on ${what} of netlink`);
  }
  if (receiveBuffer !== undefined && set(sys, fd, SOL_SOCKET, SO_RCVBUFFORCE, receiveBuffer) < 0) {
    must(set(sys, fd, SOL_SOCKET, SO_RCVBUF, receiveBuffer), 'setsockopt', 'cannot size the receive buffer');
  }
  const address = new Uint8Array(SOCKADDR_NL);
  const view = new DataView(address.buffer);
  view.setUint16(0, AF_NETLINK, LITTLE_ENDIAN);
  must(sys.call('bind', fd, address, SOCKADDR_NL), 'bind', 'cannot bind a netlink socket');
  for (const group of groups) {
    must(set(sys, fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group), 'setsockopt', `cannot join netlink group ${group}`);
  }
  must(
    sys.call('getsockname', fd, address, word(SOCKADDR_NL)),
    'getsockname',
    'cannot read the port of a netlink socket',
  );
  return { fd, port: view.getUint32(4, LITTLE_ENDIAN) };
}
