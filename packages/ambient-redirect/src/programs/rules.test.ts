import { TCP_FLAG } from 'bpf-asm';
import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { ipv4, ipv6, type PacketFacts } from '../../../bpf-asm/test/packets.ts';
import { inInterpreter, inKernel, type Runner } from '../../test/runners.ts';
import { changed, checkTable, FACTS, NO_RULES, PROXY_MAC, withPods, type Row } from '../../test/tables.ts';
import { CidrKey } from '../maps.ts';
import { appInbound } from './app-inbound.ts';
import { appOutbound } from './app-outbound.ts';
import type { AppFacts, DirectionRules } from './facts.ts';
import { prefixKeys, prefixSets } from './prefixes.ts';

/** More prefixes than are compared one by one: 10.0.0.0/24 to 10.0.19.0/24, and as many of IPv6. */
const MANY = {
  ipv4: Array.from({ length: 20 }, (_, i) => `10.0.${i}.0/24`),
  ipv6: Array.from({ length: 20 }, (_, i) => `fd01:0:${(i + 1).toString(16)}::/48`),
};

type Judged = readonly [peer: string, port: number];

const CASES: readonly (readonly [
  what: string,
  rules: Partial<DirectionRules>,
  excluded: readonly Judged[],
  captured: readonly Judged[],
])[] = [
  [
    'prefixes to exclude',
    { excludeCidrs: { ipv4: ['10.8.0.0/13', '10.96.0.1/32'], ipv6: ['fd01::/17'] } },
    [['10.8.0.0', 80], ['10.15.255.255', 80], ['10.96.0.1', 1], ['fd01:7fff::1', 80]],
    [['10.16.0.0', 80], ['10.7.255.255', 80], ['10.96.0.2', 80], ['fd01:8000::', 80]],
  ],
  [
    'many prefixes to exclude',
    { excludeCidrs: MANY },
    [['10.0.0.0', 80], ['10.0.19.255', 80], ['fd01:0:1::', 80], ['fd01:0:14:ffff::', 80]],
    [['10.0.20.0', 80], ['10.1.0.0', 80], ['fd01::1', 80], ['fd01:0:15::', 80]],
  ],
  [
    'prefixes to include',
    { includeCidrs: { ipv4: ['10.8.0.0/13'], ipv6: [] } },
    [['10.16.0.0', 80], ['fd01::1', 80]],
    [['10.8.0.1', 80], ['10.15.0.1', 8080]],
  ],
  [
    'many prefixes to include',
    { includeCidrs: MANY },
    [['10.0.20.0', 80], ['fd01:0:15::', 80]],
    [['10.0.3.4', 80], ['fd01:0:2::1', 80]],
  ],
  [
    'what is included and excluded',
    { includeCidrs: { ipv4: ['0.0.0.0/0'], ipv6: ['::/0'] }, excludeCidrs: { ipv4: ['10.8.0.0/13'], ipv6: [] } },
    [['10.8.0.1', 80]],
    [['10.96.0.1', 80], ['fd01::1', 80]],
  ],
  [
    'ports to exclude',
    { excludePorts: [[0, 10], [443, 443], [8000, 8999], [65000, 65535]] },
    [['10.96.0.1', 0], ['10.96.0.1', 10], ['fd01::1', 443], ['10.96.0.1', 8000], ['10.96.0.1', 8999], ['10.96.0.1', 65535]],
    [['10.96.0.1', 11], ['10.96.0.1', 442], ['fd01::1', 444], ['10.96.0.1', 7999], ['10.96.0.1', 9000], ['10.96.0.1', 64999]],
  ],
  [
    'ports to include',
    { includePorts: [[80, 80], [90, 99]] },
    [['10.96.0.1', 81], ['fd01::1', 89], ['fd01::1', 100]],
    [['10.96.0.1', 80], ['fd01::1', 90], ['10.96.0.1', 99]],
  ],
  [
    'ports and prefixes',
    { includePorts: [[80, 80]], excludeCidrs: { ipv4: ['10.8.0.0/13'], ipv6: [] } },
    [['10.8.0.1', 80], ['10.96.0.1', 81]],
    [['10.96.0.1', 80]],
  ],
]; // prettier-ignore

const POD = { ipv4: '10.244.1.5', ipv6: 'fd00:1::5' };

/** The first segment of a connection with `peer`, as the rules of a direction see it. */
function begin(direction: 'outbound' | 'inbound', [peer, port]: Judged, facts: PacketFacts = {}): Uint8Array {
  const pod = peer.includes(':') ? POD.ipv6 : POD.ipv4;
  const ends = direction === 'outbound' ? { source: pod, destination: peer } : { source: peer, destination: pod };
  return (peer.includes(':') ? ipv6 : ipv4)({ ...ends, sourcePort: 41000, destinationPort: port, ...facts });
}

