/**
 * A program tells of every packet through a ring buffer, and TypeScript iterates what it tells; as root.
 */
import { ringbufMap, schedCls, struct, u32 } from 'bpf-asm';
import { createMap, loadProgram, openRingBuffer, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const Packet = struct('packet', { length: u32, mark: u32 });
const ring = ringbufMap('ring', { size: 1 << 16 });

const trace = schedCls('trace', { licence: 'Apache-2.0' }, ({ skb, next, reserve }) => {
  reserve(ring, Packet).ifPresent((packet) => packet.submit({ length: skb.len, mark: skb.mark }));
  return next();
});

needRoot();
const sys = await openSys();
using map = createMap(sys, ring.definition);
using program = loadProgram(sys, trace, { maps: { ring: map } });

setTimeout(() => {
  for (const length of [64, 512, 1500]) testRun(sys, program, { data: new Uint8Array(length) });
}, 10);

using packets = openRingBuffer(sys, map, { layout: Packet });
let seen = 0;
for await (const { length, mark } of packets) {
  console.log(`packet of ${length} bytes, mark ${mark}`);
  seen += 1;
  if (seen === 3) break;
}
console.log(`${packets.dropped} dropped`);
