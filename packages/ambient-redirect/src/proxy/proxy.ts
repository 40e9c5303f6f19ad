import { createServer, type Server, type Socket } from 'node:net';
import type { Family, Netns, Sys } from 'netlink-tc';
import { DEFAULT_PORTS, type ProxyPorts } from '../ports.ts';
import { endsOf, splice, type Ending } from './connection.ts';
import { openDnsForwarder, type DnsForwarder } from './dns.ts';
import { isOwnAddress, type Endpoint } from './sockets.ts';
import { listenTcp } from './tcp.ts';

/** What one of the proxy's listeners is for. */
export type Purpose = keyof ProxyPorts;

/** A connection that the proxy took. */
export interface ProxiedConnection {
  readonly purpose: Purpose;
  /** The client. */
  readonly source: Endpoint;
  /** What the client connected to. */
  readonly destination: Endpoint;
}

/** What the proxy has done so far. */
export interface ProxyCounters {
  /** Connections taken, by listener. */
  readonly accepted: Readonly<Record<Purpose, number>>;
  /** Connections that are open. */
  readonly active: number;
  /** Connections that one side broke off, or whose destination could not be reached. */
  readonly failed: number;
  /** Connections to the proxy itself: it would have connected to itself. */
  readonly refused: number;
  /** Bytes from clients, and from their destinations, of connections that have ended. */
  readonly sent: number;
  readonly received: number;
  /** DNS queries over UDP that came, that were answered, and that were dropped for want of an answer or of room. */
  readonly queries: number;
  readonly answers: number;
  readonly dropped: number;
}

/** One of the proxy's listening sockets, for who steers connections to it. */
export interface ProxyListener {
  readonly purpose: Purpose;
  readonly protocol: 'tcp' | 'udp';
  readonly family: Family;
  readonly port: number;
  /** Its descriptor in this process; the proxy owns it. */
  readonly fd: number;
}

/** Options of {@link TransparentProxy.open}. */
export interface ProxyOptions {
  /** Ports to listen on; {@link DEFAULT_PORTS} if left out. */
  readonly ports?: ProxyPorts;
  /** Told of each connection that is taken. */
  readonly onConnection?: (connection: ProxiedConnection) => void;
  /** Told of each connection when both its ends are closed. */
  readonly onEnd?: (connection: ProxiedConnection, ending: Ending) => void;
}

const ANY = { ipv4: '0.0.0.0', ipv6: '::' } as const;
const PURPOSES = Object.keys(DEFAULT_PORTS) as readonly Purpose[];

/**
 * A transparent proxy for TCP, and for DNS over UDP: it takes connections that were steered to it, whatever address they are for, and
 * joins each to that address from the client's own. It neither encrypts nor asks who may: it stands in for the mesh's proxy where that is
 * not there, in the demo and in tests.
 *
 * Its namespace needs a rule and a route that bring packets for other addresses to its sockets, and must not forward.
 */
export class TransparentProxy implements AsyncDisposable {
  readonly #sys: Sys;
  readonly #netns: Netns;
  readonly #options: ProxyOptions;
  readonly #servers: Server[] = [];
  readonly #listeners: ProxyListener[] = [];
  readonly #open = new Set<() => void>();
  readonly #accepted: Record<Purpose, number> = { outbound: 0, hbone: 0, plaintext: 0, dns: 0 };
  #dns: DnsForwarder | undefined;
  #failed = 0;
  #refused = 0;
  #sent = 0;
  #received = 0;

  private constructor(sys: Sys, netns: Netns, options: ProxyOptions) {
    this.#sys = sys;
    this.#netns = netns;
    this.#options = options;
  }

  /**
   * Opens the listeners in a network namespace. The handle must stay open as long as the proxy.
   * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_NET_ADMIN`; what binding fails with, when a port is taken
   */
  static async open(sys: Sys, netns: Netns, options: ProxyOptions = {}): Promise<TransparentProxy> {
    const proxy = new TransparentProxy(sys, netns, options);
    try {
      for (const purpose of PURPOSES) await proxy.#listen(purpose);
      const port = (options.ports ?? DEFAULT_PORTS).dns;
      proxy.#dns = openDnsForwarder(sys, netns, port);
      for (const { family, fd } of proxy.#dns.sockets)
        proxy.#listeners.push({ purpose: 'dns', protocol: 'udp', family, port, fd });
    } catch (error) {
      await proxy.close();
      throw error;
    }
    return proxy;
  }

  async #listen(purpose: Purpose): Promise<void> {
    const port = (this.#options.ports ?? DEFAULT_PORTS)[purpose];
    for (const family of ['ipv4', 'ipv6'] as const) {
      const server = createServer({ allowHalfOpen: true }, (client) => this.#take(purpose, port, client));
      this.#servers.push(server);
      const fd = await listenTcp(this.#sys, this.#netns, server, {
        at: { address: ANY[family], port },
        transparent: true,
      });
      this.#listeners.push({ purpose, protocol: 'tcp', family, port, fd });
    }
  }

  #take(purpose: Purpose, port: number, client: Socket): void {
    // One that is gone already makes its error later.
    client.on('error', () => undefined);
    const ends = endsOf(client);
    if (ends === undefined) {
      client.destroy();
      return;
    }
    if (ends.destination.port === port && isOwnAddress(this.#netns, ends.destination.address)) {
      this.#refused += 1;
      client.resetAndDestroy();
      return;
    }
    const connection = { purpose, ...ends };
    this.#accepted[purpose] += 1;
    this.#options.onConnection?.(connection);
    let abort: (() => void) | undefined;
    const end = (ending: Ending): void => {
      if (abort !== undefined) this.#open.delete(abort);
      if (ending.error !== undefined) this.#failed += 1;
      this.#sent += ending.sent;
      this.#received += ending.received;
      this.#options.onEnd?.(connection, ending);
    };
    try {
      abort = splice(this.#sys, this.#netns, client, ends, end);
      this.#open.add(abort);
    } catch (error) {
      client.resetAndDestroy();
      end({ sent: 0, received: 0, error: error instanceof Error ? error.message : String(error) });
    }
  }

  /** The listening sockets, for who steers connections to them. */
  get listeners(): readonly ProxyListener[] {
    return this.#listeners;
  }

  /** What it has done so far. */
  get counters(): ProxyCounters {
    const { queries, answers, dropped } = this.#dns?.counters ?? { queries: 0, answers: 0, dropped: 0 };
    return {
      accepted: { ...this.#accepted },
      active: this.#open.size,
      failed: this.#failed,
      refused: this.#refused,
      sent: this.#sent,
      received: this.#received,
      queries,
      answers,
      dropped,
    };
  }

  /** Breaks off what is open and closes the listeners. A second call does nothing. */
  async close(): Promise<void> {
    for (const abort of this.#open) abort();
    this.#dns?.close();
    this.#listeners.length = 0;
    await Promise.all(this.#servers.splice(0).map((server) => new Promise((resolve) => void server.close(resolve))));
  }

  /** The same as {@link close}, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
