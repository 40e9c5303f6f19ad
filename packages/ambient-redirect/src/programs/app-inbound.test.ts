import { Icmp, IPPROTO_ICMP, IPPROTO_ICMPV6, IPPROTO_UDP, TCP_FLAG, Vm } from 'bpf-asm';
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
  PROXY_MAC,
  REDIRECT,
  remembered,
  withPods,
  type Row,
} from '../../test/tables.ts';
import { direct, DirectFlow, EXEMPT, exempt, Flow } from '../maps.ts';
import { appInbound as make } from './app-inbound.ts';
import type { AppFacts } from './facts.ts';

const appInbound = remembered(make);

const { ACK, SYN } = TCP_FLAG;
const to4 = (facts: PacketFacts = {}): Uint8Array => ipv4({ source: '10.96.0.1', destination: '10.244.1.5', ...facts });
const to6 = (facts: PacketFacts = {}): Uint8Array => ipv6({ source: 'fd00:2::1', destination: 'fd00:1::5', ...facts });

/** Where a packet came in: by another interface, from the proxy, or it was made on this host. */
const elsewhere = { ingressIfindex: 2 };
const proxy = { ingressIfindex: PROXY.ifindex };
const made = { ingressIfindex: 0 };

/** The packet that an error tells of, as its sender sent it. */
const cause4 = (facts: PacketFacts = {}): Uint8Array =>
  to4({ source: '10.244.1.5', destination: '10.96.0.1', ...facts }).subarray(14);
const cause6 = (facts: PacketFacts = {}): Uint8Array =>
  to6({ source: 'fd00:1::5', destination: 'fd00:2::1', ...facts }).subarray(14);
const payload = (type: number, cause: Uint8Array): Uint8Array =>
  Uint8Array.from([...Icmp.encode({ type, code: 4, checksum: 0, rest: 1300 }), ...cause]);
const error4 = (type: number, cause = cause4(), facts: PacketFacts = {}): Uint8Array =>
  to4({ protocol: IPPROTO_ICMP, payload: payload(type, cause), ...facts });
const error6 = (type: number, cause = cause6(), facts: PacketFacts = {}): Uint8Array =>
  to6({ protocol: IPPROTO_ICMPV6, payload: payload(type, cause), ...facts });
const FRAGMENT = [[44, [0, 0, 0, 1, 0, 0, 0, 1]]] as const;
const TAIL = [[44, [0, 0, 0, 9, 0, 0, 0, 1]]] as const;
const OPTION = [[60, new Array<number>(8).fill(0)]] as const;

const captured = (what: string, packet: Uint8Array): Row => ({
  what,
  packet,
  reason: 'captured',
  arrival: elsewhere,
  start: PROXY_MAC,
});

