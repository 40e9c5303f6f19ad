/** A lab whose proxy gets everything that goes between pods, by routes of the node: for tests of the programs at the proxy's side alone. */
import { createServer, type Server } from 'node:net';
import { addRoute, addRule, loadProgram, setLink, type BpfProgram, type Netns, type Sys } from 'netlink-tc';
import type { Program } from 'bpf-asm';
import { steer } from '../../../test/support/lab-steer.ts';
import { createLab, type Lab } from '../../../test/support/lab.ts';
import { LISTENER, proxyCounters, STEERED } from '../src/maps.ts';
import { applySettings, planSettings } from '../src/node/index.ts';
import { encodeSockaddr, openSocket, setSocketOption } from '../src/proxy/sockets.ts';
import type { ProxyListener } from '../src/proxy/proxy.ts';
import { Host } from '../src/topology/index.ts';
import { ENROLLED, putPod } from './pods.ts';

/** A table of the node by which what goes from the pod outside the mesh to the server passes the proxy. */
const INBOUND_TABLE = 4001;

/** The prefixes by which `client` and `server` are found. */
export const LAB_CIDRS = { ipv4: '10.244.7.0/24', ipv6: 'fd00:7::/112' } as const;

/** Makes the lab: what `client` and `server` send to pods, and what `outsider` sends to `server`, is routed to the proxy. */
export async function steeredLab(sys: Sys): Promise<Lab> {
  const lab = await createLab(sys);
  using host = new Host(sys, { path: lab.node.path });
  const target = { host, hostInterface: lab.proxy.hostInterface, proxy: lab.proxy, proxyInterface: 'eth0' };
  await applySettings(target, await planSettings(target));
  await steer(lab);
  for (const family of ['ipv4', 'ipv6'] as const) {
    const [gateway, destination] = [lab.proxy.address(family), lab.server.address(family)];
    await lab.node.socket.batch([
      addRoute({
        destination: 'default',
        family,
        gateway,
        device: lab.proxy.hostIndex,
        table: INBOUND_TABLE,
        onlink: true,
      }),
      addRule({ family, priority: 102, inputDevice: lab.outsider.hostInterface, destination, table: INBOUND_TABLE }),
    ]);
  }
  return lab;
}

/** Gives what the node sends to the proxy a source MAC address. */
export async function tagPackets({ node, proxy }: Lab, mac: string): Promise<void> {
  await node.socket.request(setLink(proxy.hostInterface, { address: mac }));
  // Or the proxy goes on sending to the address that the interface had before.
  for (const family of ['-4', '-6']) await proxy.exec('ip', family, 'neigh', 'flush', 'dev', 'eth0');
}

/** A loaded program of the proxy's side, with `client` and `server` for pods. */
export class ProxySideProgram implements Disposable {
  readonly loaded: BpfProgram;

  constructor(sys: Sys, program: Program, { client, server }: Lab) {
    this.loaded = loadProgram(sys, program);
    if (!this.loaded.maps.has('pod_array')) return;
    for (const { ipv4, ipv6, hostIndex } of [client, server]) {
      for (const address of [ipv4, ipv6]) {
        const put = (name: string): { set(key: Uint8Array, value: Uint8Array): void } => ({
          set: (key, value) => this.#put(name, key, value),
        });
        putPod(put, LAB_CIDRS, address, { ifindex: hostIndex, slot: 1, flags: ENROLLED });
      }
    }
  }

  #raw(name: string): {
    key: Uint8Array;
    value: Uint8Array;
    lookup(): number;
    update(flags: bigint): number;
    delete(): number;
  } {
    const map = this.loaded.maps.get(name);
    if (map === undefined) throw new Error(`there is no map ${name}`);
    return map.raw;
  }

  #put(name: string, key: Uint8Array, value: Uint8Array): void {
    const map = this.#raw(name);
    map.key.set(key);
    map.value.fill(0);
    map.value.set(value);
    const result = map.update(0n);
    if (result !== 0) throw new Error(`${name} cannot be written: ${result}`);
  }

  /** Puts a socket into a slot of the listeners, or takes it out. */
  fill(slot: number, fd: number | undefined): void {
    const key = new Uint8Array(Uint32Array.of(slot).buffer);
    if (fd !== undefined) {
      this.#put('listeners', key, new Uint8Array(Uint32Array.of(fd).buffer));
      return;
    }
    const map = this.#raw('listeners');
    map.key.set(key);
    map.delete();
  }

  /** Puts the listeners of a proxy into their slots. */
  fillAll(listeners: readonly ProxyListener[]): void {
    for (const { purpose, protocol, family, fd } of listeners) {
      const kind = purpose !== 'dns' ? purpose : protocol === 'tcp' ? 'dnsTcp' : 'dnsUdp';
      this.fill(LISTENER[kind] + Number(family === 'ipv6'), fd);
    }
  }

  /** What was counted since the last time. */
  counted(): Readonly<Record<keyof typeof STEERED, number>> {
    const map = this.#raw(proxyCounters.definition.name);
    const counts = Object.entries(STEERED).map(([what, index]) => {
      map.key.set(new Uint8Array(Uint32Array.of(index).buffer));
      if (map.lookup() !== 0) throw new Error(`${what} cannot be read`);
      const values = new BigUint64Array(map.value.slice().buffer);
      map.value.fill(0);
      map.update(0n);
      return [what, Number(values.reduce((sum, value) => sum + value, 0n))] as const;
    });
    return Object.fromEntries(counts) as Record<keyof typeof STEERED, number>;
  }

  [Symbol.dispose](): void {
    this.loaded.close();
  }
}

const SO_REUSEPORT = 15;
const IP_TRANSPARENT = 19;
const IPV6_V6ONLY = 26;

/**
 * A listener that takes connections for any address, of both families, and tells each client which listener it is. Several may share a port.
 * @returns its descriptor, which the server owns
 */
export async function dualStackServer(
  sys: Sys,
  netns: Netns,
  name: string,
  port: number,
): Promise<{ readonly server: Server; readonly fd: number }> {
  const socket = openSocket(sys, netns, { protocol: 'tcp', family: 'ipv6', transparent: true });
  setSocketOption(sys, socket, 41, IPV6_V6ONLY, 0);
  setSocketOption(sys, socket, 0, IP_TRANSPARENT, 1);
  setSocketOption(sys, socket, 1, SO_REUSEPORT, 1);
  const address = encodeSockaddr(sys, { address: '::', port });
  if (sys.call('bind', socket.number, address, address.length) !== 0) throw new Error(`port ${port} is taken`);
  const server = createServer((client) => client.on('error', () => undefined).end(name));
  const fd = socket.release();
  await new Promise<void>((resolve) => server.listen({ fd }, resolve));
  return { server, fd };
}
