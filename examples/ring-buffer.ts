/**
 * A program tells of every packet through a ring buffer, and TypeScript iterates what it tells; as root.
 */
import {
  add64,
  call,
  exit,
  helperByName,
  ldMap,
  ldxw,
  link,
  mov64,
  stdw,
  struct,
  u64,
  type Instruction,
} from 'bpf-asm';
import { createMap, loadProgram, openRingBuffer, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const Packet = struct('packet', { length: u64, mark: u64 });
const field = (offset: number, at: number): Instruction[] => [ldxw('r2', 'r1', offset), stdw('r10', at, 'r2')];

needRoot();
const sys = await openSys();
using ring = createMap(sys, { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 1 << 16 });
using program = loadProgram(
  sys,
  {
    name: 'trace',
    type: 'sched_cls',
    licence: 'Apache-2.0',
    ...link([
      ...field(0, -16),
      ...field(8, -8),
      ldMap('r1', 'ring'),
      mov64('r2', 'r10'),
      add64('r2', -16),
      mov64('r3', Packet.size),
      mov64('r4', 0),
      call(helperByName('ringbuf_output')?.id ?? -1),
      exit(),
    ]),
    maps: [ring.definition],
  },
  { maps: { ring } },
);

setTimeout(() => {
  for (const length of [64, 512, 1500]) testRun(sys, program, { data: new Uint8Array(length) });
}, 10);

using packets = openRingBuffer(sys, ring, { layout: Packet });
let seen = 0;
for await (const { length, mark } of packets) {
  console.log(`packet of ${length} bytes, mark ${mark}`);
  seen += 1;
  if (seen === 3) break;
}
console.log(`${packets.dropped} dropped`);
