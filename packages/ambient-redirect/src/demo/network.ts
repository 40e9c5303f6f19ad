import { addAddress, addLink, addRoute, IFA_F, setLink, type Sys } from 'netlink-tc';
import { DemoHost } from './demo-host.ts';

/** The pods' prefixes. */
export const POD_CIDRS = ['10.88.0.0/24', 'fd00:88::/64'] as const;

/** What pods send everything to: the address that all host-side interfaces have. */
const GATEWAY = { ipv4: '10.88.0.1', ipv6: 'fe80::1' } as const;
/** Index of `eth0` in every pod: the same number in several namespaces, as on any real node. */
const ETH0 = 2;

const PODS = {
  client: { index: 11, last: 5 },
  server: { index: 12, last: 6 },
  outsider: { index: 13, last: 9 },
  proxy: { index: 14, last: 7 },
} as const;

/** Name of one of the demo's pods. */
export type DemoPod = keyof typeof PODS;

/** A node with pods, each joined to it by a pair of interfaces and a route, as container runtimes do it. */
export interface DemoNetwork extends Readonly<Record<DemoPod | 'node', DemoHost>> {
  /** Indices of the host-side interfaces, which are named `v-` and the pod's name. */
  readonly interfaces: Readonly<Record<DemoPod, number>>;
  close(): Promise<void>;
}

/** Makes the namespaces of the demo. */
export async function createNetwork(sys: Sys): Promise<DemoNetwork> {
  const hosts: DemoHost[] = [];
  const close = async (): Promise<void> => {
    for (const host of hosts) await host.close();
  };
  const host = (name: string, addresses: DemoHost['addresses']): DemoHost => {
    const made = new DemoHost(sys, name, addresses);
    hosts.push(made);
    // A new namespace takes over settings of the first one: say what counts here.
    const forwarding = name === 'node' ? '1' : '0';
    for (const family of ['ipv4', 'ipv6']) made.set(`${family}/conf/all/forwarding`, forwarding);
    // Addresses are good at once.
    made.set('ipv6/conf/default/accept_dad', '0');
    return made;
  };
  try {
    const node = host('node', { ipv4: GATEWAY.ipv4, ipv6: 'fd00:88::1' });
    const pod = (name: DemoPod): DemoHost => {
      const { last } = PODS[name];
      return host(name, { ipv4: `10.88.0.${last}`, ipv6: `fd00:88::${last}` });
    };
    const pods = { client: pod('client'), server: pod('server'), outsider: pod('outsider'), proxy: pod('proxy') };
    await node.socket.batch([
      setLink('lo', { up: true }),
      addAddress({ device: 1, address: `${node.addresses.ipv6}/128` }),
    ]);
    for (const name of Object.keys(PODS) as DemoPod[]) await join(node, pods[name], `v-${name}`, PODS[name].index);
    const indices = (Object.keys(PODS) as DemoPod[]).map((name) => [name, PODS[name].index]);
    const interfaces = Object.fromEntries(indices) as Readonly<Record<DemoPod, number>>;
    return { node, ...pods, interfaces, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function join(node: DemoHost, pod: DemoHost, name: string, index: number): Promise<void> {
  const { ipv4, ipv6 } = pod.addresses;
  const peer = { name: 'eth0', index: ETH0, netns: { fd: pod.netns.fd } };
  await node.socket.request(addLink({ kind: 'veth', name, index, up: true, peer }));
  await pod.socket.batch([
    setLink('lo', { up: true }),
    setLink('eth0', { up: true }),
    addAddress({ device: ETH0, address: `${ipv4}/32` }),
    addAddress({ device: ETH0, address: `${ipv6}/128`, flags: IFA_F.NODAD }),
    addRoute({ destination: GATEWAY.ipv4, device: ETH0, scope: 'link', preferredSource: ipv4 }),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv4, device: ETH0 }),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv6, device: ETH0 }),
  ]);
  await node.socket.batch([
    addAddress({ device: index, address: GATEWAY.ipv4, scope: 'global' }),
    addAddress({ device: index, address: `${GATEWAY.ipv6}/64`, scope: 'link', flags: IFA_F.NODAD }),
    addRoute({ destination: ipv4, device: index, scope: 'link' }),
    addRoute({ destination: ipv6, device: index }),
  ]);
}