function tableOf(direction: 'outbound' | 'inbound', excluded: readonly Judged[], captured: readonly Judged[]): Row[] {
  const arrival = { ingressIfindex: 2 };
  const rowOf = (one: Judged, flags: number, reason: 'excluded' | 'captured'): Row => {
    const row: Row = {
      what: `${one.join(' ')}, flags ${flags}`,
      packet: begin(direction, one, { flags }),
      reason,
      arrival,
    };
    return direction === 'inbound' && reason === 'captured' ? changed(row, { start: PROXY_MAC }) : row;
  };
  // The first segment decides, and those after it fare alike.
  const rowsOf = (judged: readonly Judged[], reason: 'excluded' | 'captured'): Row[] =>
    judged.flatMap((one) => [rowOf(one, TCP_FLAG.SYN, reason), rowOf(one, TCP_FLAG.ACK, reason)]);
  return [...rowsOf(excluded, 'excluded'), ...rowsOf(captured, 'captured')];
}

function factsOf(direction: 'outbound' | 'inbound', rules: Partial<DirectionRules>): AppFacts {
  return { ...FACTS, policy: { ...FACTS.policy, [direction]: { ...NO_RULES, ...rules } } };
}

function prepared(runner: Runner, facts: AppFacts): Runner {
  for (const set of prefixSets(facts)) {
    for (const key of prefixKeys(set)) runner.map('cidrs').set(CidrKey.encode(key), Uint8Array.of(1));
  }
  return withPods(runner, facts);
}

const DIRECTIONS = [
  ['outbound', appOutbound],
  ['inbound', appInbound],
] as const;

describe.each(DIRECTIONS)('rules of %s connections in the interpreter', (direction, make) => {
  test.each(CASES)('know %s', (_what, rules, excluded, captured) => {
    const facts = factsOf(direction, rules);
    using runner = prepared(inInterpreter(make(facts)), facts);
    expect(() => checkTable(runner, direction, tableOf(direction, excluded, captured))).not.toThrow();
  });
});

describe('rules', () => {
  test('judge queries one by one', () => {
    const facts = factsOf('outbound', { excludeCidrs: { ipv4: ['10.96.0.10/32'], ipv6: [] } });
    using runner = prepared(inInterpreter(appOutbound(facts)), facts);
    const query = (peer: string): Uint8Array => begin('outbound', [peer, 53], { protocol: 17 });
    const rows: Row[] = [
      { what: 'excluded', packet: query('10.96.0.10'), reason: 'excluded' },
      { what: 'captured', packet: query('10.96.0.11'), reason: 'dns' },
    ];
    expect(() => checkTable(runner, 'outbound', rows)).not.toThrow();
  });

  test('do not see a fragment that has no ports, which is captured', () => {
    const facts = factsOf('outbound', { excludePorts: [[0, 65535]] });
    using runner = prepared(inInterpreter(appOutbound(facts)), facts);
    const rows: Row[] = [
      { what: 'first', packet: begin('outbound', ['10.96.0.1', 80], { fragment: 0x2000 }), reason: 'excluded' },
      { what: 'later', packet: begin('outbound', ['10.96.0.1', 80], { fragment: 9 }), reason: 'captured' },
    ];
    expect(() => checkTable(runner, 'outbound', rows)).not.toThrow();
  });

  test('of the host and of what is bypassed may be many, too', () => {
    const host = { ipv4: MANY.ipv4.map((prefix) => prefix.replace('0/24', '1')), ipv6: FACTS.node.host.ipv6 };
    const facts = { ...FACTS, node: { ...FACTS.node, host, bypass: MANY } };
    expect(prefixSets(facts).map(({ prefixes }) => prefixes.length)).toEqual([20, 20, 20]);
    using runner = prepared(inInterpreter(appOutbound(facts)), facts);
    const rows: Row[] = [
      { what: 'to the host', packet: begin('outbound', ['10.0.3.1', 80]), reason: 'host' },
      { what: 'bypassed', packet: begin('outbound', ['10.0.3.2', 80]), reason: 'bypassed' },
      { what: 'bypassed, IPv6', packet: begin('outbound', ['fd01:0:3::2', 80]), reason: 'bypassed' },
      { what: 'captured', packet: begin('outbound', ['10.0.20.1', 80]), reason: 'captured' },
    ];
    expect(() => checkTable(runner, 'outbound', rows)).not.toThrow();
  });

  test('that are the same share a set, whatever their order', () => {
    const setsOf = (prefixes: readonly string[]): readonly number[] =>
      prefixSets(factsOf('inbound', { excludeCidrs: { ipv4: prefixes, ipv6: [] } })).map(({ set }) => set);
    const [first] = setsOf(MANY.ipv4);
    expect(setsOf([...MANY.ipv4, '10.0.0.0/24'].toReversed())).toEqual([first]);
    expect(setsOf(MANY.ipv4.slice(1))).not.toEqual([first]);
    expect(setsOf(MANY.ipv4.slice(0, 8))).toEqual([]);
  });
});

describeWith([root], 'rules in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test.each(
    DIRECTIONS.flatMap(([direction, make]) => CASES.map(([what, ...judged]) => ({ what, direction, make, judged }))),
  )('judge alike: $what, $direction', ({ direction, make, judged: [rules, excluded, captured] }) => {
    const facts = factsOf(direction, rules);
    using runner = prepared(inKernel(sys, make(facts)), facts);
    expect(() => checkTable(runner, direction, tableOf(direction, excluded, captured))).not.toThrow();
  });
});
