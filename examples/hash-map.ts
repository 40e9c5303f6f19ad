/**
 * A tour of a hash map whose keys and values have layouts, shared with a program that counts the packets of known senders; as root.
 */
import { ETH_P_IP, Ethernet, hashMap, IPv4, ipv4Address, schedCls, struct, u32, u64, when } from 'bpf-asm';
import { createMap, isNetlinkTcError, loadProgram, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const Flow = struct('flow', { packets: u64, bytes: u64, mark: u32 });
const senders = hashMap('senders', { key: ipv4Address, value: Flow, maxEntries: 1000 });

const account = schedCls('account', { licence: 'Apache-2.0' }, ({ skb, next, lookup }) => {
  const [eth, ip] = skb.parse([Ethernet, IPv4], next);
  when(eth.type.ne(ETH_P_IP), next);
  const flow = lookup(senders, ip.source).orElse(next);
  flow.atomicAdd({ packets: 1, bytes: skb.len.u64() });
  return next();
});

needRoot();
const sys = await openSys();
using flows = createMap(sys, senders.definition);
using program = loadProgram(sys, account, { maps: { senders: flows } });

flows.update('10.0.0.1', { packets: 0n, bytes: 0n, mark: 7 });
const packet = new Uint8Array(64);
packet.set([0x08, 0x00, 0x45], 12);
packet.set([10, 0, 0, 1], 26); // its sender
testRun(sys, program, { data: packet, repeat: 3 });
console.log('one:', flows.lookup('10.0.0.1'));
console.log('none:', flows.lookup('10.0.0.2'));

try {
  flows.update('10.0.0.1', { packets: 0n, bytes: 0n, mark: 0 }, 'noexist');
} catch (error) {
  if (!isNetlinkTcError(error, 'ERR_EXISTS')) throw error;
  console.log('refused:', error.hint);
}

const flow = (packets: number): { packets: bigint; bytes: bigint; mark: number } => ({
  packets: BigInt(packets),
  bytes: 0n,
  mark: 0,
});
flows.updateMany(Array.from({ length: 999 }, (_, i) => [`10.1.${i >> 8}.${i & 255}`, flow(i)] as const));
let packets = 0n;
for (const [, { packets: some }] of flows.entries()) packets += some;
console.log('all packets:', packets);
console.log('deleted:', flows.deleteMany(['10.0.0.1', '10.9.9.9']));
console.log('taken out:', [...flows.drain()].length);
