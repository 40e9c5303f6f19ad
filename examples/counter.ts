/**
 * Counts packets by their length on every CPU, and shows the counts as a table that is drawn again each round; as root. The packets are made
 * by test runs, so that nothing is attached anywhere.
 */
import {
  add64,
  and64,
  call,
  exit,
  helperByName,
  jeq,
  label,
  ldMap,
  ldxdw,
  ldxw,
  link,
  mov64,
  rsh64,
  stdw,
  u32,
  u64,
} from 'bpf-asm';
import { createMap, loadProgram, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

needRoot();
const sys = await openSys();
using counts = createMap(sys, {
  name: 'counts',
  type: 'percpu_array',
  keySize: 4,
  valueSize: 8,
  maxEntries: 4,
  key: u32,
  value: u64,
});
using program = loadProgram(
  sys,
  {
    name: 'count_lengths',
    type: 'sched_cls',
    licence: 'Apache-2.0',
    ...link([
      ldxw('r2', 'r1', 0), // length of the packet
      rsh64('r2', 9),
      and64('r2', 3),
      { kind: 'store', type: 'u32', dst: 'r10', offset: -4, src: 'r2' },
      mov64('r2', 'r10'),
      add64('r2', -4),
      ldMap('r1', 'counts'),
      call(helperByName('map_lookup_elem')?.id ?? -1),
      jeq('r0', 0, 'out'),
      ldxdw('r1', 'r0', 0),
      add64('r1', 1),
      stdw('r0', 0, 'r1'),
      label('out'),
      mov64('r0', 0),
      exit(),
    ]),
    maps: [counts.definition],
  },
  { maps: { counts } },
);

const rows = 4;
for (let round = 1; round <= 3; round += 1) {
  for (const length of [100, 600, 1100, 1600]) testRun(sys, program, { data: new Uint8Array(length), repeat: length });
  const table = [...counts.entries()].map(([slot, perCpu]) => {
    const total = perCpu.reduce((sum, count) => sum + count, 0n);
    return `${String(slot * 512).padStart(5)} bytes and more: ${String(total).padStart(6)} packets`;
  });
  if (round > 1 && process.stdout.isTTY) process.stdout.write(`\u001b[${rows}A`);
  console.log(table.join('\n'));
}
