/** What changes around the engine: reconcile repairs it, or says what it found. */
import { addAddress, addFilter, addLink, deleteAddress, IFA_F, setLink, TC_ACT } from 'netlink-tc';
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { ReconcileReport, RedirectEngine } from '../../packages/ambient-redirect/src/engine/index.ts';
import { Tracer } from '../../packages/netlink-tc/test/hook.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { byProxy, scene, type Scene } from './scene.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const ETH0 = 2;
const NOTHING: ReconcileReport = { repaired: [], removed: [], failed: [] };

/** A scene with both pods enrolled, and nothing to do. */
async function enrolled(attach: 'tcx' | 'clsact'): Promise<{ stage: Scene; engine: RedirectEngine }> {
  const stage = await scene({ attach });
  const engine = await stage.open();
  await engine.enroll(stage.pods('client', 'server'), { established: 'reset' });
  expect(await engine.reconcile()).toEqual(NOTHING);
  return { stage, engine };
}

/** Reconciles twice: the first time it finds this, the second time nothing, and all is as it is wanted. */
async function finds(engine: RedirectEngine, expected: Partial<ReconcileReport>): Promise<void> {
  expect(await engine.reconcile()).toEqual({ ...NOTHING, ...expected });
  expect(await engine.reconcile()).toEqual(NOTHING);
  const { pods } = await engine.status();
  expect(pods.flatMap(({ problems }) => problems)).toEqual([]);
}

const found = (subject: string, what: string): { readonly repaired: ReconcileReport['repaired'] } => ({
  repaired: [{ subject, found: what }],
});

describeWith([root, tool('haproxy'), tool('ip'), tool('tc')], 'changes of the world', () => {
  test('the address and the MAC of a pod change: traffic follows', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { client } = stage.lab;
    const extra = { device: ETH0, address: '10.244.7.77/32', flags: IFA_F.NOPREFIXROUTE };
    await client.socket.request(addAddress(extra));
    const both = '10.244.7.5, 10.244.7.77, fd00:7::5';
    await finds(engine, found('client', `had 10.244.7.5, fd00:7::5, has ${both}`));
    expect((await engine.status()).pods[0]?.addresses).toContain('10.244.7.77');
    await client.socket.request(deleteAddress(extra));
    await finds(engine, found('client', `had ${both}, has 10.244.7.5, fd00:7::5`));
    await client.socket.request(setLink('eth0', { address: '02:00:00:00:77:01' }));
    const { repaired } = await engine.reconcile();
    expect(repaired.map(({ subject }) => subject)).toEqual(['client']);
    await finds(engine, NOTHING);
    expect(await byProxy(stage)).toBe(true);
  });

  test('a pair of links goes, and another gets its index and name: it is another pod', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node, client } = stage.lab;
    await node.exec('ip', 'link', 'del', 'v-client');
    const peer = { name: 'eth0', index: ETH0, netns: { fd: client.netns.fd } };
    await node.socket.request(addLink({ kind: 'veth', name: 'v-other', index: client.hostIndex, up: true, peer }));
    await finds(engine, { removed: ['client'] });
    expect(await node.exec('tc', 'filter', 'show', 'dev', 'v-other', 'ingress')).toBe('');
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['server']);
  });

  test("clsact: our filter is deleted, replaced by another's; the qdisc goes", async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node, client } = stage.lab;
    const place = ['dev', 'v-client', 'ingress', 'protocol', 'all', 'pref', '20000', 'handle', '0x1', 'bpf'];
    await node.exec('tc', 'filter', 'del', ...place);
    await finds(engine, found('client', 'app_outbound was detached by someone else'));
    await node.exec('tc', 'filter', 'del', ...place);
    const options = { fd: new Tracer(stage.sys).program(1, TC_ACT.UNSPEC).fd, name: 'theirs', flags: 1 };
    const theirs = {
      device: client.hostIndex,
      parent: 'ingress',
      kind: 'bpf',
      priority: 20_000,
      handle: 1,
      options,
    } as const;
    await node.socket.request(addFilter(theirs));
    await finds(engine, found('client', 'app_outbound was replaced by someone else'));
    expect(await node.exec('tc', 'filter', 'show', 'dev', 'v-client', 'ingress')).toMatch(
      / theirs [^]* app_outbound | app_outbound [^]* theirs /,
    );
    await node.exec('tc', 'qdisc', 'del', 'dev', 'v-client', 'clsact');
    const gone = ['app_outbound', 'app_inbound'].map((name) => `${name} was detached by someone else`);
    await finds(engine, { repaired: gone.map((each) => ({ subject: 'client', found: each })) });
    expect(await byProxy(stage)).toBe(true);
  });

  test('tcx: our pin is removed, and the link with it', async () => {
    const stage = await scene({ attach: 'tcx' });
    if (lacksTcx(stage.sys)) return;
    const engine = await stage.open();
    await engine.enroll(stage.pods('client', 'server'), { established: 'reset' });
    expect(await engine.reconcile()).toEqual(NOTHING);
    rmSync(`${stage.directory}/v1/links/pod-1-ingress`);
    // The kernel lets go of it some time later.
    await expect.poll(async () => (await engine.status()).pods[0]?.problems.length).toBe(1);
    await finds(engine, found('client', 'app_outbound was detached by someone else'));
    expect(await byProxy(stage)).toBe(true);
  });

  test('the watch does it without being asked', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node } = stage.lab;
    const told: ReconcileReport[] = [];
    const failed: unknown[] = [];
    using watch = engine.watch({ onReconcile: (report) => told.push(report), onError: (error) => failed.push(error) });
    expect(watch).toBeDefined();
    // Its monitor takes a moment to begin.
    await sleep(500);
    await node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'ingress');
    await expect
      .poll(() => told, { timeout: 20_000 })
      .toEqual([{ ...NOTHING, ...found('client', 'app_outbound was detached by someone else') }]);
    expect(await byProxy(stage)).toBe(true);
    await node.exec('ip', 'link', 'del', 'v-client');
    await expect.poll(() => told.at(-1), { timeout: 20_000 }).toEqual({ ...NOTHING, removed: ['client'] });
    expect(failed).toEqual([]);
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['server']);
  });
});
