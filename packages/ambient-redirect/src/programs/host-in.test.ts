import { IPPROTO_ICMP, IPPROTO_UDP, TCP_FLAG, Vm } from 'bpf-asm';
import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { frame, ipv4, ipv6 } from '../../../bpf-asm/test/packets.ts';
import { ENROLLED, mapsOf, putPod } from '../../test/pods.ts';
import { inInterpreter, inKernel, type Runner } from '../../test/runners.ts';
import { counterIndex, direct, DirectFlow, EXEMPT, exempt, Flow, POD_FLAG, SnapshotRecord } from '../maps.ts';
import type { HostInFacts } from './facts.ts';
import { hostIn } from './host-in.ts';

const NEXT = -1;
const DROP = 2;
const REDIRECT = 7;

const none = { ipv4: [], ipv6: [] };
const podCidrs = { ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' };
const node = { podCidrs, host: none, bypass: none };
const proxy = { addresses: { ipv4: ['10.244.1.7'], ipv6: ['fd00:1::77'] } };

const PODS = {
  '10.244.1.5': { ifindex: 11, slot: 1, flags: ENROLLED },
  'fd00:1::5': { ifindex: 11, slot: 1, flags: ENROLLED },
  '192.168.9.9': { ifindex: 12, slot: 2, flags: POD_FLAG.deliver },
  'fd00:9::9': { ifindex: 12, slot: 2, flags: POD_FLAG.deliver },
  '192.168.9.8': { ifindex: 14, slot: 2, flags: POD_FLAG.deliver },
  '10.244.1.6': { ifindex: 13, slot: 3, flags: POD_FLAG.classify },
} as const;

/** The connections that go on past the proxy. */
const DIRECT = [
  { pod: '::ffff:10.244.1.5', other: '::ffff:10.96.0.1', podPort: 80, otherPort: 40000 },
  { pod: 'fd00:1::5', other: 'fd00:2::1', podPort: 80, otherPort: 40000 },
];

const from4 = { source: '10.96.0.1', sourcePort: 40000, destinationPort: 80 };
const from6 = { ...from4, source: 'fd00:2::1' };
const to4 = (destination: string, facts = {}): Uint8Array => ipv4({ ...from4, destination, ...facts });
const to6 = (destination: string, facts = {}): Uint8Array => ipv6({ ...from6, destination, ...facts });
const HOP_BY_HOP: readonly (readonly [number, readonly number[]])[] = [[0, [0, 0, 1, 4, 0, 0, 0, 0]]];
const FRAGMENT_TAIL: readonly (readonly [number, readonly number[]])[] = [[44, [0, 0, 1, 0, 0, 0, 0, 1]]];
const FRAGMENT_HEAD: readonly (readonly [number, readonly number[]])[] = [[44, [0, 0, 0, 1, 0, 0, 0, 1]]];

/** Packets, and whether they go straight into their pod: always, or only while no connection runs past the proxy. */
const ROWS: readonly (readonly [what: string, packet: Uint8Array, full: boolean, preserving: boolean])[] = [
  ['IPv4 to a pod in the array', to4('10.244.1.5', { sourcePort: 1 }), true, true],
  ['IPv6 to a pod in the array', to6('fd00:1::5', { sourcePort: 1 }), true, true],
  ['IPv4 to a pod in the hash table, which drains', to4('192.168.9.9', { flags: TCP_FLAG.ACK }), true, true],
  ['IPv6 to a pod in the hash table, which drains', to6('fd00:9::9', { flags: TCP_FLAG.ACK }), true, true],
  ['a new connection to one which drains', to4('192.168.9.9', { flags: TCP_FLAG.SYN }), true, true],
  ['one of another pod to one which drains', to4('192.168.9.9', { flags: TCP_FLAG.SYN, source: '10.244.1.5' }), true, false],
  ['one of another pod to one which drains, over IPv6', to6('fd00:9::9', { flags: TCP_FLAG.SYN, source: 'fd00:1::5' }), true, false],
  ['the answer to one of one which drains', to4('192.168.9.9', { flags: TCP_FLAG.SYN | TCP_FLAG.ACK, source: '10.244.1.5' }), true, true],
  ['one of a pod which drains itself', to4('192.168.9.9', { flags: TCP_FLAG.SYN, source: '192.168.9.8' }), true, true],
  ['a pod that nothing is to be delivered to', to4('10.244.1.6'), false, false],
  ['an address of the prefix that is no pod', to4('10.244.1.7'), false, false],
  ['an address of elsewhere', to4('10.96.0.1'), false, false],
  ['an IPv6 address of the prefix that is no pod', to6('fd00:1::7'), false, false],
  ['an IPv6 address of elsewhere', to6('fd00:8::5'), false, false],
  ['with options', to4('10.244.1.5', { sourcePort: 1, options: 40 }), true, true],
  ['with an extension header', to6('fd00:1::5', { sourcePort: 1, extensions: HOP_BY_HOP }), true, true],
  ['UDP', to4('10.244.1.5', { protocol: IPPROTO_UDP }), true, true],
  ['UDP over IPv6', to6('fd00:1::5', { protocol: IPPROTO_UDP }), true, true],
  ['ICMP', to4('10.244.1.5', { protocol: IPPROTO_ICMP }), true, true],
  ['ARP', frame(0x0806, new Uint8Array(28)), false, false],
  ['of a connection past the proxy', to4('10.244.1.5'), true, false],
  ['of a connection past the proxy, with options', to4('10.244.1.5', { options: 8 }), true, false],
  ['of an IPv6 connection past the proxy', to6('fd00:1::5'), true, false],
  ['of one, behind an extension header', to6('fd00:1::5', { extensions: HOP_BY_HOP }), true, false],
  ['of one, the first fragment', to4('10.244.1.5', { fragment: 0x2000 }), true, false],
  ['of one, the first IPv6 fragment', to6('fd00:1::5', { extensions: FRAGMENT_HEAD }), true, false],
  ['of one, seen from its other end', to4('10.244.1.5', { sourcePort: 80, destinationPort: 40000 }), true, true],
  ['a later fragment, without ports', to4('10.244.1.5', { sourcePort: 1, fragment: 8 }), true, false],
  ['a later IPv6 fragment', to6('fd00:1::5', { sourcePort: 1, extensions: FRAGMENT_TAIL }), true, false],
  ['a later fragment of UDP', to4('10.244.1.5', { protocol: IPPROTO_UDP, fragment: 8 }), true, true],
]; // prettier-ignore

function prepare(runner: Runner, { preserving }: HostInFacts): Runner {
  for (const [address, entry] of Object.entries(PODS)) putPod((name) => runner.map(name), podCidrs, address, entry);
  if (preserving) {
    const map = runner.map(direct.definition.name);
    for (const flow of DIRECT) map.set(Flow.encode(flow), new Uint8Array(DirectFlow.size));
  }
  return runner;
}

/** What a program makes of all rows: whether each went to its pod, and was left as it was; and what is counted of no pod, and of pod 1. */
interface Report {
  readonly rows: readonly (readonly [what: string, delivered: boolean, unchanged: boolean])[];
  readonly counted: readonly { readonly packets: number; readonly bytes: number }[];
}

function report(runner: Runner): Report {
  const rows = ROWS.map(([what, packet]) => {
    const { verdict, packet: after } = runner.run(packet);
    if (verdict !== NEXT && verdict !== REDIRECT) throw new Error(`${what}: ${verdict}`);
    return [what, verdict === REDIRECT, Buffer.compare(packet, after) === 0] as const;
  });
  const counted = [0, 1].flatMap((slot) =>
    (['ipv4', 'ipv6'] as const).map((family) => runner.counted(counterIndex(slot, 'inbound', family, 'delivered'))),
  );
  return { rows, counted };
}

function wanted(preserving: boolean): Report {
  const isDelivered = ([, , full, preserved]: (typeof ROWS)[number]): boolean => (preserving ? preserved : full);
  const ofPod1 = (type: number): { packets: number; bytes: number } => {
    const mine = ROWS.filter((row) => isDelivered(row) && !row[0].includes('which drains') && row[1][12] === type);
    return { packets: mine.length, bytes: mine.reduce((sum, [, packet]) => sum + packet.length, 0) };
  };
  const zero = { packets: 0, bytes: 0 };
  return {
    rows: ROWS.map((row) => [row[0], isDelivered(row), true]),
    counted: [zero, zero, ofPod1(0x08), ofPod1(0x86)],
  };
}

/** The bytes that a packet must have to be told: its header, and where ports count, those too. */
const HEADERS = { ipv4: 14 + 20, ipv6: 14 + 40 };
const TCP = 20;

/** Addresses of the host. */
const HOST = { ipv4: ['172.30.0.2'], ipv6: ['fd00:30::2'] };

/** The notes that the program makes of packets to a pod, by their sources and flags. */
function notesOf(preserving: boolean): (number | undefined)[] {
  const vm = new Vm(hostIn({ node: { ...node, host: HOST }, proxy, preserving }));
  for (const [address, entry] of Object.entries(PODS)) putPod(mapsOf(vm), podCidrs, address, entry);
  const notes = vm.map(exempt.definition.name);
  return [
    [to4('10.244.1.5', { source: '172.30.0.2', flags: 0x10 }), '172.30.0.2', '10.244.1.5'],
    [to4('10.244.1.5', { source: '172.30.0.2', protocol: IPPROTO_UDP }), '172.30.0.2', '10.244.1.5'],
    [to4('10.244.1.5', { source: '172.30.0.3' }), '172.30.0.3', '10.244.1.5'],
    [to4('10.244.1.5', { source: '172.30.0.2', options: 8 }), '172.30.0.2', '10.244.1.5'],
    [to6('fd00:1::5', { source: 'fd00:30::2', flags: 0x12 }), 'fd00:30::2', 'fd00:1::5'],
    [to6('fd00:1::5', { source: 'fd00:30::2', extensions: HOP_BY_HOP }), 'fd00:30::2', 'fd00:1::5'],
  ].map(([packet, other, pod]) => {
    expect(vm.run({ packet: packet as Uint8Array }).verdict).toBe(REDIRECT);
    const mapped = (address: string): string => (address.includes(':') ? address : `::ffff:${address}`);
    const flow = { pod: mapped(pod as string), other: mapped(other as string), podPort: 80, otherPort: 40000 };
    return notes.get(Flow.encode(flow))?.[0];
  });
}

/** Only new TCP connections in the name of the host are noted. */
const NOTED = [undefined, undefined, undefined, EXEMPT.masqueraded, undefined, EXEMPT.masqueraded];

describe('ztunnel_host_in in the interpreter', () => {
  test.each([false, true])(
    'notes what it sends in the name of the host, for the answers; preserving: %s',
    (preserving) => {
      expect(notesOf(preserving)).toEqual(NOTED);
    },
  );

  test.each([false, true])('delivers what is for a pod, and leaves the rest alone; preserving: %s', (preserving) => {
    const facts = { node, proxy, preserving };
    using runner = prepare(inInterpreter(hostIn(facts)), facts);
    expect(report(runner)).toEqual(wanted(preserving));
  });

  test.each([false, true])('tells of what it delivers, and of nothing else; preserving: %s', (preserving) => {
    const program = hostIn({ node, proxy, preserving, sample: 1, snapshot: true });
    const told = new Map<string, ReturnType<typeof SnapshotRecord.decode>>();
    const vm = new Vm(program);
    prepare({ map: (name: string) => vm.map(name) } as unknown as Runner, { node, proxy, preserving });
    for (const [what, packet] of ROWS)
      for (const { data } of vm.run({ packet, context: { ifindex: 9 } }).events)
        told.set(what, SnapshotRecord.decode(data));
    const delivered = ROWS.filter(([, , full, preserved]) => (preserving ? preserved : full));
    expect([...told.keys()]).toEqual(delivered.map(([what]) => what));
    expect(told.get('with an extension header')?.traffic).toMatchObject({
      source: 'fd00:2::1', destination: 'fd00:1::5', sourcePort: 1, destinationPort: 80, protocol: 6, slot: 1, ifindex: 9,
      what: counterIndex(0, 'inbound', 'ipv6', 'delivered'),
    }); // prettier-ignore
    expect(told.get('UDP')?.traffic).toMatchObject({ sourcePort: 40000, destinationPort: 80, protocol: IPPROTO_UDP });
    for (const [what, packet] of delivered) {
      const { traffic, packet: start } = told.get(what) ?? {};
      expect([what, traffic?.length]).toEqual([what, packet.length]);
      expect(Buffer.compare(start?.subarray(0, packet.length) ?? packet, packet)).toBe(0);
    }
    const silent = new Vm(hostIn({ node, proxy, preserving, sample: 1, verdicts: ['captured'] }));
    prepare({ map: (name: string) => silent.map(name) } as unknown as Runner, { node, proxy, preserving });
    expect(ROWS.flatMap(([, packet]) => silent.run({ packet }).events)).toEqual([]);
  });

  test.each([false, true])('leaves alone what is too short to tell; preserving: %s', (preserving) => {
    const facts = { node, proxy, preserving };
    using runner = prepare(inInterpreter(hostIn(facts)), facts);
    for (const [packet, headers] of [
      [to4('10.244.1.5', { sourcePort: 1 }), HEADERS.ipv4 + (preserving ? TCP : 0)],
      [to4('10.244.1.5', { sourcePort: 1, options: 12 }), HEADERS.ipv4 + (preserving ? 12 + TCP : 0)],
      // All of a TCP header is read that follows the IPv6 header at once.
      [to6('fd00:1::5', { sourcePort: 1 }), HEADERS.ipv6 + TCP],
      [to6('fd00:1::5', { sourcePort: 1, extensions: HOP_BY_HOP }), HEADERS.ipv6 + (preserving ? 8 + TCP : 0)],
    ] as const) {
      for (let length = 0; length <= packet.length; length++) {
        const { verdict } = runner.run(packet.subarray(0, length));
        expect([length, verdict]).toEqual([length, length < headers ? NEXT : REDIRECT]);
      }
    }
  });

  test('leaves what carries a VLAN tag alone, in the packet and beside it', () => {
    const vm = new Vm(hostIn({ node, proxy, preserving: false }));
    putPod(mapsOf(vm), podCidrs, '10.244.1.5', PODS['10.244.1.5']);
    const packet = to4('10.244.1.5');
    expect(vm.run({ packet }).redirect).toMatchObject({ ifindex: 11 });
    expect(vm.run({ packet, context: { vlan_present: 1, vlan_tci: 0 } }).verdict).toBe(NEXT);
    expect(vm.run({ packet: to4('10.244.1.5', { vlan: 7 }) }).verdict).toBe(NEXT);
  });

  test.each([false, true])(
    'a reset in the name of others, where nobody listens, goes nowhere; preserving: %s',
    (preserving) => {
      const facts = { node, proxy, preserving };
      using runner = prepare(inInterpreter(hostIn(facts)), facts);
      const rst = (source: string, destination: string, sequence: number, flags = 0x14): Uint8Array => {
        const packet = to6(destination, { source, sourcePort: 1, flags });
        new DataView(packet.buffer).setUint32(14 + 40 + 4, sequence);
        return packet;
      };
      const verdicts = [
        rst('fd00:2::1', 'fd00:1::5', 0),
        rst('fd00:2::1', 'fd00:9::1', 0),
        rst('fd00:2::1', 'fd00:1::5', 1),
        rst('fd00:2::1', 'fd00:1::5', 0, 0x10),
        rst('fd00:1::77', 'fd00:1::5', 0),
        rst('fe80::7', 'fd00:1::5', 0),
      ].map((packet) => runner.run(packet).verdict);
      expect(verdicts).toEqual([DROP, DROP, REDIRECT, REDIRECT, REDIRECT, REDIRECT]);
    },
  );

  test('makes packets for a third party, as a bridge has them, packets for the pod', () => {
    const vm = new Vm(hostIn({ node, proxy, preserving: false }));
    putPod(mapsOf(vm), podCidrs, '10.244.1.5', PODS['10.244.1.5']);
    for (const type of [0, 3]) {
      const { context, verdict } = vm.run({ packet: to4('10.244.1.5'), context: { pkt_type: type } });
      expect([verdict, context?.['pkt_type']]).toEqual([REDIRECT, 0]);
    }
    const other = vm.run({ packet: to4('10.96.0.1'), context: { pkt_type: 3 } });
    expect([other.verdict, other.context?.['pkt_type']]).toEqual([NEXT, 3]);
  });
});

describeWith([root], 'ztunnel_host_in in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test.each([false, true])('does the same; preserving: %s', (preserving) => {
    const facts = { node, proxy, preserving };
    for (const tells of [{}, { sample: 1 }, { sample: 1, snapshot: true }]) {
      using runner = prepare(inKernel(sys, hostIn({ ...facts, ...tells })), facts);
      expect(report(runner)).toEqual(wanted(preserving));
    }
  });

  test.each([
    ['no prefix', {}],
    ['IPv4 alone', { ipv4: '10.0.0.0/32' }],
    ['IPv6 alone', { ipv6: 'fd00::/128' }],
  ])('is taken with %s of the node', (_what, prefixes) => {
    for (const preserving of [false, true]) {
      for (const host of [none, HOST]) {
        using runner = inKernel(sys, hostIn({ node: { ...node, host, podCidrs: prefixes }, proxy, preserving }));
        expect(runner.run(to4('10.244.1.5')).verdict).toBe(NEXT);
      }
    }
  });
});