/** What comes to a pod, with every connection captured. */
const ROWS: readonly Row[] = [
  captured('a SYN', to4()),
  captured('a later segment', to4({ flags: ACK })),
  captured('an answer', to4({ flags: SYN | ACK, sourcePort: 443 })),
  captured('IPv6', to6()),
  captured('a later IPv6 segment', to6({ flags: ACK })),
  captured('to another address of the pod', to4({ destination: '192.168.9.5' })),
  captured('to another IPv6 address of the pod', to6({ destination: 'fd00:99::5' })),
  captured('options', to4({ options: 40 })),
  captured('extension headers', to6({ extensions: [[0, new Array<number>(8).fill(0)], ...FRAGMENT] })),
  captured('a later fragment', to4({ fragment: 9 })),
  captured('a later IPv6 fragment', to6({ extensions: TAIL })),
  captured('DNS over TCP', to4({ destinationPort: 53 })),
  captured('a segment of another pod', to4({ source: '10.244.1.6', flags: ACK })),
  captured('an answer of another pod', to4({ source: '10.244.1.6', flags: SYN | ACK })),
  captured('a SYN of a pod that drains', to4({ source: '10.244.1.7' })),
  captured('a SYN of what is no pod', to4({ source: '10.244.1.99' })),
  { what: 'a SYN in the name of another pod', packet: to4({ source: '10.244.1.6' }), reason: 'spoofed', arrival: elsewhere },
  { what: 'a SYN in the name of another pod by IPv6', packet: to6({ source: 'fd00:1::6' }), reason: 'spoofed', arrival: elsewhere },
  { what: 'a SYN in the name of a pod elsewhere', packet: to4({ source: '192.168.9.6' }), reason: 'spoofed', arrival: elsewhere },
  { what: 'a SYN in the name of an IPv6 pod elsewhere', packet: to6({ source: 'fd00:99::6' }), reason: 'spoofed', arrival: elsewhere },
  { what: 'a SYN in the pod\'s own name', packet: to4({ source: '10.244.1.5' }), reason: 'spoofed', arrival: elsewhere },
  { what: 'from the proxy', packet: to4(), reason: 'fromProxy', arrival: proxy },
  { what: 'from the proxy, in the name of a pod', packet: to4({ source: '10.244.1.6' }), reason: 'fromProxy', arrival: proxy },
  { what: 'from the proxy by IPv6', packet: to6({ flags: ACK }), reason: 'fromProxy', arrival: proxy },
  { what: 'UDP from the proxy', packet: to4({ protocol: IPPROTO_UDP }), reason: 'fromProxy', arrival: proxy },
  { what: 'an error from the proxy', packet: error4(3), reason: 'fromProxy', arrival: proxy },
  { what: 'a probe', packet: to4({ source: '10.0.0.1' }), reason: 'host', arrival: made },
  { what: 'a later segment of a probe', packet: to4({ source: '10.244.1.1', flags: ACK }), reason: 'host', arrival: made },
  { what: 'a probe by IPv6', packet: to6({ source: 'fd00:1::1' }), reason: 'host', arrival: made },
  { ...captured('made here, but not by the host', to4()), arrival: made },
  { ...captured('made here in another name', to4({ source: '10.0.0.2' })), arrival: made },
  captured('masqueraded', to4({ source: '10.0.0.1' })),
  captured('a later segment that is masqueraded', to4({ source: '10.0.0.1', flags: ACK })),
  captured('masqueraded by IPv6', to6({ source: 'fd00::1' })),
  { what: 'from what is bypassed', packet: to4({ source: '169.254.1.1' }), reason: 'bypassed', arrival: elsewhere },
  { what: 'from what is bypassed by IPv6', packet: to6({ source: 'fd00:9:ffff::' }), reason: 'bypassed', arrival: elsewhere },
  { what: 'an answer of DNS', packet: to4({ protocol: IPPROTO_UDP, sourcePort: 53 }), reason: 'other', arrival: elsewhere },
  { what: 'a query', packet: to6({ protocol: IPPROTO_UDP, destinationPort: 53 }), reason: 'other', arrival: elsewhere },
  { what: 'to another pod', packet: to4({ destination: '10.244.1.6' }), arrival: elsewhere },
  { what: 'to another pod by IPv6', packet: to6({ destination: 'fd00:99::6' }), arrival: elsewhere },
  { what: 'to what is no pod', packet: to4({ destination: '10.244.1.99' }), arrival: elsewhere },
  { what: 'to elsewhere', packet: to6({ destination: 'fd00:2::2' }), arrival: elsewhere },
  { what: 'ARP', packet: frame(0x0806, new Uint8Array(28)), arrival: elsewhere },
  { what: 'a VLAN', packet: to4({ vlan: 7 }), arrival: elsewhere },
  ...[3, 11, 12].map((type): Row => ({ what: `error ${type}`, packet: error4(type), reason: 'icmpCopied', arrival: elsewhere })),
  ...[1, 2, 3, 4].map((type): Row => ({ what: `IPv6 error ${type}`, packet: error6(type), reason: 'icmpCopied', arrival: elsewhere })),
  { what: 'an error of the host', packet: error4(3, cause4(), { source: '10.0.0.1' }), reason: 'icmpCopied', arrival: made },
  { what: 'an error about a packet with options', packet: error4(3, cause4({ options: 12 })), reason: 'icmpCopied', arrival: elsewhere },
  { what: 'an error in a packet with options', packet: error4(11, cause4(), { options: 8 }), reason: 'icmpCopied', arrival: elsewhere },
  { what: 'an error about a fragment', packet: error6(3, cause6({ extensions: FRAGMENT })), reason: 'icmpCopied', arrival: elsewhere },
  { what: 'an error behind an option', packet: error6(2, cause6(), { extensions: OPTION }), reason: 'icmpCopied', arrival: elsewhere },
  { what: 'an error about UDP', packet: error4(3, cause4({ protocol: IPPROTO_UDP })), reason: 'other', arrival: elsewhere },
  { what: 'an error about UDP over IPv6', packet: error6(1, cause6({ protocol: IPPROTO_UDP })), reason: 'other', arrival: elsewhere },
  { what: 'an echo', packet: error4(8), reason: 'other', arrival: elsewhere },
  { what: 'a redirect', packet: error4(5), reason: 'other', arrival: elsewhere },
  { what: 'an IPv6 echo', packet: error6(128), reason: 'other', arrival: elsewhere },
  { what: 'a neighbour', packet: error6(135), reason: 'other', arrival: elsewhere },
  { what: 'a later fragment of ICMP', packet: error4(3, cause4(), { fragment: 9 }), reason: 'other', arrival: elsewhere },
]; // prettier-ignore

