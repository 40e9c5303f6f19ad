import { possibleCpus } from 'netlink-tc';
import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { counterIndex, MAX_PODS, POD_FLAG } from '../maps.ts';
import { StateDirectory, type OpenMaps } from './directory.ts';
import { PodMaps } from './pod-maps.ts';
import type { PodRecord } from './pod-record.ts';

const CIDRS = { ipv4: '10.244.1.0/24', ipv6: 'fd00:1::/112' } as const;
const { deliver, guard } = POD_FLAG;

/** A pod with so many of its own things as its maps need. */
function pod(slot: number, ipv4: readonly string[], ipv6: readonly string[] = []): PodRecord {
  const end = { index: 100 + slot, name: `v${slot}`, mac: undefined };
  const rules = {
    includeCidrs: { ipv4: [], ipv6: [] },
    excludeCidrs: { ipv4: [], ipv6: [] },
    includePorts: [],
    excludePorts: [],
  };
  return {
    id: `pod-${slot}`,
    slot,
    phase: 'enrolled',
    mode: 'full',
    kind: 'veth',
    hostInterface: end,
    podInterface: end,
    addresses: { ipv4, ipv6 },
    addressesGiven: false,
    netns: undefined,
    netnsPath: undefined,
    policy: { dns: false, outbound: rules, inbound: rules },
    hooks: {},
  };
}

/** Pods in the array by their index, those in the hash by their address, and slots by their interface. */
function seen({ pod_array: array, pod_hash: hash, interfaces }: OpenMaps): Record<string, unknown> {
  const inArray = [...array.entries()].filter(([, { slot }]) => slot !== 0);
  const inHash = [...hash.entries()].map(([{ address }, value]) => [address, value] as const);
  return Object.fromEntries<unknown>([
    ...inArray,
    ...inHash,
    ...[...interfaces.entries()].map(([index, slot]) => [`interface ${index}`, slot] as const),
  ]);
}

const entry = (slot: number, flags: number): unknown => ({ ifindex: 100 + slot, slot, flags });

describeWith([root], 'pods as programs see them', () => {
  async function state(): Promise<{ maps: OpenMaps; pods: PodMaps }> {
    const sys = await testSys();
    const { maps } = closing(StateDirectory.open(sys, statePath(sys), { create: true }));
    return { maps, pods: new PodMaps(maps) };
  }

  test("in the array by addresses of the node's prefixes, in the hash by all others", async () => {
    const { maps, pods } = await state();
    const [one, two] = [pod(1, ['10.244.1.5', '192.0.2.1'], ['fd00:1::7']), pod(2, ['10.244.1.6'], ['fd00:2::7'])];
    pods.set([one, two], CIDRS, deliver);
    const both = {
      5: entry(1, deliver),
      6: entry(2, deliver),
      [0x1_0007]: entry(1, deliver),
      '::ffff:192.0.2.1': entry(1, deliver),
      'fd00:2::7': entry(2, deliver),
      'interface 101': 1,
      'interface 102': 2,
    };
    expect(seen(maps)).toEqual(both);
    pods.set([one], CIDRS, deliver | guard);
    const guarded = { 5: entry(1, 5), [0x1_0007]: entry(1, 5), '::ffff:192.0.2.1': entry(1, 5) };
    expect(seen(maps)).toEqual({ ...both, ...guarded });
    pods.remove([one], CIDRS);
    const left = { 6: entry(2, deliver), 'fd00:2::7': entry(2, deliver), 'interface 102': 2 };
    expect(seen(maps)).toEqual(left);
    // What is not there is no error.
    pods.remove([one], CIDRS);
    expect(seen(maps)).toEqual(left);
    pods.remove([two], CIDRS);
    expect(seen(maps)).toEqual({});
    pods.set([], CIDRS, deliver);
    expect(seen(maps)).toEqual({});
  });

  test('an address that a pod has no more is forgotten, the others are not touched', async () => {
    const { maps, pods } = await state();
    const before = pod(1, ['10.244.1.5', '10.244.1.6', '192.0.2.1']);
    pods.set([before], CIDRS, deliver);
    pods.forget(before, pod(1, ['10.244.1.6', '192.0.2.9']), CIDRS);
    expect(seen(maps)).toEqual({ 6: entry(1, deliver), 'interface 101': 1 });
  });

  test("the node's prefixes become others: what programs look at no more is taken out", async () => {
    const { maps, pods } = await state();
    const one = pod(1, ['10.244.1.5', '192.0.2.1'], ['fd00:1::7']);
    const now = { ipv4: '192.0.2.0/24', ipv6: CIDRS.ipv6 };
    pods.set([one], CIDRS, deliver);
    pods.set([one], now, deliver);
    pods.move([one], CIDRS, now);
    expect(seen(maps)).toEqual({
      1: entry(1, deliver),
      [0x1_0007]: entry(1, deliver),
      '::ffff:10.244.1.5': entry(1, deliver),
      'interface 101': 1,
    });
    // The array's place of one address may be that of another by now.
    const same = pod(2, ['10.244.1.9', '192.0.2.9']);
    pods.set([same], now, deliver);
    pods.move([same], CIDRS, now);
    expect(seen(maps)).toMatchObject({ 9: entry(2, deliver), '::ffff:10.244.1.9': entry(2, deliver) });
  });

  test("a slot's counters begin at zero, those of its neighbours go on", async () => {
    const { maps, pods } = await state();
    const counts = Array.from({ length: possibleCpus() }, () => ({ packets: 3n, bytes: 7n }));
    const zero = counts.map(() => ({ packets: 0n, bytes: 0n }));
    const last = MAX_PODS - 1;
    const indices = [1, 2, 3, last].flatMap((slot) => [
      counterIndex(slot, 'outbound', 'ipv4', 'captured'),
      counterIndex(slot, 'inbound', 'ipv6', 'spoofed'),
    ]);
    for (const index of indices) maps.counters.update(index, counts);
    pods.resetCounters(2);
    pods.resetCounters(last);
    expect(indices.map((index) => maps.counters.lookup(index))).toEqual(
      [counts, zero, counts, zero].flatMap((each) => [each, each]),
    );
  });
});
