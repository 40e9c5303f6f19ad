import type { Address, Link } from 'netlink-tc';
import { expect, test } from 'vitest';
import { isAmbientRedirectError } from '../error.ts';
import { normaliseAddress, reachable } from './addresses.ts';
import { checkPair, choosePodLink, pairLink } from './choose.ts';
import { settleAddresses } from './resolve.ts';

const HOST = 3;
const link = (fields: Partial<Link> & Pick<Link, 'name'>): Link => ({
  index: 2,
  kind: undefined,
  data: undefined,
  flags: 1,
  up: true,
  operState: 'up',
  mtu: 1500,
  address: '02:00:00:00:00:01',
  broadcast: undefined,
  type: 1,
  master: undefined,
  parent: undefined,
  parentNetnsId: undefined,
  qdisc: undefined,
  txQueueLength: undefined,
  alias: undefined,
  group: 0,
  ...fields,
});
const veth = (name: string, parent: number, parentNetnsId = HOST, index = 2): Link =>
  link({ name, kind: 'veth', parent, parentNetnsId, index });
const lo = link({ name: 'lo', index: 1, type: 772 });
const address = (text: string, fields: Partial<Address> = {}): Address => ({
  device: 2,
  family: text.includes(':') ? 'ipv6' : 'ipv4',
  address: text,
  prefixLength: 24,
  peer: undefined,
  broadcast: undefined,
  scope: 'global',
  flags: 0,
  label: undefined,
  ...fields,
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return isAmbientRedirectError(error) ? error.code : String(error);
  }
  return 'nothing thrown';
}

test('the only pair to the host is the pod’s interface', () => {
  const links = [lo, veth('eth0', 7), veth('other', 8, 9), link({ name: 'dummy', kind: 'dummy' })];
  expect(choosePodLink(links, HOST).name).toBe('eth0');
  expect(choosePodLink([lo, link({ ...veth('eth0', 7), kind: 'netkit' })], HOST).kind).toBe('netkit');
});

test('of several, one is named, or known by its other end', () => {
  const links = [lo, veth('eth0', 7), veth('net1', 8)];
  expect(choosePodLink(links, HOST, { name: 'net1' }).parent).toBe(8);
  expect(choosePodLink(links, HOST, { peer: 7 }).name).toBe('eth0');
  expect(choosePodLink(links, HOST, { name: 'eth0', peer: 7 }).name).toBe('eth0');
});

test.each([
  ['ERR_AMBIGUOUS_INTERFACE', [lo, veth('eth0', 7), veth('net1', 8)], HOST, {}],
  ['ERR_INTERFACE_NOT_FOUND', [lo], undefined, {}],
  ['ERR_INTERFACE_NOT_FOUND', [lo, veth('eth0', 7)], HOST, { name: 'eth1' }],
  ['ERR_NOT_A_VETH', [lo, link({ name: 'eth0', kind: 'macvlan' })], HOST, {}],
  ['ERR_NOT_A_VETH', [lo, link({ name: 'eth0' })], HOST, { name: 'eth0' }],
  ['ERR_PEER_ELSEWHERE', [lo, veth('eth0', 7, 9)], HOST, {}],
  ['ERR_PEER_ELSEWHERE', [lo, veth('eth0', 7, 9)], undefined, {}],
  ['ERR_PEER_ELSEWHERE', [lo, veth('eth0', 7, 9)], HOST, { name: 'eth0' }],
  ['ERR_PEER_ELSEWHERE', [lo, veth('eth0', 7)], HOST, { name: 'eth0', peer: 8 }],
  ['ERR_PEER_ELSEWHERE', [lo, veth('eth0', 7)], HOST, { peer: 8 }],
  ['ERR_PEER_ELSEWHERE', [link({ name: 'a', kind: 'veth', parent: 3 })], HOST, { name: 'a' }],
] as const)('%s', (code, links, hostId, wanted) => {
  expect(codeOf(() => choosePodLink(links, hostId, wanted))).toBe(code);
});

test('two ends that do not know each other are no pair', () => {
  const host = pairLink(veth('v0', 2, 5, 7), 'of the host');
  expect(() => checkPair(host, veth('eth0', 7, HOST, 2), 5)).not.toThrow();
  expect(codeOf(() => checkPair(host, veth('eth0', 7, HOST, 4), 5))).toBe('ERR_PEER_ELSEWHERE');
  expect(codeOf(() => checkPair(host, veth('eth0', 7, HOST, 2), 6))).toBe('ERR_PEER_ELSEWHERE');
});

test('addresses that others can reach', () => {
  const all = [
    address('10.0.0.2'),
    address('10.0.0.1'),
    address('10.0.0.1'),
    address('127.0.0.1', { scope: 'host' }),
    address('fd00::1'),
    address('fe80::1', { scope: 'link' }),
    address('febf::1', { scope: 'link' }),
    // Not of fe80::/10: it is 0fe8::1.
    address('fe8::1'),
    address('fd00::2', { flags: 8 }),
    address('::1', { scope: 'host' }),
  ];
  expect(reachable(all)).toEqual({ ipv4: ['10.0.0.1', '10.0.0.2'], ipv6: ['fd00::1', 'fe8::1'] });
  expect(normaliseAddress('FD00:0::0001')).toBe('fd00::1');
  expect(codeOf(() => normaliseAddress('10.0.0'))).toBe('ERR_INVALID_ARGUMENT');
});

test('given addresses must be there, and be nobody else’s', () => {
  const found = [address('10.0.0.1'), address('fd00::1'), address('fe80::1', { scope: 'link' })];
  const taken = new Map([['fd00::1', 'pod b']]);
  expect(settleAddresses(found, ['FD00::1'], { name: 'eth0' })).toEqual({ ipv4: [], ipv6: ['fd00::1'] });
  expect(settleAddresses(found, ['fe80::1'], { name: 'eth0' })).toEqual({ ipv4: [], ipv6: ['fe80::1'] });
  expect(settleAddresses(found, ['10.0.0.1'], { name: 'eth0', taken })).toEqual({ ipv4: ['10.0.0.1'], ipv6: [] });
  expect(codeOf(() => settleAddresses(found, ['10.0.0.9'], { name: 'eth0' }))).toBe('ERR_ADDRESS_NOT_ON_INTERFACE');
  expect(codeOf(() => settleAddresses(found, undefined, { name: 'eth0', taken }))).toBe('ERR_ADDRESS_OF_ANOTHER_POD');
  expect(codeOf(() => settleAddresses(found, ['x'], { name: 'eth0' }))).toBe('ERR_INVALID_ARGUMENT');
});
