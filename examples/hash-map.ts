/**
 * A tour of a hash map whose keys and values have layouts; as root.
 */
import { ipv4Address, struct, u32, u64 } from 'bpf-asm';
import { createMap, isNetlinkTcError, openSys } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const Flow = struct('flow', { packets: u64, bytes: u64, mark: u32 });

needRoot();
const sys = await openSys();
using flows = createMap(sys, {
  name: 'flows',
  type: 'hash',
  keySize: 4,
  valueSize: Flow.size,
  maxEntries: 1000,
  key: ipv4Address,
  value: Flow,
});

flows.update('10.0.0.1', { packets: 1n, bytes: 64n, mark: 7 });
console.log('one:', flows.lookup('10.0.0.1'));
console.log('none:', flows.lookup('10.0.0.2'));

try {
  flows.update('10.0.0.1', { packets: 0n, bytes: 0n, mark: 0 }, 'noexist');
} catch (error) {
  if (!isNetlinkTcError(error, 'ERR_EXISTS')) throw error;
  console.log('refused:', error.hint);
}

flows.updateMany(
  Array.from(
    { length: 999 },
    (_, i) => [`10.1.${i >> 8}.${i & 255}`, { packets: BigInt(i), bytes: 0n, mark: 0 }] as const,
  ),
);
let packets = 0n;
for (const [, flow] of flows.entries()) packets += flow.packets;
console.log('all packets:', packets);
console.log('deleted:', flows.deleteMany(['10.0.0.1', '10.9.9.9']));
console.log('taken out:', [...flows.drain()].length);
