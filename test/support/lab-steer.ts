import { addRoute, addRule } from 'netlink-tc';
import { POD_CIDR, type Lab } from './lab.ts';

/** Tables of the node for the two pods, whose traffic goes by way of the proxy. */
const TABLE = 4000;

/**
 * Sends what `client` and `server` send to other pods to the proxy by rules of the node, as meshes do that have no programs: good enough to test a
 * proxy without any. Ports stay: what is to be proxied must be for a port that the proxy listens on.
 */
export async function steer({ node, proxy, client, server }: Lab): Promise<void> {
  for (const family of ['ipv4', 'ipv6'] as const) {
    await node.socket.batch([
      addRoute({
        destination: 'default',
        family,
        gateway: proxy.address(family),
        device: proxy.hostIndex,
        table: TABLE,
        onlink: true,
      }),
      ...[client, server].map(({ hostInterface }, i) =>
        addRule({
          family,
          priority: 100 + i,
          inputDevice: hostInterface,
          destination: POD_CIDR[family],
          table: TABLE,
        }),
      ),
    ]);
  }
}
