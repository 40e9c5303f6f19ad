import { IPPROTO_ICMP, IPPROTO_UDP, Vm, VmSocket, type Program, type SocketQuery } from 'bpf-asm';
import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { frame, ipv4, ipv6, type PacketFacts } from '../../../bpf-asm/test/packets.ts';
import { inKernel } from '../../test/runners.ts';
import { proxyCounters, STEERED } from '../maps.ts';
import { DEFAULT_PORTS } from '../ports.ts';
import type { TproxyFacts } from './facts.ts';
import { tproxy } from './tproxy.ts';

const [NEXT, DROP] = [-1, 2];
const TAGS = { outbound: '02:11:22:33:44:55', inbound: '06:11:22:33:44:55' } as const;
const OWN = { 4: '10.244.1.7', 6: 'fd00:1::7' } as const;
const FACTS: TproxyFacts = {
  ports: DEFAULT_PORTS,
  proxy: { addresses: { ipv4: [OWN[4]], ipv6: [OWN[6]] } },
  tags: TAGS,
  dns: true,
  mark: { value: 0x400, mask: 0xfff },
};
const MARK_BEFORE = 0xab123;
const MARK_AFTER = 0xab400;

/** `TCP_ESTABLISHED`, `TCP_TIME_WAIT`, `TCP_LISTEN`. */
const [ESTABLISHED, TIME_WAIT, LISTEN] = [1, 6, 10];

const BY_PORT: Readonly<Record<number, string>> = {
  15001: 'outbound',
  15008: 'hbone',
  15006: 'plaintext',
  15053: 'dns',
};

/** The client's ports of connections that the proxy has, or has just had. */
const CONNECTED = 5000;
const ENDED = 5001;

/** Sockets as the proxy's namespace has them. Its listeners take every address, and it has one more, on port 15021, that is no business of the mesh's. */
function findSocket({
  helper,
  family,
  source,
  destination,
  sourcePort,
  destinationPort,
}: SocketQuery): VmSocket | undefined {
  const isAny = [...source, ...destination, sourcePort].every((each) => each === 0);
  if (helper === 'sk_lookup_udp') {
    return isAny && destinationPort === 15053
      ? new VmSocket(`udp dns ${family}`, { state: 7, protocol: IPPROTO_UDP })
      : undefined;
  }
  if (sourcePort === CONNECTED) return new VmSocket('connected', { state: ESTABLISHED });
  if (sourcePort === ENDED) return new VmSocket('ended', { state: TIME_WAIT });
  const purpose = BY_PORT[destinationPort] ?? (destinationPort === 15021 ? 'health' : undefined);
  return purpose === undefined ? undefined : new VmSocket(`${purpose} ${family}`, { state: LISTEN });
}

/** A packet that was captured on its way out of a pod, or into one; or with a source MAC of its own. */
function tagged(packet: Uint8Array, tag: string): Uint8Array {
  const copy = packet.slice();
  copy.set(
    tag.split(':').map((byte) => Number.parseInt(byte, 16)),
    6,
  );
  return copy;
}

type Chosen = readonly [socket: string, counted: keyof typeof STEERED] | 'next';
type Way = 'out' | 'in' | 'untagged';
type Row = readonly [what: string, way: Way, facts: PacketFacts, chosen: Chosen];
const MAC: Readonly<Record<Way, string>> = { out: TAGS.outbound, in: TAGS.inbound, untagged: '02:11:22:33:44:56' };
const udp = { protocol: IPPROTO_UDP };

