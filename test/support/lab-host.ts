import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, get, type Server as HttpServer } from 'node:http';
import { createServer as createTcpServer, Socket } from 'node:net';
import { readFileSync, writeFileSync } from 'node:fs';
import { createAnonymousNetns, familyOf, NetlinkSocket, systemError, type Netns, type Sys } from 'netlink-tc';
import { giveUpAfter } from '../../packages/ambient-redirect/src/demo/patience.ts';
import { openSocket, type Endpoint } from '../../packages/ambient-redirect/src/proxy/sockets.ts';
import { connectTcp, listenTcp, type ConnectOptions } from '../../packages/ambient-redirect/src/proxy/tcp.ts';
import { LabProcess } from './lab-process.ts';
import { SLOWNESS } from './slowness.ts';

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

/** Options of {@link LabHost.request}. */
export interface HttpOptions {
  /** The client's own address; the kernel chooses if left out. */
  readonly from?: string;
  /** How long to wait for the answer, 10 s if left out; longer on a slow machine. */
  readonly timeoutMs?: number;
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
  readonly #closers = new Set<() => Promise<void>>();

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

  /** Begins a TCP connection whose packets have IPv4 options or an IPv6 header of destination options, that mean nothing. */
  connectWithOptions(to: Endpoint): Socket {
    const ipv4 = familyOf(to.address) === 'ipv4';
    const fd = openSocket(this.#sys, this.netns, { protocol: 'tcp', family: familyOf(to.address) });
    // IP_OPTIONS: three no-operations and the end of the list (RFC 791). IPV6_DSTOPTS: a header of 8 bytes that pads (RFC 8200).
    const [level, option, value] = ipv4 ? [0, 4, [1, 1, 1, 0]] : [41, 59, [0, 0, 1, 4, 0, 0, 0, 0]];
    const result = this.#sys.call('setsockopt', fd.number, level, option, Uint8Array.from(value), value.length);
    if (result < 0) throw systemError(result, 'setsockopt', `cannot set options of ${this.name}`);
    const socket = new Socket({ fd: fd.release(), readable: true, writable: true, allowHalfOpen: true });
    return socket.connect({ host: to.address, port: to.port });
  }

  /** Sends a frame by its `eth0`, as it is. */
  sendFrame(frame: Uint8Array): void {
    const [family, type, device] = [17, 3, 2]; // AF_PACKET, SOCK_RAW, index of eth0
    const address = new Uint8Array(20); // struct sockaddr_ll (packet(7))
    const view = new DataView(address.buffer);
    view.setUint16(0, family, this.#sys.platform.littleEndian);
    view.setInt32(4, device, this.#sys.platform.littleEndian);
    const number = this.netns.run(() => this.#sys.call('socket', family, type, 0));
    if (number < 0) throw systemError(number, 'socket', 'cannot make a packet socket');
    using fd = this.#sys.fds.own(number, 'packet socket');
    const sent = this.#sys.call('sendto', fd.number, frame, frame.length, 0, address, address.length);
    if (sent < 0) throw systemError(sent, 'sendto', 'cannot send a frame');
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

  /**
   * Serves TCP connections on a port, both families, until what is returned is closed or the host is.
   * @param serve told of each connection, which may be half-open; what it fails with is not told
   */
  async serveTcp(port: number, serve: (socket: Socket) => void): Promise<AsyncDisposable> {
    const sockets = new Set<Socket>();
    const servers = ['0.0.0.0', '::'].map((address) => {
      const server = createTcpServer({ allowHalfOpen: true }, (socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
        serve(socket);
      });
      return { address, server };
    });
    const close = async (): Promise<void> => {
      for (const socket of sockets) socket.destroy();
      await Promise.all(servers.map(({ server }) => new Promise((resolve) => void server.close(resolve))));
      this.#closers.delete(close);
    };
    this.#closers.add(close);
    for (const { address, server } of servers)
      await listenTcp(this.#sys, this.netns, server, { at: { address, port } });
    return { [Symbol.asyncDispose]: close };
  }

  /** A UDP socket in the namespace, bound: port 0 lets the kernel choose. Close it. */
  udp(address: string, port = 0): UdpSocket {
    const family = familyOf(address);
    const fd = openSocket(this.#sys, this.netns, { protocol: 'udp', family, bind: { address, port } });
    const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
    // It listens at once.
    socket.bind({ fd: fd.release() });
    return socket;
  }

  /** Asks a web server for a page, over a connection of its own. @throws Error what the connection fails with, or `timeout` */
  async request(address: string, port: number, path: string, options: HttpOptions = {}): Promise<string> {
    const { from, timeoutMs = 10_000 } = options;
    return new Promise<string>((resolve, reject) => {
      const own = from === undefined ? {} : { from: { address: from, port: 0 } };
      const socket = this.connect({ to: { address, port }, ...own });
      const host = familyOf(address) === 'ipv6' ? `[${address}]` : address;
      // No `agent`, not even false: an agent would connect by itself, from this process's own namespace.
      const request = get({ host, port, path, createConnection: () => socket }, (response) => {
        let text = '';
        response
          .setEncoding('utf8')
          .on('data', (part: string) => (text += part))
          .on('end', () => resolve(text))
          .on('error', reject);
      });
      // Not the idle time of a socket, which a connection that never comes about does not have.
      const answered = giveUpAfter(timeoutMs * SLOWNESS, () => request.destroy(new Error('timeout')));
      request.on('error', reject).on('close', answered);
    });
  }

  /** Asks the HTTP server of a lab host who is there. @throws Error as {@link request} */
  async get(address: string, port = 80, options: HttpOptions = {}): Promise<Seen> {
    return JSON.parse(await this.request(address, port, '/', options)) as Seen;
  }

  /** Ends its processes and servers, and the namespace with them. */
  async close(): Promise<void> {
    for (const close of this.#closers) await close();
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((resolve) => void server.close(resolve));
    }
    await Promise.all([...this.#processes].map((each) => each.stop('SIGKILL')));
    this.socket.close();
    this.netns.close();
  }
}
