/**
 * A classifier tells of every IPv4 packet's total length and TTL through a ring buffer: on one end of a pair of links, with packets
 * that a UDP socket sends from the other. Needs root; works in network namespaces of its own.
 */
import { ETH_P_IP, Ethernet, IPv4, ringbufMap, schedCls, struct, u16, u8, when } from 'bpf-asm';
import {
  addAddress,
  addLink,
  attach,
  createAnonymousNetns,
  createMap,
  getLink,
  loadProgram,
  NetlinkSocket,
  openRingBuffer,
  openSys,
  setLink,
} from 'netlink-tc';
import { needRoot } from './needs-root.ts';
import { send, udpSocket } from './udp.ts';

const Report = struct('report', { totalLength: u16, ttl: u8 });
const reports = ringbufMap('reports', { size: 65536 });

const reporter = schedCls('ip_report', { licence: 'Apache-2.0' }, ({ skb, next, reserve }) => {
  const eth = skb.parse(Ethernet, next);
  when(eth.type.ne(ETH_P_IP), next);
  const { totalLength, ttl } = skb.parse(IPv4, next);
  reserve(reports, Report).ifPresent((report) => {
    report.submit({ totalLength: totalLength.toHost(), ttl });
  });
  return next();
});

needRoot();
const sys = await openSys();
using sender = createAnonymousNetns(sys);
using receiver = createAnonymousNetns(sys);
using senderSocket = NetlinkSocket.open(sys, { netns: sender });
using receiverSocket = NetlinkSocket.open(sys, { netns: receiver });
await senderSocket.request(addLink({ kind: 'veth', name: 'east', peer: { name: 'west', netns: receiver } }));
const east = await senderSocket.request(getLink('east'));
const west = await receiverSocket.request(getLink('west'));
await senderSocket.batch([addAddress({ device: east.index, address: '192.0.2.1/24' }), setLink('east', { up: true })]);
await receiverSocket.batch([
  addAddress({ device: west.index, address: '192.0.2.2/24' }),
  setLink('west', { up: true }),
]);

using ring = createMap(sys, reports.definition);
using program = loadProgram(sys, reporter, { maps: { reports: ring } });
const options = { device: west.index, direction: 'ingress', netns: receiver, name: reporter.name } as const;
using attachment = await attach(sys, receiverSocket, program, options);
console.log(`${reporter.name} is on the ingress of west, by ${attachment.mode}`);

const udp = udpSocket(sys, sender, 'udp4');
using events = openRingBuffer(sys, ring, { layout: Report });
for (const [size, ttl] of [
  [36, 64],
  [572, 7],
  [1372, 255],
] as const) {
  udp.setTTL(ttl);
  await send(udp, new Uint8Array(size), 9, '192.0.2.2');
}
let seen = 0;
for await (const { totalLength, ttl } of events) {
  console.log(`IPv4 packet of ${totalLength} bytes, TTL ${ttl}`);
  seen += 1;
  if (seen === 3) break;
}
udp.close();
await attachment.detach();
