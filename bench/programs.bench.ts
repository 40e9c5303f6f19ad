/**
 * The programs of `ambient-redirect` as they are deployed: dual stack, every check, every counter. Instructions, milliseconds to compile and to load;
 * as root also the nanoseconds of a packet over the empty program, which is what a hook costs that does nothing. Of what is above it the redirect
 * helper takes the better part: it stands beside them, alone. Rounds are interleaved, the best of each counts: the machine's noise only adds.
 */
import { AF_INET, encode, exit, IPPROTO_TCP, mov64, resolveMaps, schedCls, type Program } from 'bpf-asm';
import { ipv4Address } from 'bpf-asm/layout';
import {
  loadProgram,
  openSys,
  readProgramInfo,
  testRun,
  type BpfProgram,
  type Sys,
  type TestRunOptions,
} from 'netlink-tc';
import { ipv4, ipv6 } from '../packages/bpf-asm/test/packets.ts';
import {
  appInbound,
  appOutbound,
  hostIn,
  steer,
  type AppFacts,
  type NodeFacts,
} from '../packages/ambient-redirect/src/programs/index.ts';
import { ENROLLED, putPod } from '../packages/ambient-redirect/test/pods.ts';
import { ListeningSockets } from '../packages/ambient-redirect/test/steering.ts';

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

/** A connection of the pod's as it reaches the proxy: `struct bpf_sk_lookup`. */
function connection(): Uint8Array {
  const context = new Uint8Array(72);
  const view = new DataView(context.buffer);
  view.setUint32(8, AF_INET, true);
  view.setUint32(12, IPPROTO_TCP, true);
  context.set(ipv4Address.encode(POD.ipv4), 16);
  context.set(ipv4Address.encode(OTHER.ipv4), 40);
  view.setUint32(60, 80, true);
  return context;
}

/** The interfaces that a packet came by, and is at: `struct __sk_buff`. */
function arrival(): Uint8Array {
  const context = new Uint8Array(192);
  new Uint32Array(context.buffer).set([2, 1], 9);
  return context;
}

/** A program, what it is run on, and what it must return. The last one that is empty is its floor. */
interface Entry {
  readonly name: string;
  readonly make: () => Program;
  readonly input: TestRunOptions;
  readonly wanted: number;
  /** Where its pod is looked up. */
  readonly podCidrs?: NodeFacts['podCidrs'];
}

const empty = (type: 'sched_cls' | 'sk_lookup', result: number): Program => ({
  name: 'empty',
  type,
  ...(type === 'sk_lookup' ? { expectedAttachType: type } : {}),
  licence: 'Apache-2.0',
  instructions: [mov64('r0', result), exit()],
  functions: [{ name: 'empty', index: 0 }],
  maps: [],
});

const options = { licence: 'Apache-2.0' } as const;
const [NEXT, REDIRECT, PASS] = [-1, 7, 1];
const context = arrival();
const [out4, out6, in4, in6] = [
  { data: segment('ipv4', 'pod'), context },
  { data: segment('ipv6', 'pod'), context },
  { data: segment('ipv4', 'other'), context },
  { data: segment('ipv6', 'other'), context },
];
const lookup = { data: null, context: connection() };
const { node } = FACTS;
const host = (podCidrs: NodeFacts['podCidrs'], preserving: boolean) => (): Program =>
  hostIn({
    node: { ...node, podCidrs },
    proxy: { addresses: { ipv4: ['10.244.7.7'], ipv6: ['fd00:7::7'] } },
    preserving,
  });
// A test run of a sk_lookup program takes no interface: it is 0.
const proxySide = { proxy: { ifindex: 0, addresses: { ipv4: ['10.244.1.9'], ipv6: ['fd00:1::9'] } }, hbone: 15008 };
const ENTRIES: readonly Entry[] = [
  { name: 'empty (the floor)', make: () => empty('sched_cls', NEXT), input: out4, wanted: NEXT },
  { name: 'redirect_peer alone', make: () => schedCls('peer', options, ({ redirectPeer }) => redirectPeer(7777)), input: out4, wanted: REDIRECT },
  { name: 'redirect alone', make: () => schedCls('plain', options, ({ redirect }) => redirect(7777)), input: out4, wanted: REDIRECT },
  { name: 'app_outbound IPv4', make: () => appOutbound(FACTS), input: out4, wanted: REDIRECT },
  { name: 'app_outbound IPv6', make: () => appOutbound(FACTS), input: out6, wanted: REDIRECT },
  { name: 'app_inbound IPv4', make: () => appInbound(FACTS), input: in4, wanted: REDIRECT },
  { name: 'app_inbound IPv6', make: () => appInbound(FACTS), input: in6, wanted: REDIRECT },
  { name: 'host_in IPv4', make: host(node.podCidrs, false), input: in4, wanted: REDIRECT },
  { name: 'host_in IPv6', make: host(node.podCidrs, false), input: in6, wanted: REDIRECT },
  { name: 'host_in IPv4, hash', make: host({}, false), input: in4, wanted: REDIRECT, podCidrs: {} },
  { name: 'host_in preserving', make: host(node.podCidrs, true), input: in4, wanted: REDIRECT },
  { name: 'empty (its floor)', make: () => empty('sk_lookup', PASS), input: lookup, wanted: PASS },
  { name: 'steer IPv4', make: () => steer({ node, ...proxySide, dns: true, handover: false, bank: 0 }), input: lookup, wanted: PASS },
]; // prettier-ignore

