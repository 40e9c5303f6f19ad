import { IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, TCP_FLAG, Vm } from 'bpf-asm';
import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { frame, ipv4, ipv6, type PacketFacts } from '../../../bpf-asm/test/packets.ts';
import { mapsOf, putPod } from '../../test/pods.ts';
import { inInterpreter, inKernel, type Runner } from '../../test/runners.ts';
import {
  changed,
  checkTable,
  FACTS,
  NEXT,
  PODS,
  PROXY,
  REDIRECT,
  withPods,
  type Row,
  remembered,
} from '../../test/tables.ts';
import { EXEMPT, Flow } from '../maps.ts';
import { appOutbound as make } from './app-outbound.ts';
import type { AppFacts } from './facts.ts';

const appOutbound = remembered(make);

type Extensions = NonNullable<PacketFacts['extensions']>;

const from4 = (facts: PacketFacts = {}): Uint8Array => ipv4({ source: '10.244.1.5', ...facts });
const from6 = (facts: PacketFacts = {}): Uint8Array => ipv6({ source: 'fd00:1::5', ...facts });
const query = { protocol: IPPROTO_UDP, destinationPort: 53 } as const;
const fragment6 = (low: number): Extensions => [[44, [0, 0, 0, low, 0, 0, 0, 1]]];
const LONG_CHAIN: Extensions = [
  [0, new Array<number>(8).fill(0)],
  [60, [0, 1, ...new Array<number>(14).fill(0)]],
  [43, new Array<number>(8).fill(0)],
  ...fragment6(1),
  [51, [0, 4, ...new Array<number>(22).fill(0)]],
  [60, new Array<number>(8).fill(0)],
];

