/**
 * Shuts virtual addresses of a tunnel: what comes through it for one of them is dropped and counted, for IPv4 and IPv6, told apart by
 * tunnel and destination. Two VXLAN tunnels between two network namespaces of its own, with packets of real sockets. Needs root.
 */
import {
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  hashMap,
  IPv4,
  ipv4Address,
  IPv6,
  ipv6Address,
  match,
  schedCls,
  struct,
  u16,
  u32,
  u64,
  u8,
  when,
} from 'bpf-asm';
import {
  addAddress,
  addLink,
  addNeighbour,
  addRoute,
  attach,
  createAnonymousNetns,
  createMap,
  getLink,
  IFA_F,
  loadProgram,
  NetlinkSocket,
  openSys,
  setLink,
} from 'netlink-tc';
import { needRoot } from './needs-root.ts';
import { send, udpSocket } from './udp.ts';

/** `struct bpf_tunnel_key` (`linux/bpf.h`). */
const TunnelKey = struct('bpf_tunnel_key', {
  id: u32,
  remote: ipv6Address,
  tos: u8,
  ttl: u8,
  ext: u16,
  label: u32,
  local: ipv6Address,
});
const Vip4 = struct('vip4', { tunnel: u32, address: ipv4Address });
const Vip6 = struct('vip6', { tunnel: u32, address: ipv6Address });

// Addresses that are shut, with the packets that were dropped for each.
const shut4 = hashMap('shut4', { key: Vip4, value: u64, maxEntries: 1024 });
const shut6 = hashMap('shut6', { key: Vip6, value: u64, maxEntries: 1024 });

const vipDrop = schedCls('vip_drop', { licence: 'Apache-2.0' }, ({ skb, next, drop, room, helpers, lookup }) => {
  const key = room(TunnelKey);
  when(helpers.skbGetTunnelKey(key, 0).lt(0), next); // came through no tunnel
  const tunnel = key.id;
  return match(
    skb.parse(Ethernet, next).type,
    {
      [ETH_P_IP]: () => {
        const address = skb.parse(IPv4, next).destination;
        lookup(shut4, { tunnel, address }).orElse(next).atomicAdd(1);
        return drop();
      },
      [ETH_P_IPV6]: () => {
        const address = skb.parse(IPv6, next).destination;
        lookup(shut6, { tunnel, address }).orElse(next).atomicAdd(1);
        return drop();
      },
    },
    next,
  );
});

needRoot();
const sys = await openSys();
using client = createAnonymousNetns(sys);
using server = createAnonymousNetns(sys);
using clientSocket = NetlinkSocket.open(sys, { netns: client });
using serverSocket = NetlinkSocket.open(sys, { netns: server });

// A pair of links, and over it two tunnels that end in one device, which keeps the tunnel of each packet as metadata.
const TUNNEL_MAC = '02:00:00:00:00:02';
await clientSocket.request(addLink({ kind: 'veth', name: 'wire', peer: { name: 'wire', netns: server } }));
const [clientWire] = await clientSocket.batch([getLink('wire'), setLink('wire', { up: true })]);
const [serverWire] = await serverSocket.batch([getLink('wire'), setLink('wire', { up: true })]);
await clientSocket.request(addAddress({ device: clientWire.index, address: '192.0.2.1/24' }));
await serverSocket.request(addAddress({ device: serverWire.index, address: '192.0.2.2/24' }));
for (const [index, id] of [
  [105, 5],
  [106, 6],
] as const) {
  const data = { id, group: '192.0.2.2', port: 4789 };
  await clientSocket.batch([
    addLink({ kind: 'vxlan', name: `tunnel${id}`, index, up: true, data }),
    addAddress({ device: index, address: `10.${id}.0.1/24` }),
    addAddress({ device: index, address: `fd00:${id}::1/64`, flags: IFA_F.NODAD }),
    addNeighbour({ device: index, address: `10.${id}.0.2`, linkAddress: TUNNEL_MAC }),
    addNeighbour({ device: index, address: `fd00:${id}::2`, linkAddress: TUNNEL_MAC }),
  ]);
}
await serverSocket.request(
  addLink({
    kind: 'vxlan',
    name: 'tunnels',
    up: true,
    address: TUNNEL_MAC,
    data: { port: 4789, collectMetadata: true },
  }),
);
const { index: tunnels } = await serverSocket.request(getLink('tunnels'));

// Each virtual address, the tunnel that leads to it, and the tunnel in which it is shut, if it is.
const VIPS = [
  { vip: '10.96.0.1', tunnel: 5, shutIn: 5 },
  { vip: '10.96.0.2', tunnel: 6, shutIn: 5 },
  { vip: 'fd00:96::1', tunnel: 5, shutIn: 5 },
  { vip: 'fd00:96::2', tunnel: 6, shutIn: 5 },
  { vip: '10.96.0.3', tunnel: 5, shutIn: undefined },
  { vip: 'fd00:96::3', tunnel: 5, shutIn: undefined },
];
for (const { vip, tunnel } of VIPS) {
  const gateway = vip.includes(':') ? `fd00:${tunnel}::2` : `10.${tunnel}.0.2`;
  await clientSocket.request(addRoute({ destination: vip, gateway }));
  await serverSocket.request(addAddress({ device: tunnels, address: vip, flags: IFA_F.NODAD }));
}

using map4 = createMap(sys, { ...shut4.definition, key: Vip4, value: u64 });
using map6 = createMap(sys, { ...shut6.definition, key: Vip6, value: u64 });
for (const { vip: address, shutIn: tunnel } of VIPS) {
  if (tunnel === undefined) continue;
  if (address.includes(':')) map6.update({ tunnel, address }, 0n);
  else map4.update({ tunnel, address }, 0n);
}
using program = loadProgram(sys, vipDrop, { maps: { shut4: map4, shut6: map6 } });
const options = { device: tunnels, direction: 'ingress', netns: server, name: vipDrop.name } as const;
using attachment = await attach(sys, serverSocket, program, options);
console.log(`${vipDrop.name} is on the ingress of the tunnels, by ${attachment.mode}`);

const listener = udpSocket(sys, server, 'udp6', 5000);
const arrived = new Promise<string[]>((resolve) => {
  const vips: string[] = [];
  listener.on('message', (message) => {
    vips.push(String(message));
    // The last one that is sent is not shut: what has not come before it does not come.
    if (vips.includes('fd00:96::3')) resolve(vips);
  });
});
const [udp4, udp6] = [udpSocket(sys, client, 'udp4'), udpSocket(sys, client, 'udp6')];
for (const { vip } of VIPS) await send(vip.includes(':') ? udp6 : udp4, vip, 5000, vip);

console.log(`arrived: ${(await arrived).join(', ')}`);
const lines = [...map4.entries(), ...map6.entries()].map(
  ([{ tunnel, address }, packets]) => `${address} in tunnel ${tunnel}: ${packets} dropped`,
);
console.log(lines.toSorted().join('\n'));
for (const socket of [listener, udp4, udp6]) socket.close();
await attachment.detach();
