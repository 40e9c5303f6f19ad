/**
 * The programs of `ambient-redirect` as they are deployed: dual stack, every check, every counter. Instructions, milliseconds to compile and to load;
 * as root also the nanoseconds of a packet over the empty program, which is what a hook costs that does nothing. Of what is above it the redirect
 * helper takes the better part: it stands beside them, alone. Rounds are interleaved, the best of each counts: the machine's noise only adds.
 */
import { encode, exit, mov64, resolveMaps, schedCls, type Program } from 'bpf-asm';
import { loadProgram, openSys, readProgramInfo, testRun, type BpfProgram, type Sys } from 'netlink-tc';
import { ipv4, ipv6 } from '../packages/bpf-asm/test/packets.ts';
import { Pod, POD_FLAG } from '../packages/ambient-redirect/src/maps.ts';
import { appInbound, appOutbound, podPlace, type AppFacts } from '../packages/ambient-redirect/src/programs/index.ts';

const ROUNDS = 9;
const REPEAT = 1_000_000;
const none = { ipv4: [], ipv6: [] };
const noRules = { includeCidrs: none, excludeCidrs: none, includePorts: [], excludePorts: [] };

const FACTS: AppFacts = {
  node: {
    podCidrs: { ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' },
    host: { ipv4: ['10.0.0.1', '10.244.1.1'], ipv6: ['fd00::1', 'fd00:1::1'] },
    bypass: { ipv4: ['169.254.0.0/16'], ipv6: ['fd00:9::/32'] },
  },
  policy: { dns: true, outbound: noRules, inbound: noRules },
  proxy: { ifindex: 7777, mac: '02:00:00:00:00:07' },
  mode: 'full',
};

const POD = { ipv4: '10.244.1.5', ipv6: 'fd00:1::5' };
const OTHER = { ipv4: '10.96.0.1', ipv6: 'fd00:2::1' };

/** A segment of a connection that is open, for the address of the interface that a test run is on. */
function segment(family: 'ipv4' | 'ipv6', sender: 'pod' | 'other'): Uint8Array {
  const ends =
    sender === 'pod'
      ? { source: POD[family], destination: OTHER[family] }
      : { source: OTHER[family], destination: POD[family] };
  const packet = family === 'ipv4' ? ipv4(ends) : ipv6(ends);
  packet.fill(0, 0, 6);
  packet[packet.length - 20 + 13] = 0x10;
  return packet;
}

/** A program, and what it is run on; nothing where any packet does. */
interface Entry {
  readonly name: string;
  readonly make: () => Program;
  readonly packet: Uint8Array;
}

const empty = (): Program => ({
  name: 'empty',
  type: 'sched_cls',
  licence: 'Apache-2.0',
  instructions: [mov64('r0', -1), exit()],
  functions: [{ name: 'empty', index: 0 }],
  maps: [],
});

const options = { licence: 'Apache-2.0' } as const;
const out = segment('ipv4', 'pod');
const ENTRIES: readonly Entry[] = [
  { name: 'empty (the floor)', make: empty, packet: out },
  { name: 'redirect_peer alone', make: () => schedCls('peer', options, ({ redirectPeer }) => redirectPeer(7777)), packet: out },
  { name: 'redirect alone', make: () => schedCls('plain', options, ({ redirect }) => redirect(7777)), packet: out },
  { name: 'app_outbound IPv4', make: () => appOutbound(FACTS), packet: out },
  { name: 'app_outbound IPv6', make: () => appOutbound(FACTS), packet: segment('ipv6', 'pod') },
  { name: 'app_inbound IPv4', make: () => appInbound(FACTS), packet: segment('ipv4', 'other') },
  { name: 'app_inbound IPv6', make: () => appInbound(FACTS), packet: segment('ipv6', 'other') },
]; // prettier-ignore

/** Puts the pod where the programs look for it, at the interface of test runs. */
function putPod({ maps }: BpfProgram): void {
  const raw = maps.get('pod_array')?.raw;
  if (raw === undefined) return;
  for (const address of Object.values(POD)) {
    const place = podPlace(FACTS.node.podCidrs, address);
    if (!('array' in place)) throw new Error(`${address} is not in the array`);
    new DataView(raw.key.buffer, raw.key.byteOffset).setUint32(0, place.array, true);
    raw.value.set(Pod.encode({ ifindex: 1, slot: 1, flags: POD_FLAG.deliver | POD_FLAG.classify }));
    if (raw.update(0n) !== 0) throw new Error('pod_array cannot be written');
  }
}

interface Measured {
  readonly entry: Entry;
  readonly slots: number;
  readonly compile: number;
  readonly load: number;
  readonly verified: number | undefined;
  readonly program: BpfProgram | undefined;
}

function prepare(sys: Sys | undefined, entry: Entry): Measured {
  let compile = Infinity;
  let made = entry.make();
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    made = entry.make();
    compile = Math.min(compile, performance.now() - start);
  }
  const slots = encode(resolveMaps(made.instructions, () => 1)).length / 8;
  if (sys === undefined) return { entry, slots, compile, load: Number.NaN, verified: undefined, program: undefined };
  const start = performance.now();
  const program = loadProgram(sys, made);
  const load = performance.now() - start;
  putPod(program);
  return { entry, slots, compile, load, verified: readProgramInfo(sys, program.fd).verifiedInstructions, program };
}

/** The best time of each program, round by round so that none has a better hour than another. */
function measure(sys: Sys, all: readonly Measured[]): ReadonlyMap<Measured, number> {
  const best = new Map<Measured, number>();
  const context = new Uint8Array(192);
  new Uint32Array(context.buffer).set([2, 1], 9);
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of all) {
      if (one.program === undefined) continue;
      const { nanoseconds, result } = testRun(sys, one.program, { data: one.entry.packet, context, repeat: REPEAT });
      const wanted = one.entry.name.startsWith('empty') ? -1 : 7;
      if ((result | 0) !== wanted) throw new Error(`${one.entry.name}: ${result | 0}, not ${wanted}`);
      best.set(one, Math.min(best.get(one) ?? Infinity, nanoseconds));
    }
  }
  return best;
}

const sys = process.getuid?.() === 0 ? await openSys() : undefined;
if (sys === undefined) console.log('not root: nothing is loaded, no times');
const all = ENTRIES.map((entry) => prepare(sys, entry));
const times = sys === undefined ? new Map<Measured, number>() : measure(sys, all);
const floor = times.get(all[0] as Measured) ?? Number.NaN;
const cell = (value: number | undefined, width: number): string =>
  (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(0)).padStart(width);

console.log(`${'program'.padEnd(22)}instructions  verified  compile ms  load ms  ns over the floor`);
for (const one of all) {
  const over = one === all[0] ? `(${cell(floor, 1)})` : cell((times.get(one) ?? Number.NaN) - floor, 1);
  console.log(
    `${one.entry.name.padEnd(22)}${cell(one.slots, 12)}${cell(one.verified, 10)}${cell(one.compile, 12)}${cell(one.load, 9)}${over.padStart(19)}`,
  );
}
for (const { program } of all) program?.close();