const TAGGED: AppFacts = {
  ...FACTS,
  proxy: { ...PROXY, tags: { outbound: '06:00:00:00:00:01', inbound: '06:00:00:00:00:02' } },
};
const ROWS_TAGGED = ROWS.map((row): Row =>
  row.start === undefined ? row : changed(row, { start: Uint8Array.of(...PROXY_MAC, 6, 0, 0, 0, 0, 2) }),
);

const away = (act: 'drop' | 'pass'): AppFacts => ({ ...FACTS, proxy: { away: act } });

/** Without a proxy nothing comes from it, nothing is copied to it, and no SYN need have gone by it. */
function rowsWithout(reason: 'droppedWithoutProxy' | 'passedWithoutProxy'): readonly Row[] {
  const others = ROWS.filter(({ arrival }) => arrival !== proxy);
  return others.map((row): Row => {
    if (row.reason === 'icmpCopied') return changed(row, { reason: 'other' });
    const isCaptured = row.reason === 'captured' || row.reason === 'spoofed';
    return isCaptured ? changed(row, { reason, start: new Uint8Array(0) }) : row;
  });
}

const TABLES: readonly (readonly [what: string, AppFacts, readonly Row[]])[] = [
  ['captures', FACTS, ROWS],
  ['captures, and tags what it captures', TAGGED, ROWS_TAGGED],
  ['drops what it would capture where the proxy is away', away('drop'), rowsWithout('droppedWithoutProxy')],
  ['passes what it would capture where the proxy is away', away('pass'), rowsWithout('passedWithoutProxy')],
  ['captures, and tells of all', { ...FACTS, sample: 1 }, ROWS],
  ['captures, and tells of all with their bytes', { ...FACTS, sample: 1, snapshot: true }, ROWS],
  ['captures where all pods are in the hash table', { ...FACTS, node: { ...FACTS.node, podCidrs: {} } }, ROWS],
];

const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);

/** Connections of other pods that their own programs let pass. */
function withLetPass(runner: Runner): Runner {
  const flow = { pod: '::ffff:10.244.1.6', other: '::ffff:10.244.1.5', otherPort: 80 };
  runner.map(exempt.definition.name).set(Flow.encode({ ...flow, podPort: 1000 }), word(EXEMPT.excluded));
  runner.map(direct.definition.name).set(Flow.encode({ ...flow, podPort: 1001 }), new Uint8Array(DirectFlow.size));
  return runner;
}
const LET_PASS: readonly Row[] = [
  captured('a SYN that its pod excludes', to4({ source: '10.244.1.6', sourcePort: 1000 })),
  captured('a SYN of a pod that drains or is new', to4({ source: '10.244.1.6', sourcePort: 1001 })),
  { what: 'another SYN', packet: to4({ source: '10.244.1.6', sourcePort: 1002 }), reason: 'spoofed', arrival: elsewhere },
]; // prettier-ignore