/** What a pod sends, with every connection captured. */
const ROWS: readonly Row[] = [
  { what: 'a SYN', packet: from4(), reason: 'captured' },
  { what: 'a later segment', packet: from4({ flags: TCP_FLAG.ACK }), reason: 'captured' },
  { what: 'an answer', packet: from4({ flags: TCP_FLAG.SYN | TCP_FLAG.ACK, sourcePort: 80 }), reason: 'captured' },
  { what: 'IPv6', packet: from6(), reason: 'captured' },
  { what: 'from another address of the pod', packet: from4({ source: '192.168.9.5' }), reason: 'captured' },
  { what: 'from another IPv6 address of the pod', packet: from6({ source: 'fd00:99::5' }), reason: 'captured' },
  { what: 'to another pod', packet: from4({ destination: '10.244.1.6' }), reason: 'captured' },
  { what: 'options', packet: from4({ options: 40 }), reason: 'captured' },
  { what: 'extension headers', packet: from6({ extensions: LONG_CHAIN }), reason: 'captured' },
  { what: 'more extension headers than are walked', packet: from6({ extensions: [...LONG_CHAIN, [60, new Array<number>(8).fill(0)]] }) },
  { what: 'the first fragment', packet: from4({ fragment: 0x2000 }), reason: 'captured' },
  { what: 'a later fragment', packet: from4({ fragment: 0x2003 }), reason: 'captured' },
  { what: 'the first IPv6 fragment', packet: from6({ extensions: fragment6(1) }), reason: 'captured' },
  { what: 'a later IPv6 fragment', packet: from6({ extensions: fragment6(9) }), reason: 'captured' },
  { what: 'an IPv6 packet of one fragment', packet: from6({ extensions: fragment6(0) }), reason: 'captured' },
  { what: 'DNS', packet: from4(query), reason: 'dns' },
  { what: 'DNS over IPv6', packet: from6({ ...query, extensions: [[60, new Array<number>(8).fill(0)]] }), reason: 'dns' },
  { what: 'DNS over TCP', packet: from4({ destinationPort: 53 }), reason: 'captured' },
  { what: 'a fragment of DNS', packet: from4({ ...query, fragment: 0x2000 }), reason: 'other' },
  { what: 'a later fragment of UDP', packet: from4({ ...query, fragment: 5 }), reason: 'other' },
  { what: 'an IPv6 fragment of DNS', packet: from6({ ...query, extensions: fragment6(1) }), reason: 'other' },
  { what: 'DNS over IPv6 in one fragment', packet: from6({ ...query, extensions: fragment6(0) }), reason: 'dns' },
  { what: 'an answer from port 53', packet: from4({ protocol: IPPROTO_UDP, sourcePort: 53 }), reason: 'other' },
  { what: 'other UDP', packet: from6({ protocol: IPPROTO_UDP, destinationPort: 443 }), reason: 'other' },
  { what: 'ICMP', packet: from4({ protocol: IPPROTO_ICMP }), reason: 'other' },
  { what: 'ICMPv6', packet: from6({ protocol: IPPROTO_ICMPV6 }), reason: 'other' },
  { what: 'to the host', packet: from4({ destination: '10.0.0.1' }), reason: 'host' },
  { what: 'to another address of the host', packet: from4({ destination: '10.244.1.1' }), reason: 'host' },
  { what: 'to the host by IPv6', packet: from6({ destination: 'fd00:1::1' }), reason: 'host' },
  { what: 'DNS to the host', packet: from4({ ...query, destination: '10.0.0.1' }), reason: 'host' },
  { what: 'DNS to the host by IPv6', packet: from6({ ...query, destination: 'fd00::1' }), reason: 'host' },
  { what: 'to what is bypassed', packet: from4({ destination: '169.254.169.254' }), reason: 'bypassed' },
  { what: 'just beside what is bypassed', packet: from4({ destination: '169.255.0.0' }), reason: 'captured' },
  { what: 'to what is bypassed by IPv6', packet: from6({ destination: 'fd00:9:1::1' }), reason: 'bypassed' },
  { what: 'DNS to what is bypassed', packet: from4({ ...query, destination: '169.254.20.10' }), reason: 'bypassed' },
  { what: 'in the name of another pod', packet: from4({ source: '10.244.1.6' }), reason: 'spoofed' },
  { what: 'in the name of no pod', packet: from4({ source: '10.244.1.99' }), reason: 'spoofed' },
  { what: 'in the name of someone elsewhere', packet: from4({ source: '8.8.8.8' }), reason: 'spoofed' },
  { what: 'in the name of another pod by IPv6', packet: from6({ source: 'fd00:1::6' }), reason: 'spoofed' },
  { what: 'in the name of a pod elsewhere', packet: from6({ source: 'fd00:99::6' }), reason: 'spoofed' },
  { what: 'DNS in the name of another pod', packet: from4({ ...query, source: '10.244.1.6' }), reason: 'spoofed' },
  { what: 'UDP in the name of another pod', packet: from4({ protocol: IPPROTO_UDP, source: '10.244.1.6' }), reason: 'other' },
  { what: 'to the host in the name of another pod', packet: from4({ source: '10.244.1.6', destination: '10.0.0.1' }), reason: 'host' },
  { what: 'IPv6 to the link', packet: from6({ source: 'fe80::5', destination: 'fe80::1' }) },
  { what: 'IPv6 to the link, the last address', packet: from6({ destination: 'febf::1' }) },
  { what: 'IPv6 just beside the link', packet: from6({ destination: 'fec0::1' }), reason: 'captured' },
  { what: 'ARP', packet: frame(0x0806, new Uint8Array(28)) },
  { what: 'a VLAN', packet: from4({ vlan: 7 }) },
  { what: 'an unknown type', packet: frame(0x88cc, new Uint8Array(40)) },
]; // prettier-ignore

const WITHOUT_DNS: AppFacts = { ...FACTS, policy: { ...FACTS.policy, dns: false } };
const ROWS_WITHOUT_DNS = ROWS.map((row): Row => {
  const isQuery = row.what.startsWith('DNS') && row.what !== 'DNS over TCP';
  return isQuery ? changed(row, { reason: 'other' }) : row;
});

