import { describe, expect, test } from 'vitest';
import { MAX_PODS } from '../maps.ts';
import type { Topology } from '../topology/index.ts';
import type { PodRecord } from './pod-record.ts';
import { Roster } from './roster.ts';

const topology = (
  n: number,
  addresses: Topology['addresses'] = { ipv4: [`10.0.${n >> 8}.${n & 255}`], ipv6: [] },
): Topology => ({
  kind: 'veth',
  hostInterface: { index: 100 + n, name: `v${n}`, mac: '02:00:00:00:00:01' },
  podInterface: { index: 2, name: 'eth0', mac: '02:00:00:00:00:02' },
  addresses,
  netns: { id: n, inode: BigInt(4000 + n) },
  attachment: 'routed',
});
const empty = (): Roster => new Roster(new Map(), { dns: false, first: 'observe' });
const code = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
};

describe('the roster', () => {
  test('gives each pod a slot of its own, from 1, and no more than there are', () => {
    const roster = empty();
    const slots = Array.from({ length: MAX_PODS - 1 }, (_, n) => roster.plan({ id: `pod-${n}` }, topology(n)).pod.slot);
    expect(slots).toEqual(Array.from({ length: MAX_PODS - 1 }, (_, n) => n + 1));
    expect(code(() => roster.plan({ id: 'one more' }, topology(600)))).toBe('ERR_TOO_MANY_PODS');
    expect(roster.plan({ id: 'pod-7' }, topology(7)).before?.slot).toBe(8);
  });

  test('gives the slot of one that is gone again', () => {
    const first = empty().plan({ id: 'a' }, topology(1)).pod;
    const roster = new Roster(new Map([['b', { ...first, id: 'b', slot: 2 }]]), { dns: false, first: 'full' });
    expect(roster.plan({ id: 'c' }, topology(3)).pod).toMatchObject({ slot: 1, mode: 'full', phase: 'enrolling' });
  });

  test('refuses what belongs to another', () => {
    const roster = empty();
    roster.plan({ id: 'a' }, topology(1));
    expect(code(() => roster.plan({ id: 'b' }, topology(1)))).toBe('ERR_POD_EXISTS');
    expect(code(() => roster.plan({ id: 'a' }, topology(2)))).toBe('ERR_POD_EXISTS');
    expect(code(() => roster.plan({ id: 'b' }, topology(2, topology(1).addresses)))).toBe('ERR_ADDRESS_OF_ANOTHER_POD');
    expect(code(() => roster.plan({ id: 'b' }, topology(2, { ipv4: [], ipv6: [] })))).toBe(
      'ERR_ADDRESS_NOT_ON_INTERFACE',
    );
    expect(code(() => roster.plan({ id: 'x'.repeat(254) }, topology(2)))).toBe('ERR_INVALID_ARGUMENT');
  });

  test('one that drains is enrolled anew where it stands; one that is leaving is not', () => {
    const { pod } = empty().plan({ id: 'a' }, topology(1));
    const known = (changes: Partial<PodRecord>): Roster =>
      new Roster(new Map([['a', { ...pod, ...changes }]]), { dns: false, first: 'observe' });
    const again = known({ phase: 'draining', mode: 'drain', drainUntil: 7 }).plan({ id: 'a' }, topology(1));
    expect(again.pod).toEqual({ ...pod, phase: 'enrolling', mode: 'drain' });
    expect(code(() => known({ phase: 'leaving' }).plan({ id: 'a' }, topology(1)))).toBe('ERR_POD_EXISTS');
    const same = known({ phase: 'enrolled', mode: 'full' }).plan({ id: 'a' }, topology(1));
    expect(same.pod).toEqual(same.before);
    const dns = known({ phase: 'enrolled' }).plan({ id: 'a', policy: { dns: true } }, topology(1));
    expect(dns.pod.policy.dns).toBe(true);
  });
});
