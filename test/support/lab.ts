/**
 * A node with pods and a proxy, in network namespaces without names: nothing is left of it when its process ends, however it ends.
 */
import { addAddress, addLink, addRoute, IFA_F, setLink, type Request, type Sys } from 'netlink-tc';
import { LabHost } from './lab-host.ts';

/** What every pod sends its packets to: the address that all host-side interfaces have. */
export const GATEWAY = { ipv4: '10.244.7.1', ipv6: 'fe80::1' } as const;

/** The pods' addresses. */
export const POD_CIDR = { ipv4: '10.244.7.0/24', ipv6: 'fd00:7::/64' } as const;

/** Index of `eth0` in every namespace but the node's: the same number in several namespaces, as on any real node. */
const ETH0 = 2;

/** Global address that the bridge has, where there is one: with it the node is next door to its pods by IPv6, too. */
export const BRIDGE_IPV6 = 'fd00:7::1';

/** Index of the bridge. */
const BRIDGE = 20;

// prettier-ignore
const MEMBERS = {
  client:   { ipv4: '10.244.7.5', ipv6: 'fd00:7::5', hostInterface: 'v-client',   hostIndex: 11 },
  server:   { ipv4: '10.244.7.6', ipv6: 'fd00:7::6', hostInterface: 'v-server',   hostIndex: 12 },
  proxy:    { ipv4: '10.244.7.7', ipv6: 'fd00:7::7', hostInterface: 'v-proxy',    hostIndex: 13 },
  outsider: { ipv4: '10.244.7.9', ipv6: 'fd00:7::9', hostInterface: 'v-outsider', hostIndex: 14 },
  outside:  { ipv4: '172.30.0.1', ipv6: 'fd00:30::1', hostInterface: 'eth0',      hostIndex: 15 },
  node:     { ipv4: '172.30.0.2', ipv6: 'fd00:30::2', hostInterface: '',          hostIndex: 0 },
} as const;
const PODS = ['client', 'server', 'proxy', 'outsider'] as const;

/** Options of {@link createLab}. */
export interface LabOptions {
  /**
   * How pods are joined: each by a route of its own (the default), as the plugin `ptp` does it, or all by a bridge named `cni0`, on which they
   * reach each other without the node's routing.
   */
  readonly cni?: 'routed' | 'bridge';
  /** Reverse path filter of the node: 0 off (the default), 1 strict. */
  readonly rpFilter?: 0 | 1;
}

/** A node, what runs on it, and a host beyond it. */
export interface Lab extends AsyncDisposable {
  /** The node: it forwards between its pods and `outside`, which is behind its `eth0`. */
  readonly node: LabHost;
  /** Two pods of the mesh. */
  readonly client: LabHost;
  readonly server: LabHost;
  /** A pod that is not of the mesh. */
  readonly outsider: LabHost;
  /** The pod of the proxy. */
  readonly proxy: LabHost;
  /** A host of another network. */
  readonly outside: LabHost;
  /** How its pods are joined. */
  readonly cni: NonNullable<LabOptions['cni']>;
  /** Takes all of it away, processes first. */
  close(): Promise<void>;
}

function settings(host: LabHost, { rpFilter = 0 }: LabOptions): void {
  // A new namespace takes over settings of the first one: say what counts here.
  const forwarding = host.name === 'node' ? '1' : '0';
  host.sysctl('ipv4/conf/all/forwarding', forwarding);
  host.sysctl('ipv6/conf/all/forwarding', forwarding);
  for (const which of ['all', 'default']) {
    host.sysctl(`ipv4/conf/${which}/rp_filter`, String(host.name === 'node' ? rpFilter : 0));
    // Who forges a source asks for MAC addresses by its own address: it does not poison its neighbours' tables.
    host.sysctl(`ipv4/conf/${which}/arp_announce`, '2');
    // Addresses are good at once.
    host.sysctl(`ipv6/conf/${which}/accept_dad`, '0');
  }
}

/** What goes on inside a pod: as kind's ptp plugin lays it, everything by way of the gateway; on a bridge the other pods are next door. */
function podSide({ ipv4, ipv6 }: LabHost, { cni = 'routed' }: LabOptions): Request[] {
  const routed = cni === 'routed';
  return [
    setLink('lo', { up: true }),
    setLink('eth0', { up: true }),
    addAddress({ device: ETH0, address: `${ipv4}/24`, flags: routed ? IFA_F.NOPREFIXROUTE : 0 }),
    addAddress({ device: ETH0, address: `${ipv6}/64`, flags: IFA_F.NODAD | (routed ? IFA_F.NOPREFIXROUTE : 0) }),
    ...(routed
      ? [
          addRoute({ destination: GATEWAY.ipv4, device: ETH0, scope: 'link', preferredSource: ipv4 }),
          addRoute({ destination: POD_CIDR.ipv4, gateway: GATEWAY.ipv4, device: ETH0, preferredSource: ipv4 }),
        ]
      : []),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv4, device: ETH0 }),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv6, device: ETH0 }),
  ];
}