describe('app_inbound in the interpreter', () => {
  test.each(TABLES)('%s', (_what, facts, rows) => {
    using runner = withPods(inInterpreter(appInbound(facts)), facts);
    expect(() => checkTable(runner, 'inbound', rows)).not.toThrow();
  });

  test("takes what another pod's program let pass for no forgery", () => {
    using runner = withLetPass(withPods(inInterpreter(appInbound(FACTS)), FACTS));
    expect(() => checkTable(runner, 'inbound', LET_PASS)).not.toThrow();
  });

  function machine(facts: AppFacts): Vm {
    const vm = new Vm(appInbound(facts));
    for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), facts.node.podCidrs, address, entry);
    return vm;
  }
  const context = { ifindex: 1, ingress_ifindex: 2 };

  test.each<readonly [string, Uint8Array, number]>([
    ['IPv4', to4(), 54],
    ['IPv4 with options', to4({ options: 40 }), 94],
    ['a fragment without ports', to4({ fragment: 9 }), 34],
    ['IPv6', to6(), 74],
    ['IPv6 with extension headers', to6({ extensions: [...OPTION, ...FRAGMENT] }), 90],
  ])('%s is left alone at every length that is too short, and read wherever its bytes lie', (_what, packet, enough) => {
    const vm = machine(FACTS);
    for (let length = 0; length <= packet.length; length++) {
      const { verdict } = vm.run({ packet: packet.subarray(0, length), context });
      expect([length, verdict]).toEqual([length, length < enough ? NEXT : REDIRECT]);
      const split = vm.run({ packet, linear: length, context });
      expect([split.verdict, split.redirect]).toEqual([
        REDIRECT,
        { kind: 'redirect', ifindex: PROXY.ifindex, flags: 0 },
      ]);
    }
  });

  test.each<readonly [string, Uint8Array, number]>([
    ['IPv4', error4(3), 62],
    ['IPv6', error6(2), 102],
    ['about an IPv6 fragment', error6(2, cause6({ extensions: FRAGMENT })), 110],
  ])(
    "an error %s is copied with the proxy's address on it, wherever its bytes lie, and passed as it was",
    (_what, packet, enough) => {
      const vm = machine(FACTS);
      const copy = packet.slice();
      copy.set(PROXY_MAC);
      for (let length = 0; length <= packet.length; length++) {
        const whole = vm.run({ packet: packet.subarray(0, length), context });
        expect([length, whole.verdict, whole.clones.length]).toEqual([length, NEXT, length < enough ? 0 : 1]);
        const split = vm.run({ packet, linear: length, context });
        expect([split.verdict, split.packet, split.clones]).toEqual([
          NEXT,
          packet,
          [{ ifindex: PROXY.ifindex, flags: 0, packet: copy }],
        ]);
      }
    },
  );

  test('leaves alone what carries a VLAN tag beside it', () => {
    expect(machine(FACTS).run({ packet: to4(), context: { ...context, vlan_present: 1 } }).verdict).toBe(NEXT);
  });

  test('notes what is masqueraded until the host uses the same ports', () => {
    const vm = machine(FACTS);
    const key = Flow.encode({ pod: '::ffff:10.244.1.5', other: '::ffff:10.0.0.1', podPort: 80, otherPort: 40000 });
    const noted = (facts: PacketFacts, ingress: number): Uint8Array | undefined => {
      vm.run({ packet: to4({ source: '10.0.0.1', ...facts }), context: { ifindex: 1, ingress_ifindex: ingress } });
      return vm.map(exempt.definition.name).get(key);
    };
    expect(noted({ flags: ACK }, 2)).toBeUndefined();
    expect(noted({}, 2)).toEqual(word(EXEMPT.masqueraded));
    expect(noted({ flags: ACK }, 0)).toEqual(word(EXEMPT.masqueraded));
    expect(noted({}, 0)).toBeUndefined();
  });
});

describeWith([root], 'app_inbound in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test.each(TABLES)('%s', (_what, facts, rows) => {
    using runner = withPods(inKernel(sys, appInbound(facts)), facts);
    expect(() => checkTable(runner, 'inbound', rows)).not.toThrow();
  });

  test("takes what another pod's program let pass for no forgery", () => {
    using runner = withLetPass(withPods(inKernel(sys, appInbound(FACTS)), FACTS));
    expect(() => checkTable(runner, 'inbound', LET_PASS)).not.toThrow();
  });

  // The kernel's test run takes no packet that is shorter than its IP header.
  test('leaves alone what is too short', () => {
    using runner = withPods(inKernel(sys, appInbound(FACTS)), FACTS);
    for (const [packet, shortest, enough] of [
      [to4({ options: 8 }), 34, 62],
      [to6({ extensions: FRAGMENT }), 54, 82],
    ] as const) {
      for (let length = shortest; length <= packet.length; length++) {
        const { verdict } = runner.run(packet.subarray(0, length), elsewhere);
        expect([length, verdict]).toEqual([length, length < enough ? NEXT : REDIRECT]);
      }
    }
  });
});
