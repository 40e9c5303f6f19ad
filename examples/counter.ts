/**
 * Counts packets by their length on every CPU, and shows the counts as a table that is drawn again each round; as root. The packets are made
 * by test runs, so that nothing is attached anywhere.
 */
import { percpuArrayMap, schedCls, u64 } from 'bpf-asm';
import { createMap, loadProgram, openSys, testRun } from 'netlink-tc';
import { needRoot } from './needs-root.ts';

const STEP = 512;
const ROWS = 4;

const lengths = percpuArrayMap('lengths', { value: u64, maxEntries: ROWS });

const countLengths = schedCls('count_lengths', { licence: 'Apache-2.0' }, ({ skb, next, count }) => {
  count(lengths, skb.len.div(STEP).mod(ROWS), 1);
  return next();
});

needRoot();
const sys = await openSys();
using counts = createMap(sys, lengths.definition);
using program = loadProgram(sys, countLengths, { maps: { lengths: counts } });

for (let round = 1; round <= 3; round += 1) {
  for (const length of [100, 600, 1100, 1600]) testRun(sys, program, { data: new Uint8Array(length), repeat: length });
  const table = [...counts.entries()].map(([row, perCpu]) => {
    const total = perCpu.reduce((sum, count) => sum + count, 0n);
    return `${String(row * STEP).padStart(5)} bytes and more: ${String(total).padStart(6)} packets`;
  });
  if (round > 1 && process.stdout.isTTY) process.stdout.write(`\u001b[${ROWS}A`);
  console.log(table.join('\n'));
}
