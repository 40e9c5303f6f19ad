import { networkInterfaces } from 'node:os';
import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { familyOf, systemError, type Family, type Fd, type Netns, type Sys, type SyscallName } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';

// Linux' include/uapi/linux/{socket,in,in6}.h and include/uapi/asm-generic/socket.h: the same numbers on every architecture we know.
const AF = { ipv4: 2, ipv6: 10 } as const;
const SOCK = { tcp: 1, udp: 2 } as const;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SOL_IP = 0;
const IP_TRANSPARENT = 19;
const IP_BIND_ADDRESS_NO_PORT = 24;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPV6_TRANSPARENT = 75;

/** An address and a port in host byte order. */
export interface Endpoint {
  /** IPv4 or IPv6, as text. */
  readonly address: string;
  readonly port: number;
}

/** What {@link openSocket} makes. */
export interface SocketOptions {
  readonly protocol: 'tcp' | 'udp';
  readonly family: Family;
  /** What to bind to; port 0 lets the kernel choose one: of a TCP socket only when it connects, so that more connections than ports fit. */
  readonly bind?: Endpoint;
  /**
   * Whether it may have addresses that are not this host's, and take connections to such (`IP_TRANSPARENT`, `IPV6_TRANSPARENT`). Needs
   * `CAP_NET_ADMIN` in the namespace.
   */
  readonly transparent?: boolean;
}

/** Sizes of `struct sockaddr_in` and `sockaddr_in6` in bytes. */
const SOCKADDR_SIZE = { ipv4: 16, ipv6: 28 } as const;

/**
 * `struct sockaddr_in` or `sockaddr_in6` of an endpoint.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for a port that is none; NetlinkTcError for an address that is none
 */
export function encodeSockaddr(sys: Sys, { address, port }: Endpoint): Uint8Array {
  const family = familyOf(address);
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${String(port)} is no port`, { hint: 'give 0 to 65535' });
  }
  const bytes = new Uint8Array(SOCKADDR_SIZE[family]);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF[family], sys.platform.littleEndian);
  view.setUint16(2, port);
  if (family === 'ipv4') ipv4Address.write(address, bytes, 4);
  else ipv6Address.write(address, bytes, 8);
  return bytes;
}

/** The endpoint in a `struct sockaddr_in` or `sockaddr_in6`; an IPv4-mapped address is told as IPv6. */
export function decodeSockaddr(sys: Sys, bytes: Uint8Array): Endpoint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ipv4 = view.getUint16(0, sys.platform.littleEndian) === AF.ipv4;
  return { address: ipv4 ? ipv4Address.read(bytes, 4) : ipv6Address.read(bytes, 8), port: view.getUint16(2) };
}

/** Makes a call on a socket, or throws what went wrong with it. */
function must(sys: Sys, fd: Fd, name: SyscallName, ...args: (number | Uint8Array)[]): void {
  const result = sys.call(name, fd.number, ...args);
  if (result < 0) throw systemError(result, name, `cannot set up the ${fd.what}`);
}

/** Sets an `int` option of a socket. @throws NetlinkTcError */
export function setSocketOption(sys: Sys, fd: Fd, level: number, option: number, value: number): void {
  must(sys, fd, 'setsockopt', level, option, new Uint8Array(Int32Array.of(value).buffer), 4);
}

/**
 * Makes a non-blocking socket in a network namespace, where it stays. IPv6 sockets are of IPv6 only.
 * @throws NetlinkTcError `ERR_PERMISSION` for a transparent one without `CAP_NET_ADMIN`, and what binding fails with
 */
export function openSocket(sys: Sys, netns: Netns, options: SocketOptions): Fd {
  const { protocol, family, bind, transparent = false } = options;
  const address = bind === undefined ? undefined : encodeSockaddr(sys, bind);
  return netns.run(() => {
    const number = sys.call('socket', AF[family], SOCK[protocol] | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const where = bind === undefined ? '' : ` of ${bind.address} port ${bind.port}`;
    if (number < 0) throw systemError(number, 'socket', `cannot make a ${family} ${protocol} socket`);
    const fd = sys.fds.own(number, `${protocol} socket${where}`);
    try {
      setSocketOption(sys, fd, SOL_SOCKET, SO_REUSEADDR, 1);
      if (family === 'ipv6') setSocketOption(sys, fd, SOL_IPV6, IPV6_V6ONLY, 1);
      if (transparent && family === 'ipv4') setSocketOption(sys, fd, SOL_IP, IP_TRANSPARENT, 1);
      if (transparent && family === 'ipv6') setSocketOption(sys, fd, SOL_IPV6, IPV6_TRANSPARENT, 1);
      if (bind?.port === 0 && protocol === 'tcp') setSocketOption(sys, fd, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
      if (address !== undefined) must(sys, fd, 'bind', address, address.length);
      return fd;
    } catch (error) {
      fd.close();
      throw error;
    }
  });
}

/** Whether a namespace has an address. Asks the kernel: not for every packet. */
export function isOwnAddress(netns: Netns, address: string): boolean {
  const interfaces = netns.run(() => Object.values(networkInterfaces()));
  return interfaces.some((each) => each?.some((own) => own.address === address) === true);
}
