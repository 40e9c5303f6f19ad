/**
 * A tour of network namespaces: two of them joined by a pair of links, with addresses and routes, made, shown and taken away
 * again, by one process that never leaves its own namespace for more than a synchronous moment. Needs root.
 */
import { readlinkSync } from 'node:fs';
import {
  addAddress,
  addLink,
  addRoute,
  createAnonymousNetns,
  getLink,
  getNetnsId,
  listAddresses,
  listRoutes,
  NetlinkSocket,
  openSys,
  setLink,
} from 'netlink-tc';
import { needRoot } from './needs-root.ts';

needRoot();
const sys = await openSys();
using left = createAnonymousNetns(sys);
using right = createAnonymousNetns(sys);
using leftSocket = NetlinkSocket.open(sys, { netns: left });
using rightSocket = NetlinkSocket.open(sys, { netns: right });

// One request makes both ends, the second of them in the other namespace.
await leftSocket.request(addLink({ kind: 'veth', name: 'east', peer: { name: 'west', netns: right } }));
const [east] = await leftSocket.batch([getLink('east')]);
const [west] = await rightSocket.batch([getLink('west')]);
console.log(
  `east is link ${east.index}; its other end is link ${east.parent} of namespace id ${await leftSocket.request(getNetnsId(right))}`,
);

await leftSocket.batch([
  addAddress({ device: east.index, address: '192.0.2.1/24' }),
  setLink(east.index, { up: true }),
  addRoute({ destination: 'default', gateway: '192.0.2.2' }),
]);
await rightSocket.batch([
  addAddress({ device: west.index, address: '192.0.2.2/24' }),
  setLink(west.index, { up: true }),
]);

for (const { address, prefixLength, device } of await leftSocket.request(listAddresses({ family: 'ipv4' })))
  console.log(`address ${address}/${prefixLength} on link ${device}`);
for (const { destination, gateway } of await leftSocket.request(listRoutes({ family: 'ipv4', table: 254 })))
  console.log(`route ${destination}${gateway === undefined ? '' : ` via ${gateway}`}`);

const inside = right.run(() => readlinkSync('/proc/thread-self/ns/net'));
console.log(`a block ran in ${inside === `net:[${right.inode}]` ? 'the right namespace' : inside}`);
console.log(readlinkSync('/proc/thread-self/ns/net') === inside ? 'and stayed there' : 'and this thread is back');
