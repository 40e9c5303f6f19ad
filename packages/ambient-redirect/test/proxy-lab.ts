/** A lab whose node sends the pods' traffic to the proxy without programs of its own: for tests of the proxy's side alone. */
import { addRoute, addRule, setLink, type Sys } from 'netlink-tc';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import type { LabHost } from '../../../test/support/lab-host.ts';
import type { LabProcess } from '../../../test/support/lab-process.ts';
import { proxyEvents } from '../../../test/support/lab-proxy.ts';
import { steer } from '../../../test/support/lab-steer.ts';
import { createLab, type Lab } from '../../../test/support/lab.ts';
import { StateDirectory } from '../src/engine/directory.ts';
import { settingsOf, type EngineOptions, type EngineSettings } from '../src/engine/options.ts';
import { ProgramStore } from '../src/engine/program-store.ts';
import { ProxySide, type ProxySideOptions, type ProxyState } from '../src/engine/proxy-side.ts';
import { POD_FLAG, STEERED } from '../src/maps.ts';
import { podPlace, type NodeFacts } from '../src/programs/index.ts';
import { Host } from '../src/topology/index.ts';
import { statePath } from './state.ts';

/** A table of the node by which what goes from the pod outside the mesh to the server passes the proxy. */
const INBOUND_TABLE = 4001;

/** The proxy's side of an engine, in a lab. */
export interface ProxyLab {
  readonly lab: Lab;
  readonly host: Host;
  readonly path: string;
  readonly settings: EngineSettings;
  readonly node: NodeFacts;
  /** What was told by `onChange`, in order. */
  readonly told: ProxyState[];
  /** Opens the state and the proxy's side, as an engine that is started does. Close it before the next. */
  open(changes?: Partial<Pick<ProxySideOptions, 'sys' | 'settings' | 'programs'>>): Promise<OpenSide>;
}

/** What an engine has open at its proxy's side. */
export interface OpenSide {
  readonly side: ProxySide;
  readonly directory: StateDirectory;
  close(): Promise<void>;
}

/**
 * Makes a lab where what `client` and `server` send, and what `outsider` sends to `server`, is routed to the proxy; `client` and `server` are pods.
 * All of it goes when the test ends.
 */
export async function proxyLab(sys: Sys, options: EngineOptions = {}): Promise<ProxyLab> {
  const lab = await createLab(sys);
  onTestFinished(() => lab.close());
  const host = new Host(sys, { path: lab.node.path });
  onTestFinished(() => host.close());
  await steer(lab);
  for (const family of ['ipv4', 'ipv6'] as const) {
    await lab.node.socket.batch([
      addRoute({
        destination: 'default',
        family,
        gateway: lab.proxy.address(family),
        device: lab.proxy.hostIndex,
        table: INBOUND_TABLE,
        onlink: true,
      }),
      addRule({
        family,
        priority: 102,
        inputDevice: lab.outsider.hostInterface,
        destination: lab.server.address(family),
        table: INBOUND_TABLE,
      }),
    ]);
  }
  const path = statePath(sys);
  const settings = settingsOf({ podCidrs: ['10.244.7.0/24'], ...options });
  const node: NodeFacts = {
    podCidrs: settings.podCidrs,
    bypass: settings.bypass,
    host: { ipv4: [lab.node.ipv4], ipv6: [lab.node.ipv6] },
  };
  const told: ProxyState[] = [];
  const open = async (changes: Parameters<ProxyLab['open']>[0] = {}): Promise<OpenSide> => {
    const directory = StateDirectory.open(sys, path, { create: true });
    const programs = new ProgramStore(sys, directory);
    for (const pod of [lab.client, lab.server]) putPod(directory, node, pod);
    const side = await ProxySide.open({
      sys,
      host,
      directory,
      programs,
      settings,
      onChange: (state) => told.push(state),
      ...changes,
    });
    const close = async (): Promise<void> => {
      await side.close();
      programs.close();
      directory.close();
    };
    onTestFinished(close);
    return { side, directory, close };
  };
  return { lab, host, path, settings, node, told, open };
}

function putPod({ maps }: StateDirectory, { podCidrs }: NodeFacts, pod: LabHost): void {
  const entry = { ifindex: pod.hostIndex, slot: 1, flags: POD_FLAG.deliver | POD_FLAG.classify };
  for (const address of [pod.ipv4, pod.ipv6]) {
    const place = podPlace(podCidrs, address);
    if ('array' in place) maps.pod_array.update(place.array, entry);
    else maps.pod_hash.update({ address: place.hash }, entry);
  }
}

/** Gives the packets that the node sends to the proxy the source MAC address that tproxy steering goes by. */
export async function tagPackets({ node, proxy }: Lab, mac: string): Promise<void> {
  await node.socket.request(setLink(proxy.hostInterface, { address: mac }));
  // Or the proxy goes on sending to the address that the interface had before.
  for (const family of ['-4', '-6']) await proxy.exec('ip', family, 'neigh', 'flush', 'dev', 'eth0');
}

/** The proxy in a lab host, as it is named to the engine. */
export const reference = (host: LabHost): { readonly netns: { readonly path: string } } => ({
  netns: { path: host.path },
});

/** Connections (packets, with tproxy) at the proxy so far, by what became of them. */
export function steered({ directory }: OpenSide): Partial<Record<keyof typeof STEERED, number>> {
  const counts = Object.entries(STEERED).map(([name, index]) => {
    const cpus = directory.maps.proxy_counters.lookup(index) ?? [];
    return [name, Number(cpus.reduce((sum, each) => sum + each, 0n))] as const;
  });
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

/** Which listeners of the proxy took connections, in order. */
export const purposes = (proxy: LabProcess): unknown[] =>
  proxyEvents(proxy).flatMap(({ event, ...fields }) => (event === 'connection' ? [fields['purpose']] : []));

export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i += 1) {
    if (i > 600) throw new Error(`not within three seconds: ${what}`);
    await sleep(5);
  }
}

/** The kernel, but for one call, which fails. */
export const without = (sys: Sys, name: string, errno: number): Sys => ({
  ...sys,
  call: (which, ...args) => (which === name ? -errno : sys.call(which, ...args)),
});

/** Nothing gets through. The kernel drops in silence what is IPv4; for IPv6 it may say that nobody listens: it resets from any address. */
export async function fails({ client, server }: Lab): Promise<void> {
  await expect(client.get(server.ipv4, 80, { timeoutMs: 200 })).rejects.toThrow('timeout');
  await expect(client.get(server.ipv6, 80, { timeoutMs: 200 })).rejects.toThrow(/timeout|ECONNREFUSED/);
}

/** What the proxy's namespace says of rules, routes and links of ours. */
export async function traces({ lab }: ProxyLab): Promise<string> {
  const { proxy, node } = lab;
  const all = [
    await proxy.exec('ip', 'rule'),
    await proxy.exec('ip', '-6', 'rule'),
    await proxy.exec('ip', 'route', 'show', 'table', 'all', 'type', 'local'),
    ...['ipv4', 'ipv6'].map((family) => proxy.sysctl(`${family}/conf/all/forwarding`)),
    node.sysctl('ipv4/conf/all/rp_filter'),
  ];
  return all.join('\n');
}
