/** Engines of two versions, whose maps are laid out differently, take over from each other while connections come and go. */
import {
  arrayMap,
  hashMap,
  lpmTrieMap,
  lruHashMap,
  percpuArrayMap,
  ringbufMap,
  sockmap,
  struct,
  u16,
  u32,
  u8,
} from 'bpf-asm';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { EngineOptions, RedirectEngine } from '../../packages/ambient-redirect/src/engine/index.ts';
import { AddressKey, CidrKey, Counter, Flow, MAPS } from '../../packages/ambient-redirect/src/maps.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { startLoad, startServer } from '../lifecycle/load.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { POD_CIDR } from '../support/lab.ts';
import { byProxy, scene, type Scene } from './scene.ts';

vi.setConfig({ testTimeout: 180_000, hookTimeout: 60_000 });

// Those that are compiled once for all tests know the maps of one version alone.
vi.unmock('../../packages/ambient-redirect/src/programs/index.ts');

const MAPS_MODULE = '../../packages/ambient-redirect/src/maps.ts';
const Pod = struct('pod', { slot: u16, flags: u16, ifindex: u32 });

/** Fields of a pod at other places, and every map of another size. */
const OTHER = {
  Pod,
  podArray: arrayMap('pod_array', { value: Pod, maxEntries: 0x2_0000 }),
  podHash: hashMap('pod_hash', { key: AddressKey, value: Pod, maxEntries: 4096 }),
  interfaces: hashMap('interfaces', { key: u32, value: u32, maxEntries: 256 }),
  exempt: lruHashMap('exempt', { key: Flow, value: u32, maxEntries: 0x2000 }),
  counters: percpuArrayMap('counters', { value: Counter, maxEntries: 512 << 5 }),
  listeners: sockmap('listeners', { maxEntries: 12 }),
  cidrs: lpmTrieMap('cidrs', { key: CidrKey, value: u8, maxEntries: 0x1000 }),
  events: ringbufMap('events', { size: 0x2_0000 }),
};
const { podArray: pod_array, podHash: pod_hash, interfaces, exempt, counters, listeners, cidrs, events } = OTHER;
const OTHER_MAPS = { ...MAPS, pod_array, pod_hash, interfaces, exempt, counters, listeners, cidrs, events };

/** The engine of another version: the same sources with other maps. */
async function otherEngine(): Promise<typeof RedirectEngine> {
  vi.resetModules();
  vi.doMock(MAPS_MODULE, async (original) => ({ ...(await original<object>()), ...OTHER, MAPS: OTHER_MAPS }));
  onTestFinished(() => void vi.doUnmock(MAPS_MODULE));
  return (await import('../../packages/ambient-redirect/src/engine/index.ts')).RedirectEngine;
}

/** Excluded connections are noted by the programs of both versions. */
const POLICY = {
  outbound: { excludePorts: [7002], excludeCidrs: Array.from({ length: 10 }, (_, i) => `192.0.${i}.0/24`) },
  inbound: { excludePorts: [7002] },
};

/** Ids of the programs that run. */
async function programIds(engine: RedirectEngine): Promise<unknown[]> {
  const { ok, pods, proxy } = await engine.status();
  expect(ok).toBe(true);
  return [...pods.flatMap(({ hooks }) => hooks), proxy?.hostIn].map((hook) => hook?.program?.id);
}

describeWith([root, tool('haproxy')], 'engines of two versions', () => {
  test.each([
    ['tcx', 'sk_lookup'],
    ['clsact', 'tproxy'],
  ] as const)('%s, %s: maps laid out differently are exchanged, and no connection notices', async (attach, steer) => {
    const stage: Scene = await scene({ attach, steer });
    const { sys, lab, directory } = stage;
    if (attach === 'tcx' && lacksTcx(sys)) return;
    await startServer(lab.server);
    const Other = await otherEngine();
    const podCidrs = [POD_CIDR.ipv4, POD_CIDR.ipv6];
    const options: EngineOptions = { directory, host: { path: lab.node.path }, podCidrs, attach, steer };
    const first = await Other.open(options);
    await first.setProxy({ netns: { path: lab.proxy.path }, pid: stage.proxy.pid });
    // Preserving: connections that were open before are noted, too.
    const early = await startLoad(lab.client, lab.server, { workers: 0, bulk: false, lasting: true });
    for (const pod of stage.pods('client', 'server')) await first.enroll({ ...pod, policy: POLICY });
    const load = await startLoad(lab.client, lab.server, { workers: 4 });
    let before = await programIds(first);
    await first.close();
    for (const open of [() => stage.reopen(), () => Other.open(options)]) {
      await sleep(200);
      const next = await open();
      expect(await next.reconcile()).toEqual({ repaired: [], removed: [], failed: [] });
      const after = await programIds(next);
      expect(after.filter((id) => before.includes(id))).toEqual([]);
      before = after;
      await sleep(200);
      await next.close();
    }
    const [report, lasting] = [await load.finish(), await early.finish()];
    console.log(`${attach}, ${steer}: ${JSON.stringify([report, lasting])}`);
    for (const each of [report, lasting]) expect(each).toMatchObject({ broken: 0, slow: 0, failures: [] });
    expect(lasting.exchanges).toBeGreaterThan(2);
    expect(report.connections).toBeGreaterThan(100);
    const last = await stage.reopen();
    expect((await last.status()).ok).toBe(true);
    expect(await byProxy(stage)).toBe(true);
    const { pods } = await last.metrics();
    expect(pods.every(({ traffic }) => traffic.some(({ verdict }) => verdict === 'captured'))).toBe(true);
  });
});
