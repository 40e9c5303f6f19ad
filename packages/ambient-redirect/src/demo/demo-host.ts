import { spawn, type ChildProcess } from 'node:child_process';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, get, type Server } from 'node:http';
import { once } from 'node:events';
import { createAnonymousNetns, familyOf, NetlinkSocket, type Family, type Netns, type Sys } from 'netlink-tc';
import { connectTcp, listenTcp, openSocket } from '../proxy/index.ts';
import { giveUpAfter } from './patience.ts';

/** What the web server of a demo host tells of who asked it. */
export interface Visit {
  readonly client: string;
  readonly server: string;
}

/** How long an answer may take: long, for who gives up too soon calls a slow machine broken. */
const PATIENCE_MS = 15_000;
const ANY = { ipv4: '0.0.0.0', ipv6: '::' } as const;

/** A network namespace that plays a node, a pod or a proxy. It is gone when the process is. */
export class DemoHost {
  readonly name: string;
  readonly netns: Netns;
  readonly socket: NetlinkSocket;
  readonly addresses: Readonly<Record<Family, string>>;
  readonly #sys: Sys;
  readonly #servers: Server[] = [];
  readonly #udp: UdpSocket[] = [];
  readonly #children: ChildProcess[] = [];

  constructor(sys: Sys, name: string, addresses: Readonly<Record<Family, string>>) {
    this.#sys = sys;
    this.name = name;
    this.addresses = addresses;
    this.netns = createAnonymousNetns(sys);
    this.socket = NetlinkSocket.open(sys, { netns: this.netns });
  }

  /** Sets something below `/proc/sys/net` of the namespace. */
  set(name: string, value: string): void {
    this.netns.run(() => writeFileSync(`/proc/sys/net/${name}`, value));
  }

  /** Reads what is set below `/proc/sys/net` of the namespace. */
  get(name: string): string {
    return this.netns.run(() => readFileSync(`/proc/sys/net/${name}`, 'utf8')).trim();
  }

  /** Serves HTTP on port 80, and sends back what comes to port 7 over UDP, both families. */
  async serve(): Promise<void> {
    for (const family of ['ipv4', 'ipv6'] as const) {
      const server = createServer(({ socket }, response) => {
        response.end(JSON.stringify({ client: socket.remoteAddress, server: this.name }));
      });
      this.#servers.push(server);
      await listenTcp(this.#sys, this.netns, server, { at: { address: ANY[family], port: 80 } });
      const echo = this.#openUdp(ANY[family], 7);
      echo.on('message', (data, { address, port }) => echo.send(data, port, address));
    }
  }

  /** Asks the web server at an address who is there. @throws Error when there is no answer in time */
  async ask(address: string, patienceMs: number = PATIENCE_MS): Promise<Visit> {
    const socket = connectTcp(this.#sys, this.netns, { to: { address, port: 80 } });
    const host = familyOf(address) === 'ipv6' ? `[${address}]` : address;
    const text = await new Promise<string>((resolve, reject) => {
      // No `agent`, not even false: an agent would connect by itself, from this process's own namespace.
      const request = get({ host, path: '/', createConnection: () => socket }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (part: string) => (body += part));
        response.on('end', () => resolve(body)).on('error', reject);
      });
      const answered = giveUpAfter(patienceMs, () => request.destroy(new Error('no answer')));
      request.on('error', reject).on('close', answered);
    });
    return JSON.parse(text) as Visit;
  }

  /** Sends a UDP packet to an address, and waits for it to come back. @throws Error when it does not in time */
  async echo(address: string): Promise<void> {
    const socket = this.#openUdp(ANY[familyOf(address)], 0);
    const silence = new AbortController();
    const answered = giveUpAfter(PATIENCE_MS, () => silence.abort());
    try {
      const answer = once(socket, 'message', { signal: silence.signal });
      socket.send('demo', 7, address);
      await answer;
    } finally {
      answered();
      socket.close();
      this.#udp.splice(this.#udp.indexOf(socket), 1);
    }
  }

  #openUdp(address: string, port: number): UdpSocket {
    const family = familyOf(address);
    const fd = openSocket(this.#sys, this.netns, { protocol: 'udp', family, bind: { address, port } });
    const socket = createSocket(family === 'ipv4' ? 'udp4' : 'udp6');
    socket.bind({ fd: fd.release() });
    this.#udp.push(socket);
    return socket;
  }

  /** Starts a file of ours as a process in the namespace. It ends with this one at the latest: it has a channel to it. */
  start(file: string): ChildProcess {
    const child = this.netns.run(() =>
      spawn(process.execPath, [...process.execArgv, file], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] }),
    );
    this.#children.push(child);
    return child;
  }

  /** Ends its processes and servers, and with them the namespace. */
  async close(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    for (const socket of this.#udp) socket.close();
    for (const server of this.#servers) {
      server.closeAllConnections();
      server.close();
    }
    this.socket.close();
    this.netns.close();
  }
}