/** Packets of either family; `4` and `6` stand behind a listener's name. */
const ROWS: readonly Row[] = [
  ['a pod connects', 'out', {}, ['outbound', 'outbound']],
  ['a pod connects to the HBONE port', 'out', { destinationPort: 15008 }, ['outbound', 'outbound']],
  ['someone connects to a pod', 'in', {}, ['plaintext', 'plaintext']],
  ['another proxy connects', 'in', { destinationPort: 15008 }, ['hbone', 'hbone']],
  ['a pod asks by TCP', 'out', { destinationPort: 53 }, ['dns', 'dns']],
  ['someone asks a pod by TCP', 'in', { destinationPort: 53 }, ['plaintext', 'plaintext']],
  ['a pod asks', 'out', { ...udp, destinationPort: 53 }, ['udp dns', 'dns']],
  ['a pod asks, from a port that is connected', 'out', { ...udp, sourcePort: CONNECTED, destinationPort: 53 }, ['udp dns', 'dns']],
  ['other UDP of a pod', 'out', udp, 'next'],
  ['UDP on its way in', 'in', { ...udp, destinationPort: 53 }, 'next'],
  ['of a connection, out', 'out', { sourcePort: CONNECTED }, ['connected', 'established']],
  ['of a connection, in', 'in', { sourcePort: CONNECTED }, ['connected', 'established']],
  ['of a connection to port 53', 'out', { sourcePort: CONNECTED, destinationPort: 53 }, ['connected', 'established']],
  ['a port that is used again too early', 'out', { sourcePort: ENDED }, ['ended', 'established']],
  ['a port that the proxy listens on for itself', 'out', { destinationPort: 15021 }, ['outbound', 'outbound']],
  ["the port of another of the proxy's listeners", 'out', { destinationPort: 15006 }, ['outbound', 'outbound']],
  ['ICMP', 'in', { protocol: IPPROTO_ICMP }, 'next'],
  ['what was not captured', 'untagged', {}, 'next'],
  ['of a connection, and not captured', 'untagged', { sourcePort: CONNECTED }, 'next'],
]; // prettier-ignore

const FAMILIES = [
  [4, ipv4],
  [6, ipv6],
] as const;

const machine = (program: Program, find = findSocket): Vm => new Vm(program, { findSocket: find });
const indexKey = (what: keyof typeof STEERED): Uint8Array => new Uint8Array(Uint32Array.of(STEERED[what]).buffer);
const counted = (vm: Vm, what: keyof typeof STEERED): number =>
  vm.map(proxyCounters.definition.name).get(indexKey(what))?.[0] ?? Number.NaN;

