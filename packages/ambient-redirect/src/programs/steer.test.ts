import { IPPROTO_UDP } from 'bpf-asm';
import { familyOf, openSys, type Sys } from 'netlink-tc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import {
  fillAll,
  KernelSteering,
  ListeningSockets,
  nameOf,
  PROXY_IFINDEX,
  steeringInInterpreter,
  type Connection,
  type Steering,
} from '../../test/steering.ts';
import { LISTENER, STEERED } from '../maps.ts';
import type { SteerFacts } from './facts.ts';
import { steer } from './steer.ts';

const none = { ipv4: [], ipv6: [] };
const podCidrs = { ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' };
const PROXY = { ifindex: PROXY_IFINDEX, addresses: { ipv4: ['10.244.1.9', '10.244.1.10'], ipv6: ['fd00:1::9'] } };
const FACTS: SteerFacts = {
  node: { podCidrs, host: none, bypass: none },
  proxy: PROXY,
  hbone: 15008,
  dns: true,
  handover: false,
  bank: 0,
};

type Chosen = keyof typeof LISTENER | 'the usual' | 'refused';

const udp = { protocol: IPPROTO_UDP };

type Row = readonly [what: string, connection: Connection, chosen: Chosen, withoutDns?: Chosen];

/** Connections, and what gets them with DNS capture and without. */
const ROWS: readonly Row[] = [
  ['a pod connects', { from: '10.244.1.5', to: '10.96.0.1', port: 80 }, 'outbound'],
  ['a pod connects over IPv6', { from: 'fd00:1::5', to: 'fd00:2::1', port: 80 }, 'outbound'],
  ['a pod of other addresses connects', { from: '192.168.9.9', to: '10.96.0.1', port: 80 }, 'outbound'],
  ['a pod connects to the HBONE port of another', { from: '10.244.1.5', to: '10.244.1.6', port: 15008 }, 'outbound'],
  ['a pod asks by TCP', { from: '10.244.1.5', to: '10.96.0.10', port: 53 }, 'dnsTcp', 'outbound'],
  ['a pod asks by TCP over IPv6', { from: 'fd00:1::5', to: 'fd00:2::10', port: 53 }, 'dnsTcp', 'outbound'],
  ['a pod asks', { from: '10.244.1.5', to: '10.96.0.10', port: 53, ...udp }, 'dnsUdp', 'the usual'],
  ['a pod asks over IPv6', { from: 'fd00:1::5', to: 'fd00:2::10', port: 53, ...udp }, 'dnsUdp', 'the usual'],
  ['a pod that drains asks', { from: '10.244.1.6', to: '10.96.0.10', port: 53, ...udp }, 'dnsUdp', 'the usual'],
  ['other UDP of a pod', { from: '10.244.1.5', to: '10.96.0.10', port: 54, ...udp }, 'the usual'],
  ['UDP of no pod', { from: '10.9.0.1', to: '10.244.1.5', port: 53, ...udp }, 'the usual'],
  ['someone connects to a pod', { from: '10.9.0.1', to: '10.244.1.5', port: 80 }, 'plaintext'],
  ['someone connects to a pod over IPv6', { from: 'fd00:3::1', to: 'fd00:1::5', port: 80 }, 'plaintext'],
  ['someone asks a pod by TCP', { from: '10.9.0.1', to: '10.244.1.5', port: 53 }, 'plaintext'],
  ['another proxy connects', { from: '10.9.0.1', to: '10.244.1.5', port: 15008 }, 'hbone'],
  ['another proxy connects over IPv6', { from: 'fd00:3::1', to: 'fd00:1::5', port: 15008 }, 'hbone'],
  ['a pod that drains connects', { from: '10.244.1.6', to: '10.244.1.5', port: 80 }, 'plaintext'],
  ['a pod that drains connects over IPv6', { from: 'fd00:1::6', to: 'fd00:1::5', port: 80 }, 'plaintext'],
  ['an address of the prefix that is no pod', { from: '10.244.1.7', to: '10.244.1.5', port: 80 }, 'plaintext'],
  ["the proxy's own address", { from: '10.244.1.5', to: '10.244.1.9', port: 80 }, 'the usual'],
  ["the proxy's other address", { from: '10.9.0.1', to: '10.244.1.10', port: 15008 }, 'the usual'],
  ["the proxy's own IPv6 address", { from: 'fd00:1::5', to: 'fd00:1::9', port: 80 }, 'the usual'],
  ['its link-local address', { from: 'fe80::5', to: 'fe80::9', port: 80 }, 'the usual'],
  ['from another interface', { from: '10.244.1.5', to: '10.96.0.1', port: 80, ifindex: 1 }, 'the usual'],
]; // prettier-ignore

const COUNTED: Readonly<Record<keyof typeof LISTENER, keyof typeof STEERED>> = {
  outbound: 'outbound',
  hbone: 'hbone',
  plaintext: 'plaintext',
  dnsTcp: 'dns',
  dnsUdp: 'dns',
};
/** What all rows come to, and what is counted of it. */
interface Report {
  readonly rows: readonly (readonly [what: string, chosen: string])[];
  readonly counted: Readonly<Record<string, number>>;
}

const countedOf = (steering: Steering): Record<string, number> =>
  Object.fromEntries(Object.keys(STEERED).map((what) => [what, steering.counted(what as keyof typeof STEERED)]));

function report(steering: Steering, rows: readonly Row[]): Report {
  const chosen = rows.map(([what, connection]) => [what, steering.choose(connection)] as const);
  return { rows: chosen, counted: countedOf(steering) };
}

/** @param empty - the listeners are not there. */
function wanted(all: readonly Row[], dns: boolean, empty = false): Report {
  const counted: Record<string, number> = Object.fromEntries(Object.keys(STEERED).map((what) => [what, 0]));
  const count = (what: string): void => {
    counted[what] = (counted[what] ?? 0) + 1;
  };
  const rows = all.map(([what, { from }, withDns, without = withDns]): readonly [string, string] => {
    const chosen = dns ? withDns : without;
    if (chosen === 'the usual' || chosen === 'refused') return [what, chosen];
    count(empty ? 'noListener' : COUNTED[chosen]);
    return [what, empty ? 'refused' : nameOf(chosen, familyOf(from))];
  });
  return { rows, counted };
}

const VARIANTS = [true, false].flatMap((dns) => [true, false].map((handover) => ({ dns, handover })));

/** What holds in the interpreter and in the kernel. */
function steers(make: (facts: SteerFacts) => Steering, rows: readonly Row[]): void {
  test.each(VARIANTS)('gives each connection its listener: %j', (variant) => {
    using steering = fillAll(make({ ...FACTS, ...variant }));
    expect(report(steering, rows)).toEqual(wanted(rows, variant.dns));
  });

  test('refuses all that it would have steered while slots are empty', () => {
    using steering = make(FACTS);
    expect(report(steering, rows)).toEqual(wanted(rows, true, true));
    fillAll(steering);
    for (let slot = 0; slot < 10; slot++) steering.fill(slot, undefined);
    expect(report(steering, rows).rows).toEqual(wanted(rows, true, true).rows);
  });

  test('refuses a connection of a family that its listener does not take', () => {
    using steering = fillAll(make(FACTS));
    steering.fill(LISTENER.outbound + 1, nameOf('outbound', 'ipv4'));
    steering.fill(LISTENER.outbound, nameOf('outbound', 'ipv6'));
    expect(steering.choose({ from: 'fd00:1::5', to: 'fd00:2::1', port: 80 })).toBe('refused');
    expect(countedOf(steering)).toMatchObject({ wrongFamily: 1, outbound: 0, noListener: 0 });
  });

  test('counts TCP connections for their pods: callers that are captured, else who is called', () => {
    using steering = fillAll(make(FACTS));
    const to = { to: '10.244.1.5', port: 80 };
    for (const connection of [
      { from: '10.244.1.5', to: '10.96.0.1', port: 80 },
      { from: '10.244.1.5', to: '10.96.0.1', port: 53 },
      { from: '10.244.1.5', to: '10.96.0.1', port: 53, protocol: IPPROTO_UDP },
      { from: '192.168.9.9', to: '10.244.1.5', port: 80 },
      { from: '10.9.0.1', ...to },
      { from: '10.244.1.6', ...to, port: 15008 },
      { from: '10.9.0.1', to: '10.9.0.2', port: 80 },
      { from: '10.244.1.5', to: '10.244.1.9', port: 80 },
      { from: 'fd00:1::5', to: 'fd00:2::1', port: 80 },
      { from: 'fd00:3::1', to: 'fd00:1::5', port: 80 },
      { from: 'fd00:3::1', to: 'fd00:1::5', port: 80 },
    ])
      steering.choose(connection);
    const ofSlot = (slot: number): number[] =>
      (['outbound', 'inbound'] as const).flatMap((direction) =>
        (['ipv4', 'ipv6'] as const).map((family) => steering.connections(slot, direction, family)),
      );
    expect([0, 1, 2, 3].map(ofSlot)).toEqual([
      [0, 0, 1, 0],
      [2, 1, 2, 2],
      [1, 0, 0, 0],
      [0, 0, 0, 0],
    ]);
    steering.fill(LISTENER.outbound, undefined);
    expect(steering.choose({ from: '10.244.1.5', to: '10.96.0.1', port: 80 })).toBe('refused');
    expect(ofSlot(1)).toEqual([2, 1, 2, 2]);
  });

  test.each([{}, { ipv4: podCidrs.ipv4 }, { ipv6: podCidrs.ipv6 }, { ipv4: '10.244.1.6/32', ipv6: 'fd00:1::5/128' }])(
    'wherever pods are looked up: %j',
    (prefixes) => {
      using steering = fillAll(make({ ...FACTS, node: { ...FACTS.node, podCidrs: prefixes } }));
      expect(report(steering, rows)).toEqual(wanted(rows, true));
    },
  );
}

describe('ztunnel_steer in the interpreter', () => {
  steers((facts) => steeringInInterpreter(steer(facts), facts.node.podCidrs), ROWS);
});

describeWith([root], 'ztunnel_steer in the kernel', () => {
  let sys: Sys;
  let sockets: ListeningSockets;
  beforeAll(async () => {
    sys = await openSys();
    sockets = new ListeningSockets(sys);
  });
  afterAll(() => sockets[Symbol.dispose]());

  steers(
    (facts) => {
      const program = steer({ ...facts, proxy: { ...facts.proxy, ifindex: 0 } });
      return new KernelSteering(sys, program, facts.node.podCidrs, sockets);
    },
    ROWS.filter(([, { ifindex }]) => ifindex === undefined),
  );
});