const TAGS = { outbound: '06:00:00:00:00:01', inbound: '06:00:00:00:00:02' };
const TAGGED: AppFacts = { ...FACTS, proxy: { ...PROXY, tags: TAGS } };
const ROWS_TAGGED = ROWS.map((row): Row => {
  const isCaptured = row.reason === 'captured' || row.reason === 'dns';
  return isCaptured ? changed(row, { start: Uint8Array.of(...row.packet.subarray(0, 6), 6, 0, 0, 0, 0, 1) }) : row;
});

const away = (act: 'drop' | 'pass'): AppFacts => ({ ...FACTS, proxy: { away: act } });
const rowsWithout = (reason: 'droppedWithoutProxy' | 'passedWithoutProxy'): readonly Row[] =>
  ROWS.map((row) => (row.reason === 'captured' || row.reason === 'dns' ? changed(row, { reason }) : row));

const TABLES: readonly (readonly [what: string, AppFacts, readonly Row[]])[] = [
  ['captures', FACTS, ROWS],
  ['captures without DNS', WITHOUT_DNS, ROWS_WITHOUT_DNS],
  ['captures, and tags what it captures', TAGGED, ROWS_TAGGED],
  ['drops what it would capture where the proxy is away', away('drop'), rowsWithout('droppedWithoutProxy')],
  ['passes what it would capture where the proxy is away', away('pass'), rowsWithout('passedWithoutProxy')],
  ['captures, and tells of all', { ...FACTS, sample: 1 }, ROWS],
  ['captures, and tells of all with their bytes', { ...FACTS, sample: 1, snapshot: true }, ROWS],
  ['captures where all pods are in the hash table', { ...FACTS, node: { ...FACTS.node, podCidrs: {} } }, ROWS],
];

/** The interface is known by itself, so that forged packets are counted for the pod that sent them. */
function withInterface(runner: Runner): Runner {
  runner.map('interfaces').set(word(1), word(1));
  return runner;
}

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** A connection from elsewhere that came by an address of the host. */
const MASQUERADED = [
  Flow.encode({ pod: '::ffff:10.244.1.5', other: '::ffff:10.0.0.1', podPort: 80, otherPort: 50000 }),
  Flow.encode({ pod: 'fd00:1::5', other: 'fd00::1', podPort: 80, otherPort: 50000 }),
];
const ANSWERS: readonly Row[] = [
  { what: 'its answer', packet: from4({ destination: '10.0.0.1', sourcePort: 80, destinationPort: 50000, flags: TCP_FLAG.ACK }), reason: 'captured' },
  { what: 'its answer by IPv6', packet: from6({ destination: 'fd00::1', sourcePort: 80, destinationPort: 50000, flags: TCP_FLAG.ACK }), reason: 'captured' },
  { what: 'an answer to the host itself', packet: from4({ destination: '10.0.0.1', sourcePort: 80, destinationPort: 50001 }), reason: 'host' },
  { what: 'a forged answer', packet: from4({ source: '10.244.1.6', destination: '10.0.0.1', sourcePort: 80, destinationPort: 50000 }), reason: 'host' },
]; // prettier-ignore

function withMasqueraded(runner: Runner, why: number = EXEMPT.masqueraded): Runner {
  for (const flow of MASQUERADED) runner.map('exempt').set(flow, word(why));
  return runner;
}

function ready(runner: Runner, facts: AppFacts): Runner {
  return withInterface(withPods(runner, facts));
}