describe('ztunnel_tproxy', () => {
  test.each(FAMILIES)('gives each packet its socket, and marks what it gives: IPv%i', (version, make) => {
    const vm = machine(tproxy(FACTS));
    const expected: Record<string, number> = Object.fromEntries(Object.keys(STEERED).map((what) => [what, 0]));
    for (const [what, way, facts, chosen] of ROWS) {
      const { verdict, assignedSocket, context } = vm.run({
        packet: tagged(make(facts), MAC[way]),
        context: { mark: MARK_BEFORE },
      });
      const [name, counter] = chosen === 'next' ? [] : chosen;
      if (counter !== undefined) expected[counter] = (expected[counter] ?? 0) + 1;
      const socket = name === undefined || name === 'connected' || name === 'ended' ? name : `${name} ${version}`;
      const mark = name === undefined ? MARK_BEFORE : MARK_AFTER;
      expect([what, verdict, assignedSocket?.name, context?.['mark']]).toEqual([what, NEXT, socket, mark]);
    }
    for (const [what, times] of Object.entries(expected)) {
      expect([what, counted(vm, what as keyof typeof STEERED)]).toEqual([what, times]);
    }
  });

  test.each(FAMILIES)('asks for the connection as it is, and for listeners of any address: IPv%i', (_version, make) => {
    const asked: SocketQuery[] = [];
    const vm = machine(tproxy(FACTS), (query) => {
      asked.push(query);
      return undefined;
    });
    const packet = tagged(make({ sourcePort: 1234, destinationPort: 80 }), TAGS.outbound);
    expect(vm.run({ packet }).verdict).toBe(DROP);
    const size = packet[12] === 0x08 ? 4 : 16;
    const at = size === 4 ? 14 + 12 : 14 + 8;
    expect(asked).toMatchObject([
      {
        helper: 'skc_lookup_tcp',
        source: packet.slice(at, at + size),
        destination: packet.slice(at + size, at + 2 * size),
        sourcePort: 1234,
        destinationPort: 80,
        netns: -1n,
      },
      { source: new Uint8Array(size), destination: new Uint8Array(size), sourcePort: 0, destinationPort: 15001 },
    ]);
  });

  test.each(FAMILIES)("leaves alone what is for the proxy's own address: IPv%i", (version, make) => {
    const vm = machine(tproxy(FACTS), () => undefined);
    const packet = tagged(make({ destination: OWN[version] }), TAGS.outbound);
    const { verdict, context } = vm.run({ packet, context: { mark: MARK_BEFORE } });
    expect([verdict, context?.['mark']]).toEqual([NEXT, MARK_BEFORE]);
  });

  test.each(FAMILIES)('drops what was captured and finds no socket: IPv%i', (_version, make) => {
    const vm = machine(tproxy(FACTS), () => undefined);
    let dropped = 0;
    for (const [what, way, facts, chosen] of ROWS) {
      const { verdict } = vm.run({ packet: tagged(make(facts), MAC[way]), context: { mark: MARK_BEFORE } });
      expect([what, verdict]).toEqual([what, chosen === 'next' ? NEXT : DROP]);
      dropped += Number(chosen !== 'next');
    }
    expect(counted(vm, 'noListener')).toBe(dropped);
  });

  test('drops what its socket does not take', () => {
    const refusing = new Vm(tproxy(FACTS), { findSocket, helpers: { sk_assign: () => -94 } });
    const packet = tagged(ipv4(), TAGS.outbound);
    const { verdict, context } = refusing.run({ packet, context: { mark: MARK_BEFORE } });
    expect([verdict, context?.['mark']]).toEqual([DROP, MARK_BEFORE]);
    expect(counted(refusing, 'wrongFamily')).toBe(1);
  });

  test.each(FAMILIES)('without DNS capture, queries are like all else: IPv%i', (version, make) => {
    const vm = machine(tproxy({ ...FACTS, dns: false }));
    const run = (facts: PacketFacts): string | undefined =>
      vm.run({ packet: tagged(make(facts), TAGS.outbound) }).assignedSocket?.name;
    expect(run({ destinationPort: 53 })).toBe(`outbound ${version}`);
    expect(run({ ...udp, destinationPort: 53 })).toBeUndefined();
  });

  test('looks behind options and extension headers, and leaves fragments without ports to the stack', () => {
    const vm = machine(tproxy(FACTS));
    const run = (packet: Uint8Array): string | number => {
      const { verdict, assignedSocket } = vm.run({ packet: tagged(packet, TAGS.inbound) });
      return assignedSocket?.name ?? verdict;
    };
    expect(run(ipv4({ options: 40, destinationPort: 15008 }))).toBe('hbone 4');
    expect(run(ipv6({ extensions: [[0, [0, 0, 1, 4, 0, 0, 0, 0]]], destinationPort: 15008 }))).toBe('hbone 6');
    expect(run(ipv4({ fragment: 0x2000, destinationPort: 15008 }))).toBe('hbone 4');
    expect(run(ipv4({ fragment: 0x2001 }))).toBe(NEXT);
    expect(run(ipv6({ extensions: [[44, [0, 0, 1, 0, 0, 0, 0, 1]]] }))).toBe(NEXT);
  });

  test('lets pass what is no IP, or has a VLAN tag', () => {
    const vm = machine(tproxy(FACTS));
    expect(vm.run({ packet: tagged(frame(0x0806, new Uint8Array(28)), TAGS.outbound) }).verdict).toBe(NEXT);
    expect(vm.run({ packet: tagged(ipv4({ vlan: 5 }), TAGS.outbound) }).verdict).toBe(NEXT);
    const beside = vm.run({ packet: tagged(ipv4(), TAGS.outbound), context: { vlan_present: 1 } });
    expect([beside.verdict, beside.assignedSocket]).toEqual([NEXT, undefined]);
  });

  test('what was captured and is cut short is dropped, whatever is left of it', () => {
    const vm = machine(tproxy(FACTS));
    for (const [packet, ports] of [
      [ipv4(), 38],
      [ipv4({ options: 8 }), 46],
      [ipv6(), 58],
      [ipv6({ extensions: [[0, [0, 0, 1, 4, 0, 0, 0, 0]]] }), 66],
      [ipv4({ ...udp, destinationPort: 53 }), 38],
    ] as const) {
      const whole = tagged(packet, TAGS.outbound);
      for (let length = 0; length <= whole.length; length++) {
        const { verdict, assignedSocket } = vm.run({ packet: whole.subarray(0, length) });
        const expected = length < 14 ? NEXT : length < ports ? DROP : NEXT;
        expect([length, verdict, assignedSocket !== undefined]).toEqual([length, expected, length >= ports]);
      }
    }
  });
});

describeWith([root], 'ztunnel_tproxy in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  // A test run is in a namespace where nothing listens on these ports for every address.
  test.each([true, false])('is taken, and lets pass and drops the same; DNS: %s', (dns) => {
    const program = tproxy({ ...FACTS, dns });
    using runner = inKernel(sys, program);
    const alone = machine(program, () => undefined);
    for (const [, make] of FAMILIES) {
      for (const [what, way, facts] of ROWS) {
        const packet = tagged(make(facts), MAC[way]);
        expect([what, runner.run(packet).verdict]).toEqual([what, alone.run({ packet }).verdict]);
      }
    }
  });
});
