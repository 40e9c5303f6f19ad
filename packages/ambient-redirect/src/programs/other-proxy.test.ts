import { TCP_FLAG, VmSocket, type SocketQuery } from 'bpf-asm';
import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { ipv4, ipv6, type PacketFacts } from '../../../bpf-asm/test/packets.ts';
import { inInterpreter, inKernel, type Outcome } from '../../test/runners.ts';
import { FACTS, PROXY, REDIRECT, withPods } from '../../test/tables.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import type { AppFacts, CaptureMode } from './facts.ts';

const NETNS_ID = 5;
const OTHER = {
  ifindex: 8888,
  mac: '02:00:00:00:00:88',
  tags: { outbound: '06:00:00:00:00:81', inbound: '06:00:00:00:00:82' },
  netnsId: NETNS_ID,
};
const TAGS = { outbound: '06:00:00:00:00:71', inbound: '06:00:00:00:00:72' };
const facts = (mode: CaptureMode = 'full'): AppFacts => ({
  ...FACTS,
  mode,
  proxy: { ...PROXY, tags: TAGS, other: OTHER },
});

/** `TCP_ESTABLISHED`, `TCP_SYN_SENT`, `TCP_TIME_WAIT`, `TCP_LISTEN`, `TCP_NEW_SYN_RECV` (`include/net/tcp_states.h`). */
const STATES = { established: 1, synSent: 2, timeWait: 6, listen: 10, synReceived: 12 } as const;

/** What the other proxy has, by the port of the other side. */
const PORTS = new Map(Object.keys(STATES).map((state, at) => [6000 + at, state as keyof typeof STATES]));
const portOf = (state: keyof typeof STATES | 'none'): number =>
  [...PORTS].find(([, known]) => known === state)?.[0] ?? 5999;

function findSocket({ helper, netns, sourcePort, destinationPort }: SocketQuery): VmSocket | undefined {
  if (helper !== 'skc_lookup_tcp' || netns !== BigInt(NETNS_ID)) throw new Error(`${helper} in ${netns}`);
  const state = PORTS.get(sourcePort) ?? PORTS.get(destinationPort);
  return state === undefined ? undefined : new VmSocket(state, { state: STATES[state] });
}

const SYN = TCP_FLAG.SYN;
const ROWS = [
  ['a segment of a connection', 'established', TCP_FLAG.ACK, 'other'],
  ['the answer to what it has begun', 'synSent', SYN | TCP_FLAG.ACK, 'other'],
  ['what ends a handshake with it', 'synReceived', TCP_FLAG.ACK, 'other'],
  ['a SYN that it has not answered yet, again', 'synReceived', SYN, 'other'],
  ['a last segment of what has ended', 'timeWait', TCP_FLAG.FIN | TCP_FLAG.ACK, 'other'],
  ['a new connection by the ports of one that has ended', 'timeWait', SYN, 'now'],
  ['a new connection', 'none', SYN, 'now'],
  ['a new connection to where it listens', 'listen', SYN, 'now'],
  ['a segment of a connection of the new one', 'none', TCP_FLAG.ACK, 'now'],
] as const;

const FAMILIES = [
  ['IPv4', ipv4, '10.244.1.5', '203.0.113.9'],
  ['IPv6', ipv6, 'fd00:1::5', '2001:db8::9'],
] as const;

/** By which proxy's tag a packet is marked. */
function takenBy({ verdict, packet }: Outcome): string {
  const mac = (at: number): string => Buffer.from(packet.subarray(at, at + 6)).toString('hex');
  const last = mac(6).slice(-2);
  const known: Readonly<Record<string, string>> = { '71': 'now', '72': 'now', '81': 'other', '82': 'other' };
  // On its way in a packet is for the proxy's own address.
  const to = last.endsWith('2') ? { now: '020000000077', other: '020000000088' }[known[last] ?? ''] : mac(0);
  return verdict === REDIRECT && to === mac(0) ? (known[last] ?? last) : `${verdict}`;
}

describe.each(FAMILIES)('the other proxy, %s', (_, make, pod, stranger) => {
  const leaves = (more: PacketFacts): Uint8Array => make({ source: pod, ...more });
  const arrives = (more: PacketFacts): Uint8Array => make({ source: stranger, destination: pod, ...more });

  test.each(['full', 'preserve'] as const)('gets what is of its connections, and nothing else: %s', (mode) => {
    const out = withPods(inInterpreter(appOutbound(facts(mode)), { findSocket }), FACTS);
    const into = withPods(inInterpreter(appInbound(facts(mode)), { findSocket }), FACTS);
    for (const [what, state, flags, expected] of ROWS) {
      const port = portOf(state);
      expect([what, takenBy(out.run(leaves({ destinationPort: port, flags })))]).toEqual([what, expected]);
      expect([what, takenBy(into.run(arrives({ sourcePort: port, flags })))]).toEqual([what, expected]);
    }
  });

  test('is asked as the packet has it, of the namespace that it is in', () => {
    const asked: SocketQuery[] = [];
    const note = (query: SocketQuery): undefined => void asked.push(query);
    using out = withPods(inInterpreter(appOutbound(facts()), { findSocket: note }), FACTS);
    const packet = leaves({ sourcePort: 1234, destinationPort: 80, flags: TCP_FLAG.ACK });
    out.run(packet);
    const size = make === ipv4 ? 4 : 16;
    const at = 14 + (make === ipv4 ? 12 : 8);
    expect(asked).toMatchObject([
      {
        source: packet.slice(at, at + size),
        destination: packet.slice(at + size, at + 2 * size),
        sourcePort: 1234,
        destinationPort: 80,
        netns: BigInt(NETNS_ID),
      },
    ]);
  });

  test('what it sends is a proxy’s own, like what the new one sends', () => {
    using into = withPods(inInterpreter(appInbound(facts()), { findSocket }), FACTS);
    for (const ingressIfindex of [PROXY.ifindex, OTHER.ifindex]) {
      expect(into.run(arrives({ flags: SYN }), { ingressIfindex }).verdict).toBe(-1);
    }
    expect(into.run(arrives({ flags: SYN }), { ingressIfindex: 9999 }).verdict).toBe(REDIRECT);
  });
});

describeWith([root], 'the other proxy, in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  // No namespace has this number here: nothing is found, and all goes to the new one.
  test.each([appOutbound, appInbound])('the programs are taken: %o', (program) => {
    for (const mode of ['observe', 'drain', 'preserve', 'full'] as const) {
      using runner = withPods(inKernel(sys, program(facts(mode))), FACTS);
      for (const [, make, pod, stranger] of FAMILIES) {
        const way = program === appOutbound ? { source: pod } : { source: stranger, destination: pod };
        const outcome = runner.run(make({ ...way, flags: TCP_FLAG.ACK }));
        expect(mode === 'observe' ? outcome.verdict : takenBy(outcome)).toBe(mode === 'observe' ? -1 : 'now');
      }
    }
  });
});