/** What goes on at the node's end of each pod's pair. */
function nodeSide(pods: readonly LabHost[], { cni = 'routed' }: LabOptions): Request[] {
  if (cni === 'bridge') {
    return [
      addLink({ kind: 'bridge', name: 'cni0', index: BRIDGE, up: true }),
      ...pods.map(({ hostIndex }) => setLink(hostIndex, { master: BRIDGE })),
      addAddress({ device: BRIDGE, address: `${GATEWAY.ipv4}/24` }),
      addAddress({ device: BRIDGE, address: `${GATEWAY.ipv6}/64`, scope: 'link', flags: IFA_F.NODAD }),
      addAddress({ device: BRIDGE, address: `${BRIDGE_IPV6}/64`, flags: IFA_F.NODAD }),
    ];
  }
  return pods.flatMap(({ ipv4, ipv6, hostIndex: device }) => [
    addAddress({ device, address: GATEWAY.ipv4, scope: 'global' }),
    addAddress({ device, address: `${GATEWAY.ipv6}/64`, scope: 'link', flags: IFA_F.NODAD }),
    addRoute({ destination: ipv4, device, scope: 'link' }),
    addRoute({ destination: ipv6, device }),
  ]);
}

/**
 * Makes a lab. Close it, or leave its scope by `await using`.
 * @example
 * ```ts
 * await using lab = await createLab(sys);
 * await lab.server.serveHttp();
 * (await lab.client.get(lab.server.ipv6)).client; // the client's own address
 * ```
 */
export async function createLab(sys: Sys, options: LabOptions = {}): Promise<Lab> {
  const hosts: LabHost[] = [];
  const host = (name: keyof typeof MEMBERS): LabHost => {
    const made = new LabHost(sys, { name, ...MEMBERS[name] });
    hosts.push(made);
    settings(made, options);
    return made;
  };
  const close = async (): Promise<void> => {
    await Promise.all(hosts.map((each) => each.close()));
  };
  try {
    const [node, outside, client, server, proxy, outsider] = [
      host('node'),
      host('outside'),
      host('client'),
      host('server'),
      host('proxy'),
      host('outsider'),
    ];
    const { cni = 'routed' } = options;
    const members = { node, outside, client, server, proxy, outsider };
    const lab: Lab = { ...members, cni, close, [Symbol.asyncDispose]: close };
    const pods = PODS.map((name) => lab[name]);
    await node.socket.batch([
      setLink('lo', { up: true }),
      ...[...pods, outside].map(({ hostInterface, hostIndex, netns: { fd } }) =>
        addLink({
          kind: 'veth',
          name: hostInterface,
          index: hostIndex,
          up: true,
          // The same in every lab, and so are the programs that know it.
          peer: { name: 'eth0', index: ETH0, netns: { fd }, address: `02:00:0a:f4:07:${hostIndex}` },
        }),
      ),
    ]);
    for (const pod of pods) await pod.socket.batch(podSide(pod, options));
    await outside.socket.batch([
      setLink('lo', { up: true }),
      setLink('eth0', { up: true }),
      addAddress({ device: ETH0, address: `${outside.ipv4}/24` }),
      addAddress({ device: ETH0, address: `${outside.ipv6}/64`, flags: IFA_F.NODAD }),
      addRoute({ destination: POD_CIDR.ipv4, gateway: node.ipv4 }),
      addRoute({ destination: POD_CIDR.ipv6, gateway: node.ipv6 }),
    ]);
    await node.socket.batch([
      ...nodeSide(pods, options),
      addAddress({ device: outside.hostIndex, address: `${node.ipv4}/24` }),
      addAddress({ device: outside.hostIndex, address: `${node.ipv6}/64`, flags: IFA_F.NODAD }),
      addRoute({ destination: 'default', gateway: outside.ipv4 }),
      addRoute({ destination: 'default', gateway: outside.ipv6 }),
    ]);
    return lab;
  } catch (error) {
    await close();
    throw error;
  }
}

/** A pod beside those of the lab. */
export type PodSpec = Pick<LabHost, 'name' | 'ipv4' | 'ipv6' | 'hostInterface' | 'hostIndex'>;

/** Joins more pods to the node of a lab, each by a route of its own. @returns the pods: close them before the lab */
export async function addPods(sys: Sys, { node }: Lab, specs: readonly PodSpec[]): Promise<readonly LabHost[]> {
  const pods: LabHost[] = [];
  try {
    for (const spec of specs) {
      const pod = new LabHost(sys, spec);
      pods.push(pod);
      settings(pod, {});
      const { hostInterface: name, hostIndex: index, netns } = pod;
      const peer = { name: 'eth0', index: ETH0, netns: { fd: netns.fd } };
      await node.socket.request(addLink({ kind: 'veth', name, index, up: true, peer }));
      await pod.socket.batch(podSide(pod, {}));
      await node.socket.batch(nodeSide([pod], {}));
    }
    return pods;
  } catch (error) {
    await Promise.all(pods.map((each) => each.close()));
    throw error;
  }
}
