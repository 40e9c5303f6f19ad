import type { Socket } from 'node:net';
import type { Netns, Sys } from 'netlink-tc';
import type { Endpoint } from './sockets.ts';
import { connectTcp } from './tcp.ts';

/** How a proxied connection ended. */
export interface Ending {
  /** Bytes that came from the client, and that came from the destination. */
  readonly sent: number;
  readonly received: number;
  /** Error code of the side that broke it off (`ECONNREFUSED`, `ECONNRESET`…); undefined when both sides finished. */
  readonly error: string | undefined;
}

/** Who is at the other end of a socket, and what it was connected to. Undefined when it is gone already. */
export function endsOf(socket: Socket): { readonly source: Endpoint; readonly destination: Endpoint } | undefined {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  if (remoteAddress === undefined || remotePort === undefined || localAddress === undefined || localPort === undefined)
    return undefined;
  return {
    source: { address: remoteAddress, port: remotePort },
    destination: { address: localAddress, port: localPort },
  };
}

/** Breaks a connection off by a reset; one that is not there yet, by forgetting it: a reset would wait until it is. */
function breakOff(socket: Socket): void {
  if (socket.connecting) socket.destroy();
  else socket.resetAndDestroy();
}

/**
 * Joins an accepted connection to its original destination, from the client's own address: half-closes, back-pressure and resets go
 * through both ways.
 * @param onEnd called once, when both sockets are closed
 * @returns what breaks the connection off, both ends
 * @throws NetlinkTcError when the second socket cannot be made
 */
export function splice(
  sys: Sys,
  netns: Netns,
  client: Socket,
  ends: { readonly source: Endpoint; readonly destination: Endpoint },
  onEnd: (ending: Ending) => void,
): () => void {
  const { source, destination } = ends;
  const server = connectTcp(sys, netns, {
    to: destination,
    // Another port: the client's own is in use for its connection to this host, as far as the kernel can see.
    from: { address: source.address, port: 0 },
    transparent: true,
    allowHalfOpen: true,
  });
  let error: string | undefined;
  let open = 2;
  for (const [one, other] of [
    [client, server],
    [server, client],
  ] as const) {
    one.setNoDelay(true);
    one.pipe(other);
    one.on('error', (cause: NodeJS.ErrnoException) => (error ??= cause.code ?? cause.message));
    one.on('close', (failed) => {
      // A side that ended in order has passed its end on by the pipe.
      if (failed || !one.readableEnded || !one.writableFinished) breakOff(other);
      open -= 1;
      if (open === 0) onEnd({ sent: client.bytesRead, received: server.bytesRead, error });
    });
  }
  return () => {
    breakOff(client);
    breakOff(server);
  };
}
