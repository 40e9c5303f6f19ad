/**
 * A classifier of one's own on the interface of an enrolled pod: it counts the connections that the pod opens by their destination port, before
 * the engine's program redirects them. Both run; `chain` says so before any packet is sent. As root:
 *
 *     custom-program.ts v-cart          with the host's end of the pod's interface; Ctrl-C prints the counts
 */
import {
  all,
  ETH_P_IP,
  ETH_P_IPV6,
  Ethernet,
  hashMap,
  IPPROTO_TCP,
  IPv4,
  IPv6,
  match,
  schedCls,
  Tcp,
  TCP_FLAG,
  u16,
  u64,
  when,
  type Ended,
  type Ip,
} from 'bpf-asm';
import { attach, chain, createMap, formatChain, getLink, loadProgram, NetlinkSocket, openSys } from 'netlink-tc';
import { once } from 'node:events';
import { needRoot } from './needs-root.ts';

const opened = hashMap('opened', { key: u16, value: u64, maxEntries: 1024 });

const countOpened = schedCls('count_opened', { licence: 'Apache-2.0' }, ({ skb, next, lookup, update }) => {
  const count = (ip: Ip): Ended => {
    const { protocol, hasPorts } = ip.transport(next);
    return when(
      all(protocol.eq(IPPROTO_TCP), () => hasPorts),
      () => {
        const { flags, destination } = skb.parse(Tcp, next);
        when(flags.and(TCP_FLAG.SYN | TCP_FLAG.ACK).ne(TCP_FLAG.SYN), next);
        const port = destination.toHost();
        lookup(opened, port).match({
          present: (connections) => connections.atomicAdd(1),
          absent: () => void update(opened, port, 1),
        });
        return next(); // the packet is the engine's: not ours to end
      },
      next,
    );
  };
  return match(
    skb.parse(Ethernet, next).type,
    { [ETH_P_IP]: () => count(skb.parse(IPv4, next)), [ETH_P_IPV6]: () => count(skb.parse(IPv6, next)) },
    next,
  );
});

needRoot();
const name = process.argv[2];
if (name === undefined) {
  console.error("Give the name of the host's end of a pod's interface");
  process.exit(2);
}
const sys = await openSys();
using socket = NetlinkSocket.open(sys);
const { index: device } = await socket.request(getLink(name));
using connections = createMap(sys, opened.definition);
using program = loadProgram(sys, countOpened, { maps: { opened: connections } });

// First in its chain: behind a program that redirects, none is asked. Where there is no tcx, a low priority of clsact does it.
const hook = { device, direction: 'ingress' } as const;
const attachment = await attach(sys, socket, program, {
  ...hook,
  name: countOpened.name,
  order: 'head',
  priority: 100,
});
console.log(formatChain(await chain(sys, socket, hook)));

const alive = setInterval(() => undefined, 60_000);
await once(process, 'SIGINT');
clearInterval(alive);
for (const [port, count] of [...connections.entries()].toSorted(([a], [b]) => a - b))
  console.log(`port ${port}: ${count} connections opened`);
await attachment.detach();
