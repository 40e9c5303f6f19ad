import { once } from 'node:events';
import { Socket, type Server } from 'node:net';
import { familyOf, type Netns, type Sys } from 'netlink-tc';
import { openSocket, type Endpoint } from './sockets.ts';

/** Whom to connect to, from where. */
export interface ConnectOptions {
  readonly to: Endpoint;
  /** What to bind to first; the kernel chooses if left out. */
  readonly from?: Endpoint;
  /** Whether `from` may be an address of another host. Needs `CAP_NET_ADMIN` in the namespace. */
  readonly transparent?: boolean;
  /** Whether the socket stays writable after the other side has finished, until `end` is called. */
  readonly allowHalfOpen?: boolean;
}

/**
 * Begins a TCP connection in a network namespace. The socket tells by its events how it goes on, as after `net.connect`.
 * @throws NetlinkTcError when the socket cannot be made or bound
 */
export function connectTcp(sys: Sys, netns: Netns, options: ConnectOptions): Socket {
  const { to, from, transparent = false, allowHalfOpen = false } = options;
  const family = familyOf(to.address);
  const fd = openSocket(sys, netns, {
    protocol: 'tcp',
    family,
    transparent,
    ...(from === undefined ? {} : { bind: from }),
  });
  const socket = new Socket({ fd: fd.release(), readable: true, writable: true, allowHalfOpen });
  // In the same turn of the event loop: a socket that is polled before it connects fails with ENOTCONN.
  return socket.connect({ host: to.address, port: to.port });
}

/**
 * Lets a server of Node's take the connections of a socket that is made and bound in a network namespace.
 * @returns the number of the listening socket, which the server owns
 * @throws NetlinkTcError when the socket cannot be made or bound
 */
export async function listenTcp(
  sys: Sys,
  netns: Netns,
  server: Server,
  options: { readonly at: Endpoint; readonly transparent?: boolean },
): Promise<number> {
  const { at, transparent = false } = options;
  const socket = openSocket(sys, netns, { protocol: 'tcp', family: familyOf(at.address), bind: at, transparent });
  const fd = socket.release();
  server.listen({ fd });
  await once(server, 'listening');
  return fd;
}
