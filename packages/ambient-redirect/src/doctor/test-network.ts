import {
  addAddress,
  addLink,
  addRoute,
  createAnonymousNetns,
  IFA_F,
  NetlinkSocket,
  setLink,
  type Family,
  type Netns,
  type Request,
  type Sys,
} from 'netlink-tc';
import { existsSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { giveUpAfter } from '../demo/patience.ts';
import type { ProxyPorts } from '../ports.ts';
import { connectTcp, listenTcp } from '../proxy/index.ts';

/** A network namespace of the test, with its place in the network. */
export interface TestHost {
  readonly name: string;
  readonly netns: Netns;
  readonly socket: NetlinkSocket;
  readonly addresses: Readonly<Record<Family, string>>;
}

/** What pods send everything to. */
const GATEWAY = { ipv4: '198.18.0.1', ipv6: 'fe80::1' } as const;
/** Index of `eth0` in every pod. */
const ETH0 = 2;
/** Port that is connected to: nobody listens there. */
const PORT = 80;
/** How long an answer may take, in milliseconds: a SYN that was lost is sent again after one second. */
const PATIENCE_MS = 8_000;
const ANY = { ipv4: '0.0.0.0', ipv6: '::' } as const;
const FAMILIES = ['ipv4', 'ipv6'] as const;

/**
 * A node with two pods and the pod of a proxy, in network namespaces without names, of addresses that are for such tests (RFC 2544, RFC 5180):
 * nothing of it is left when its process ends, however it ends. The proxy answers each connection itself, with what it knows of it.
 */
export class TestNetwork {
  readonly node: TestHost;
  readonly pod: TestHost;
  readonly stranger: TestHost;
  readonly proxy: TestHost;
  /** Those that the kernel has. */
  readonly families: readonly Family[];
  readonly #sys: Sys;
  readonly #servers: Server[] = [];
  readonly #sockets: Set<Socket> = new Set<Socket>();

  private constructor(sys: Sys, hosts: readonly TestHost[], families: readonly Family[]) {
    this.#sys = sys;
    [this.node, this.pod, this.stranger, this.proxy] = hosts as readonly [TestHost, TestHost, TestHost, TestHost];
    this.families = families;
  }

  /** Makes the network. @throws NetlinkTcError what the kernel refuses */
  static async create(sys: Sys): Promise<TestNetwork> {
    const hosts: TestHost[] = [];
    try {
      for (const [last, name] of ['node', 'pod', 'stranger', 'proxy'].entries())
        hosts.push(hostOf(sys, name, last + 1));
      const [node, ...pods] = hosts as [TestHost, ...TestHost[]];
      const families = FAMILIES.filter((family) => node.netns.run(() => existsSync(`/proc/sys/net/${family}`)));
      for (const host of hosts) settle(host, families);
      await node.socket.request(setLink('lo', { up: true }));
      for (const [index, pod] of pods.entries()) await join(node, pod, { index: 11 + index, families });
      return new TestNetwork(sys, hosts, families);
    } catch (error) {
      closeAll(hosts);
      throw error;
    }
  }

  /** The prefixes of its pods. */
  get podCidrs(): readonly string[] {
    return this.families.map((family) => ({ ipv4: '198.18.0.0/24', ipv6: '2001:2::/64' })[family]);
  }

  /** Opens the listeners of the proxy. */
  async listen({ outbound, plaintext }: ProxyPorts): Promise<void> {
    for (const [purpose, port] of Object.entries({ outbound, plaintext })) {
      for (const family of this.families) {
        const server = createServer((socket) => {
          this.#keep(socket);
          const { remoteAddress, localAddress } = socket;
          socket.end(`${purpose} ${remoteAddress} to ${localAddress}`);
        });
        this.#servers.push(server);
        await listenTcp(this.#sys, this.proxy.netns, server, { at: { address: ANY[family], port }, transparent: true });
      }
    }
  }

  /**
   * Connects to an address.
   * @param signal ends it before its time
   * @returns what it was answered, or why it was not
   */
  ask(from: TestHost, address: string, signal?: AbortSignal): Promise<string> {
    const socket = connectTcp(this.#sys, from.netns, { to: { address, port: PORT } });
    this.#keep(socket);
    return new Promise((resolve) => {
      let text = '';
      const giveUp = (why: string): void => {
        resolve(why);
        socket.destroy();
      };
      const answered = giveUpAfter(PATIENCE_MS, () => giveUp(`no answer in ${PATIENCE_MS / 1000} s`));
      const onAbort = (): void => giveUp('it was ended before');
      signal?.addEventListener('abort', onAbort);
      if (signal?.aborted === true) onAbort();
      socket
        .setEncoding('utf8')
        .on('data', (part: string) => (text += part))
        .on('error', ({ message }) => resolve(message))
        .on('close', () => {
          answered();
          signal?.removeEventListener('abort', onAbort);
          resolve(text);
        });
    });
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket));
  }

  /** Takes all of it away. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => void server.close(resolve))));
    closeAll([this.node, this.pod, this.stranger, this.proxy]);
  }
}

function hostOf(sys: Sys, name: string, last: number): TestHost {
  const netns = createAnonymousNetns(sys);
  try {
    const socket = NetlinkSocket.open(sys, { netns });
    return { name, netns, socket, addresses: { ipv4: `198.18.0.${last}`, ipv6: `2001:2::${last}` } };
  } catch (error) {
    netns.close();
    throw error;
  }
}

/** A new namespace takes over settings of the first one: say what counts here. */
function settle({ name, netns }: TestHost, families: readonly Family[]): void {
  netns.run(() => {
    for (const family of families)
      writeFileSync(`/proc/sys/net/${family}/conf/all/forwarding`, name === 'node' ? '1' : '0');
    for (const which of families.includes('ipv4') ? ['all', 'default'] : [])
      writeFileSync(`/proc/sys/net/ipv4/conf/${which}/arp_ignore`, '0');
    if (!families.includes('ipv6')) return;
    for (const which of ['all', 'default']) {
      // Addresses are good at once, also where the machine has IPv6 switched off by a setting.
      writeFileSync(`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, '0');
      writeFileSync(`/proc/sys/net/ipv6/conf/${which}/accept_dad`, '0');
    }
  });
}

async function join(
  node: TestHost,
  pod: TestHost,
  { index, families }: { readonly index: number; readonly families: readonly Family[] },
): Promise<void> {
  const peer = { name: 'eth0', index: ETH0, netns: { fd: pod.netns.fd } };
  await node.socket.request(addLink({ kind: 'veth', name: `v-${pod.name}`, index, up: true, peer }));
  const { ipv4, ipv6 } = pod.addresses;
  const inside: Record<Family, Request[]> = {
    ipv4: [
      addAddress({ device: ETH0, address: `${ipv4}/32` }),
      addRoute({ destination: GATEWAY.ipv4, device: ETH0, scope: 'link', preferredSource: ipv4 }),
      addRoute({ destination: 'default', gateway: GATEWAY.ipv4, device: ETH0 }),
    ],
    ipv6: [
      addAddress({ device: ETH0, address: `${ipv6}/128`, flags: IFA_F.NODAD }),
      addRoute({ destination: 'default', gateway: GATEWAY.ipv6, device: ETH0 }),
    ],
  };
  const outside: Record<Family, Request[]> = {
    ipv4: [
      addAddress({ device: index, address: GATEWAY.ipv4, scope: 'global' }),
      addRoute({ destination: ipv4, device: index, scope: 'link' }),
    ],
    ipv6: [
      addAddress({ device: index, address: `${GATEWAY.ipv6}/64`, scope: 'link', flags: IFA_F.NODAD }),
      addRoute({ destination: ipv6, device: index }),
    ],
  };
  const up = [setLink('lo', { up: true }), setLink('eth0', { up: true })];
  await pod.socket.batch([...up, ...families.flatMap((family) => inside[family])]);
  await node.socket.batch(families.flatMap((family) => outside[family]));
}

function closeAll(hosts: readonly TestHost[]): void {
  for (const { socket, netns } of hosts) {
    socket.close();
    netns.close();
  }
}
