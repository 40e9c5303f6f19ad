import { ipv4Address, ipv6Address } from 'bpf-asm/layout';
import { constants } from 'node:os';
import { NetlinkTcError } from '../error.ts';
import { dumpRequest, nothing, request, type Request } from '../netlink/index.ts';
import type { Family } from '../rtnl/index.ts';
import { familyNumber } from '../rtnl/prefix.ts';
import { SocketReader } from './answer.ts';
import { SOCK_DIAG, SOCKET_REQUEST, type SocketRequestHeader } from './format.ts';
import type { InetProtocol, InetSocket } from './socket.ts';
import { stateMask, TCP_STATES, type TcpState } from './state.ts';

const PROTOCOLS: Readonly<Record<InetProtocol, number>> = { tcp: 6, udp: 17 };
const { EINVAL, ENOENT, EOPNOTSUPP } = constants.errno;

function refuse(problem: string, hint: string): NetlinkTcError {
  return new NetlinkTcError('ERR_INVALID_ARGUMENT', problem, { hint });
}

/** The fields that every request has, checked. */
function header(
  protocol: InetProtocol,
  family: Family,
  ports: { readonly localPort?: number; readonly remotePort?: number },
): Partial<SocketRequestHeader> & Pick<SocketRequestHeader, 'family' | 'protocol'> {
  if (!Object.hasOwn(PROTOCOLS, protocol)) throw refuse(`'${String(protocol)}' is no protocol`, "give 'tcp' or 'udp'");
  if (family !== 'ipv4' && family !== 'ipv6') throw refuse(`'${String(family)}' is no family`, "give 'ipv4' or 'ipv6'");
  for (const port of [ports.localPort, ports.remotePort]) {
    if (port !== undefined && (!Number.isInteger(port) || port < 0 || port > 0xffff))
      throw refuse(`${String(port)} is no port`, 'give 1 to 65535, or leave it out for all');
  }
  return { family: familyNumber(family), protocol: PROTOCOLS[protocol], ...ports };
}

/** Which sockets to list. What is left out does not matter. */
export interface SocketFilter {
  readonly protocol: InetProtocol;
  /** Sockets of both families, which have IPv4-mapped addresses when they speak IPv4, are `ipv6`. */
  readonly family: Family;
  /** All states if left out. {@link TCP_CONNECTED} is what a connection goes through before it is over. */
  readonly states?: readonly TcpState[];
  readonly localPort?: number;
  readonly remotePort?: number;
}

/**
 * Lists the sockets of the socket's network namespace, for a `NetlinkSocket` of {@link NETLINK_SOCK_DIAG}. The kernel leaves out
 * what the filter does not want. Needs no capability; the mark is told to `CAP_NET_ADMIN` only.
 *
 * The kernel walks its tables while others change them: what is opened or closed meanwhile may be missing. Since Linux 3.3;
 * sock_diag(7).
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for a filter that makes no sense; from the socket: `ERR_NOT_FOUND` when the kernel
 * lacks the module
 * @example
 * ```ts
 * using socket = NetlinkSocket.open(sys, { netns, protocol: NETLINK_SOCK_DIAG });
 * for (const { local, remote } of await socket.request(
 *   listSockets({ protocol: 'tcp', family: 'ipv4', states: TCP_CONNECTED }),
 * )) console.log(local, remote);
 * ```
 */
export function listSockets(filter: SocketFilter): Request<InetSocket[]> {
  const { protocol, family, states = TCP_STATES, localPort = 0, remotePort = 0 } = filter;
  const missing = `the kernel needs CONFIG_INET_${protocol.toUpperCase()}_DIAG: modprobe ${protocol}_diag`;
  const reader = new SocketReader(protocol, family);
  return dumpRequest({
    what: `list ${protocol} sockets of ${family}`,
    format: SOCKET_REQUEST,
    type: SOCK_DIAG.SOCK_DIAG_BY_FAMILY,
    header: { ...header(protocol, family, { localPort, remotePort }), states: stateMask(states) },
    read: (raw) => reader.read(raw),
    hints: { [ENOENT]: missing, [EINVAL]: missing },
    answer: (sockets: readonly InetSocket[]) => [...sockets],
  });
}

/** What of a socket tells which one it is: the cookie makes sure that it is no later one with the same addresses. */
export type SocketIdentity = Pick<InetSocket, 'protocol' | 'family' | 'local' | 'remote' | 'device' | 'cookie'>;

/**
 * Ends a socket at once, as if its process had: a TCP connection by a reset to the other side, and its process reads
 * `ECONNABORTED`. Give what {@link listSockets} told. Needs `CAP_NET_ADMIN`. Since Linux 4.5 (UDP 4.9), where the kernel is built
 * with `CONFIG_INET_DIAG_DESTROY`.
 * @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` when it is gone, whether or not another has its addresses now;
 * `ERR_UNSUPPORTED` where the kernel cannot; `ERR_PERMISSION`
 */
export function destroySocket(socket: SocketIdentity): Request<void> {
  const { protocol, family, local, remote, device, cookie } = socket;
  const address = family === 'ipv4' ? ipv4Address : ipv6Address;
  const bytesOf = (text: string): Uint8Array => {
    if (address.check(text) !== undefined)
      throw refuse(`'${String(text)}' is no address of ${family}`, 'give it as text');
    return address.encode(text, new Uint8Array(16), 0);
  };
  if (typeof cookie !== 'bigint' || BigInt.asUintN(64, cookie) !== cookie)
    throw refuse(`${String(cookie)} is no cookie of a socket`, 'give the one that listSockets told');
  return request({
    what: `end the ${protocol} socket from ${local.address} port ${local.port} to ${remote.address} port ${remote.port}`,
    format: SOCKET_REQUEST,
    type: SOCK_DIAG.SOCK_DESTROY,
    header: {
      ...header(protocol, family, { localPort: local.port, remotePort: remote.port }),
      local: bytesOf(local.address),
      remote: bytesOf(remote.address),
      device,
      cookieLow: Number(cookie & 0xffff_ffffn),
      cookieHigh: Number(cookie >> 32n),
    },
    hints: {
      [ENOENT]: 'it has ended already',
      [EOPNOTSUPP]:
        'the kernel needs CONFIG_INET_DIAG_DESTROY; without it, a connection ends when its process closes it',
    },
    answer: nothing,
  });
}