describe('app_outbound in the interpreter', () => {
  test.each(TABLES)('%s', (_what, facts, rows) => {
    using runner = ready(inInterpreter(appOutbound(facts)), facts);
    expect(() => checkTable(runner, 'outbound', rows)).not.toThrow();
  });

  test('captures what answers a masqueraded connection', () => {
    using runner = withMasqueraded(ready(inInterpreter(appOutbound(FACTS)), FACTS));
    expect(() => checkTable(runner, 'outbound', ANSWERS)).not.toThrow();
  });

  test('counts a forged packet for no pod where the interface is unknown', () => {
    using runner = withPods(inInterpreter(appOutbound(FACTS)), FACTS);
    const row: Row = { what: 'forged', packet: from4({ source: '10.244.1.6' }), reason: 'spoofed', slot: 0 };
    expect(() => checkTable(runner, 'outbound', [row])).not.toThrow();
  });

  test.each<readonly [string, Uint8Array, number, AppFacts]>([
    ['IPv4', from4(), 34, FACTS],
    ['IPv4 with options', from4({ options: 40 }), 34, FACTS],
    ['IPv6', from6(), 54, FACTS],
    ['IPv6 with extension headers', from6({ extensions: LONG_CHAIN }), 54 + 72, FACTS],
    ['IPv4 whose ports are asked for', from4(), 54, { ...FACTS, mode: 'preserve' }],
    ['IPv4 with options whose ports are asked for', from4({ options: 12 }), 66, { ...FACTS, mode: 'preserve' }],
    ['IPv6 whose ports are asked for', from6(), 74, { ...FACTS, mode: 'preserve' }],
    ['DNS', from4(query), 38, FACTS],
    ['DNS over IPv6', from6(query), 58, FACTS],
  ])(
    '%s is left alone at every length that is too short, and read wherever its bytes lie',
    (_what, packet, enough, facts) => {
      const vm = new Vm(appOutbound(facts));
      for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), facts.node.podCidrs, address, entry);
      const context = { ifindex: 1, ingress_ifindex: 1 };
      for (let length = 0; length <= packet.length; length++) {
        const { verdict } = vm.run({ packet: packet.subarray(0, length), context });
        expect([length, verdict]).toEqual([length, length < enough ? NEXT : REDIRECT]);
        expect(vm.run({ packet, linear: length, context }).verdict).toBe(REDIRECT);
      }
    },
  );

  test("leaves alone what carries a VLAN tag beside it, and makes what is for a third party the proxy's own", () => {
    const vm = new Vm(appOutbound(FACTS));
    for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), FACTS.node.podCidrs, address, entry);
    const run = (packet: Uint8Array, more: object): ReturnType<Vm['run']> =>
      vm.run({ packet, context: { ifindex: 1, ...more } });
    expect(run(from4(), { vlan_present: 1 }).verdict).toBe(NEXT);
    const bridged = run(from4(), { pkt_type: 3 });
    expect(bridged.redirect).toEqual({ kind: 'redirect_peer', ifindex: PROXY.ifindex, flags: 0 });
    expect(bridged.context?.['pkt_type']).toBe(0);
    expect(run(from4({ destination: '10.0.0.1' }), { pkt_type: 3 }).context?.['pkt_type']).toBe(3);
    expect(run(from4(), { ifindex: 12 }).verdict).toBe(2);
  });
});

describeWith([root], 'app_outbound in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test.each(TABLES)('%s', (_what, facts, rows) => {
    using runner = ready(inKernel(sys, appOutbound(facts)), facts);
    expect(() => checkTable(runner, 'outbound', rows)).not.toThrow();
  });

  test('captures what answers a masqueraded connection', () => {
    using runner = withMasqueraded(ready(inKernel(sys, appOutbound(FACTS)), FACTS));
    expect(() => checkTable(runner, 'outbound', ANSWERS)).not.toThrow();
  });

  // The kernel's test run takes no packet that is shorter than its IP header.
  test('leaves alone what is too short', () => {
    using runner = ready(inKernel(sys, appOutbound(FACTS)), FACTS);
    for (const [packet, shortest, enough] of [
      [from4({ options: 8 }), 34, 34],
      [from6({ extensions: LONG_CHAIN }), 54, 54 + 72],
    ] as const) {
      for (let length = shortest; length <= packet.length; length++) {
        const { verdict } = runner.run(packet.subarray(0, length));
        expect([length, verdict]).toEqual([length, length < enough ? NEXT : REDIRECT]);
      }
    }
  });
});
