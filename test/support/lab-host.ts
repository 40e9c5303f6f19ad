import { createServer, get, type Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { createAnonymousNetns, familyOf, NetlinkSocket, type Netns, type Sys } from 'netlink-tc';
import { connectTcp, listenTcp, type ConnectOptions } from '../../packages/ambient-redirect/src/proxy/tcp.ts';
import { LabProcess } from './lab-process.ts';

/** What the HTTP server of a lab host tells of the request that it got. */
export interface Seen {
  /** Name of the host that answered. */
  readonly server: string;
  /** The client's address and port, as the server saw them. */
  readonly client: string;
  readonly clientPort: number;
  /** The address and port that the client connected to, as the server saw them. */
  readonly destination: string;
  readonly destinationPort: number;
}

/** A network namespace that plays a host, a pod or a proxy. */
export class LabHost {
  readonly name: string;
  readonly netns: Netns;
  /** Netlink socket in the namespace. */
  readonly socket: NetlinkSocket;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Name and index of the other end of its `eth0` on the node; empty and 0 for the node itself. */
  readonly hostInterface: string;
  readonly hostIndex: number;
  readonly #sys: Sys;
  readonly #processes = new Set<LabProcess>();
  readonly #servers = new Set<HttpServer>();

  constructor(sys: Sys, fields: Pick<LabHost, 'name' | 'ipv4' | 'ipv6' | 'hostInterface' | 'hostIndex'>) {
    this.#sys = sys;
    this.name = fields.name;
    this.ipv4 = fields.ipv4;
    this.ipv6 = fields.ipv6;
    this.hostInterface = fields.hostInterface;
    this.hostIndex = fields.hostIndex;
    this.netns = createAnonymousNetns(sys);
    this.socket = NetlinkSocket.open(sys, { netns: this.netns });
  }

  /** A path by which this process and its children reach the namespace, which has no name. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.netns.fd}`;
  }

  /** Its address of a family. */
  address(family: 'ipv4' | 'ipv6'): string {
    return family === 'ipv4' ? this.ipv4 : this.ipv6;
  }

  /** Reads a setting below `/proc/sys/net` of the namespace, such as `ipv4/ip_forward`, and sets it first where a value is given. */
  sysctl(name: string, value?: string): string {
    const path = `/proc/sys/net/${name}`;
    return this.netns.run(() => {
      if (value !== undefined) writeFileSync(path, value);
      return readFileSync(path, 'utf8').trim();
    });
  }

  /** Starts a process in the namespace. */
  spawn(argv: readonly string[]): LabProcess {
    const started = new LabProcess(this.path, argv);
    this.#processes.add(started);
    return started;
  }

  /** Runs a command in the namespace to its end. @returns what it printed @throws Error when it exits with another code than 0 */
  async exec(...argv: readonly string[]): Promise<string> {
    const started = this.spawn(argv);
    const code = await started.ended();
    this.#processes.delete(started);
    if (code !== 0) throw new Error(`${this.name}: ${argv.join(' ')} ended with ${code}: ${started.output}`);
    return started.output;
  }

  /** Begins a TCP connection from the namespace. */
  connect(options: ConnectOptions): Socket {
    return connectTcp(this.#sys, this.netns, options);
  }

  /** Serves HTTP on a port, both families: each answer is a {@link Seen} as JSON. */
  async serveHttp(port = 80): Promise<void> {
    for (const address of ['0.0.0.0', '::']) {
      const server = createServer(({ socket }, response) => {
        const seen: Seen = {
          server: this.name,
          client: socket.remoteAddress ?? '',
          clientPort: socket.remotePort ?? 0,
          destination: socket.localAddress ?? '',
          destinationPort: socket.localPort ?? 0,
        };
        response.end(JSON.stringify(seen));
      });
      this.#servers.add(server);
      await listenTcp(this.#sys, this.netns, server, { at: { address, port } });
    }
  }

  /** Asks the HTTP server of a lab host, over a connection of its own. @throws Error what the connection fails with, or `timeout` */
  async get(address: string, port = 80, { timeoutMs = 3_000 }: { readonly timeoutMs?: number } = {}): Promise<Seen> {
    return new Promise<Seen>((resolve, reject) => {
      const socket = this.connect({ to: { address, port } });
      const host = familyOf(address) === 'ipv6' ? `[${address}]` : address;
      // No `agent`, not even false: an agent would connect by itself, from this process's own namespace.
      const request = get({ host, port, createConnection: () => socket }, (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => (text += part))
          .on('end', () => resolve(JSON.parse(text) as Seen))
          .on('error', reject);
      });
      // Not the idle time of a socket, which a connection that never comes about does not have.
      const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs);
      request.on('error', reject).on('close', () => clearTimeout(timer));
    });
  }

  /** Ends its processes and servers, and the namespace with them. */
  async close(): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    }
    await Promise.all([...this.#processes].map((each) => each.stop('SIGKILL')));
    this.socket.close();
    this.netns.close();
  }
}
