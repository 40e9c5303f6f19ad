/**
 * Map access from Node against a C program that makes the same system calls. As root, where gcc is. The system call itself is
 * most of the time; the ratio is what the way from JavaScript to it costs. Both count the time that they had a processor (all
 * threads of Node's, so that the garbage collector's time counts too), not the time of day: others run on the machine as well.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { u32, u64 } from 'bpf-asm';
import { createMap, openSys, type Sys } from 'netlink-tc';

const ENTRIES = 65_536;
const BATCH = 1024;
/** Short rounds, many of them, in turn: what the machine does meanwhile comes to both, and the median passes it over. */
const ROUNDS = 31;
/** Each way is measured over so many passes, so that what is done once (first touch of memory) counts little. */
const PASSES = 2;
const definition = {
  name: 'bench',
  type: 'hash',
  keySize: 4,
  valueSize: 8,
  maxEntries: ENTRIES,
  key: u32,
  value: u64,
} as const;

type Times = Record<string, number>;

/** Nanoseconds on a processor so far. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return 1000 * (user + system);
}

/**
 * Nanoseconds an element, from fresh maps. Every update of a hash takes another of its elements, so that a map that was written
 * more often lies more scattered in memory: bytes and layouts have a map each, and C does exactly what the first of them sees.
 */
function ours(sys: Sys): Times {
  const times: Times = {};
  const measure = (name: string, work: () => void): void => {
    const start = cpuTime();
    for (let pass = 0; pass < PASSES; pass += 1) work();
    times[name] = (cpuTime() - start) / ENTRIES / PASSES;
  };
  using map = createMap(sys, definition, { btf: 'none' });
  const { raw } = map;
  const key = new Uint32Array(raw.key.buffer);
  const value = new Uint32Array(raw.value.buffer);
  measure('update', () => {
    for (let i = 0; i < ENTRIES; i += 1) {
      key[0] = i;
      value[0] = i;
      if (raw.update(0n) !== 0) throw new Error('update');
    }
  });
  measure('lookup', () => {
    for (let i = 0; i < ENTRIES; i += 1) {
      key[0] = i;
      if (raw.lookup() !== 0 || value[0] !== i) throw new Error('lookup');
    }
  });
  const keys = new Uint32Array(BATCH);
  const values = new BigUint64Array(BATCH);
  const bytes = { keys: new Uint8Array(keys.buffer), values: new Uint8Array(values.buffer) };
  const updateAll = (): void => {
    for (let from = 0; from < ENTRIES; from += BATCH) {
      for (let i = 0; i < BATCH; i += 1) keys[i] = from + i;
      if (raw.batch('BPF_MAP_UPDATE_BATCH', bytes.keys, bytes.values, BATCH).result !== 0) throw new Error('batch');
    }
  };
  const lookUpAll = (): void => {
    let total = 0;
    let from = new Uint8Array(8);
    let to = new Uint8Array(8);
    for (let isFirst = true, result = 0; result === 0; isFirst = false) {
      const step = raw.batch('BPF_MAP_LOOKUP_BATCH', bytes.keys, bytes.values, BATCH, isFirst ? { to } : { from, to });
      total += step.count;
      result = step.result;
      [from, to] = [to, from];
    }
    if (total !== ENTRIES) throw new Error(`batch: ${total}`);
  };
  measure('update-batch', updateAll);
  measure('lookup-batch', lookUpAll);
  using typed = createMap(sys, definition, { btf: 'none' });
  measure('update with layouts', () => {
    for (let i = 0; i < ENTRIES; i += 1) typed.update(i, 7n);
  });
  measure('lookup with layouts', () => {
    for (let i = 0; i < ENTRIES; i += 1) if (typed.lookup(i) !== 7n) throw new Error('lookup');
  });
  return times;
}

const median = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;

const directory = mkdtempSync(join(tmpdir(), 'bench-maps-'));
try {
  const peer = join(directory, 'maps');
  execFileSync('gcc', ['-O2', '-o', peer, join(import.meta.dirname, 'peers/maps.c')]);
  const theirs = (): Times =>
    Object.fromEntries(
      execFileSync(peer, { encoding: 'utf8' })
        .trim()
        .split('\n')
        .map((line) => [line.split(' ')[0], Number(line.split(' ')[1])]),
    );
  const sys = await openSys();
  // Compiled before it counts.
  for (let i = 0; i < 3; i += 1) ours(sys);
  const rounds = Array.from({ length: ROUNDS }, () => ({ c: theirs(), node: ours(sys) }));
  for (const name of Object.keys(rounds[0]?.node ?? {})) {
    const peerName = name.replace(' with layouts', '');
    const node = median(rounds.map((round) => round.node[name] ?? Number.NaN));
    const c = median(rounds.map((round) => round.c[peerName] ?? Number.NaN));
    const ratio = median(rounds.map((round) => (round.node[name] ?? 0) / (round.c[peerName] ?? 1)));
    console.log(`map ${name}: ${node.toFixed(0)} ns an element, C ${c.toFixed(0)} ns, ratio ${ratio.toFixed(2)}`);
  }
} finally {
  rmSync(directory, { recursive: true });
}