/** Puts the pod where a program looks for it, at the interface of test runs, and the listener that steering gives it. */
function fillMaps({ maps }: BpfProgram, podCidrs: NodeFacts['podCidrs'], sockets: ListeningSockets): void {
  const put = (name: string, key: Uint8Array, value: Uint8Array): void => {
    const raw = maps.get(name)?.raw;
    if (raw === undefined) return;
    raw.key.set(key);
    raw.value.set(value);
    if (raw.update(0n) !== 0) throw new Error(`${name} cannot be written`);
  };
  for (const address of Object.values(POD)) {
    const entry = { ifindex: 1, slot: 1, flags: ENROLLED };
    putPod((name) => ({ set: (key, value) => put(name, key, value) }), podCidrs, address, entry);
  }
  put('listeners', new Uint8Array(4), new Uint8Array(Uint32Array.of(sockets.fd('outbound ipv4')).buffer));
}

interface Measured {
  readonly entry: Entry;
  readonly slots: number;
  readonly compile: number;
  readonly load: number;
  readonly verified: number | undefined;
  readonly program: BpfProgram | undefined;
}

function prepare(sys: Sys | undefined, sockets: ListeningSockets | undefined, entry: Entry): Measured {
  let compile = Infinity;
  let made = entry.make();
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    made = entry.make();
    compile = Math.min(compile, performance.now() - start);
  }
  const slots = encode(resolveMaps(made.instructions, () => 1)).length / 8;
  if (sys === undefined || sockets === undefined)
    return { entry, slots, compile, load: Number.NaN, verified: undefined, program: undefined };
  const start = performance.now();
  const program = loadProgram(sys, made);
  const load = performance.now() - start;
  fillMaps(program, entry.podCidrs ?? node.podCidrs, sockets);
  return { entry, slots, compile, load, verified: readProgramInfo(sys, program.fd).verifiedInstructions, program };
}

/** The best time of each program, round by round so that none has a better hour than another. */
function measure(sys: Sys, all: readonly Measured[]): ReadonlyMap<Measured, number> {
  const best = new Map<Measured, number>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const one of all) {
      if (one.program === undefined) continue;
      const { input, wanted, name } = one.entry;
      const { nanoseconds, result } = testRun(sys, one.program, { ...input, repeat: REPEAT });
      if ((result | 0) !== wanted) throw new Error(`${name}: ${result | 0}, not ${wanted}`);
      best.set(one, Math.min(best.get(one) ?? Infinity, nanoseconds));
    }
  }
  return best;
}

const sys = process.getuid?.() === 0 ? await openSys() : undefined;
if (sys === undefined) console.log('not root: nothing is loaded, no times');
const sockets = sys && new ListeningSockets(sys);
const all = ENTRIES.map((entry) => prepare(sys, sockets, entry));
const times = sys === undefined ? new Map<Measured, number>() : measure(sys, all);
let floor = Number.NaN;
const cell = (value: number | undefined, width: number): string =>
  (value === undefined || Number.isNaN(value) ? '-' : value.toFixed(0)).padStart(width);

console.log(`${'program'.padEnd(22)}instructions  verified  compile ms  load ms  ns over the floor`);
for (const one of all) {
  const time = times.get(one) ?? Number.NaN;
  const isFloor = one.entry.name.startsWith('empty');
  if (isFloor) floor = time;
  const over = isFloor ? `(${cell(floor, 1)})` : cell(time - floor, 1);
  console.log(
    `${one.entry.name.padEnd(22)}${cell(one.slots, 12)}${cell(one.verified, 10)}${cell(one.compile, 12)}${cell(one.load, 9)}${over.padStart(19)}`,
  );
}
for (const { program } of all) program?.close();
sockets?.[Symbol.dispose]();
