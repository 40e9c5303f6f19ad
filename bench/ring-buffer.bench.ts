/**
 * Draining a full ring buffer of 16-byte records, as root, against walking records of the same shape in plain memory, which cannot be beaten.
 */
import { add64, call, exit, helperByName, ldMap, link, mov64, stdw } from 'bpf-asm';
import { createMap, loadProgram, openRingBuffer, openSys, testRun } from 'netlink-tc';

const RECORDS = 500_000;
const ROUNDS = 9;
const STEP = 24;

const sys = await openSys();
using map = createMap(sys, { name: 'ring', type: 'ringbuf', keySize: 0, valueSize: 0, maxEntries: 16 << 20 });
using program = loadProgram(
  sys,
  {
    name: 'submit',
    type: 'sched_cls',
    licence: 'Apache-2.0',
    ...link([
      stdw('r10', -16, 7),
      stdw('r10', -8, 9),
      ldMap('r1', 'ring'),
      mov64('r2', 'r10'),
      add64('r2', -16),
      mov64('r3', 16),
      mov64('r4', 1), // BPF_RB_NO_WAKEUP
      call(helperByName('ringbuf_output')?.id ?? -1),
      exit(),
    ]),
    maps: [map.definition],
  },
  { maps: { ring: map } },
);
using ring = openRingBuffer(sys, map);

const plain = new Uint8Array(RECORDS * STEP);
const headers = new DataView(plain.buffer);
for (let at = 0; at < plain.length; at += STEP) headers.setUint32(at, 16, true);

let sum = 0;
const each = (bytes: Uint8Array, from: number): void => {
  sum += bytes[from] ?? 0;
};
function floor(): number {
  let count = 0;
  for (let at = 0; at < plain.length; at += (8 + headers.getUint32(at, true) + 7) & ~7) {
    each(plain, at + 8);
    count += 1;
  }
  return count;
}
function seconds(work: () => number): number {
  const start = process.hrtime.bigint();
  const count = work();
  if (count !== RECORDS) throw new Error(`${count} records, not ${RECORDS}`);
  return Number(process.hrtime.bigint() - start) / 1e9;
}

const rates: { ours: number; floor: number }[] = [];
for (let round = 0; round < ROUNDS; round += 1) {
  testRun(sys, program, { repeat: RECORDS });
  rates.push({ ours: RECORDS / seconds(() => ring.drain(each)), floor: RECORDS / seconds(floor) });
}
const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
const ours = median(rates.map((rate) => rate.ours));
const best = median(rates.map((rate) => rate.floor));
const show = (rate: number): string => `${(rate / 1e6).toFixed(1)} M records/s`;
console.log(
  `ring buffer: drain ${show(ours)}, plain memory ${show(best)}, ratio ${(best / ours).toFixed(1)} (${sum > 0 ? 'read' : 'empty'})`,
);
