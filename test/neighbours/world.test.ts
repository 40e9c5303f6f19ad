/** What changes around the engine: reconcile repairs it, or says what it found. */
import {
  addAddress,
  addFilter,
  addLink,
  createAnonymousNetns,
  deleteAddress,
  IFA_F,
  NetlinkSocket,
  openPinnedLink,
  setLink,
  TC_ACT,
} from 'netlink-tc';
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import type { ReconcileReport, RedirectEngine } from '../../packages/ambient-redirect/src/engine/index.ts';
import { Tracer } from '../../packages/netlink-tc/test/hook.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { byProxy, scene, type Scene } from './scene.ts';

vi.setConfig({ testTimeout: 120_000 * SLOWNESS, hookTimeout: 60_000 * SLOWNESS });

const ETH0 = 2;
const NOTHING: ReconcileReport = { repaired: [], removed: [], failed: [] };

/** A scene with both pods enrolled, and nothing to do. */
async function enrolled(attach: 'tcx' | 'clsact', isLost = false): Promise<{ stage: Scene; engine: RedirectEngine }> {
  const stage = await scene({ attach }, { isLost });
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

  test('a pair of links goes, and another pod gets its index and name', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node, outsider } = stage.lab;
    await node.exec('ip', 'link', 'del', 'v-client');
    const peer = { name: 'eth1', index: 3, netns: { fd: outsider.netns.fd } };
    const index = stage.lab.client.hostIndex;
    await node.socket.request(addLink({ kind: 'veth', name: 'v-client', index, up: true, peer }));
    await finds(engine, { removed: ['client'] });
    expect(await node.exec('tc', 'filter', 'show', 'dev', 'v-client', 'ingress')).toBe('');
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['server']);
  });

  test('a pair of links is made anew in the namespace of its pod: it is the same pod', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node, client } = stage.lab;
    await node.exec('ip', 'link', 'del', 'v-client');
    const peer = { name: 'eth0', index: ETH0, netns: { fd: client.netns.fd } };
    const index = client.hostIndex;
    await node.socket.request(addLink({ kind: 'veth', name: 'v-client', index, up: true, peer }));
    expect((await engine.status()).pods[0]?.status).toBe('degraded');
    const { removed, repaired } = await engine.reconcile();
    expect(removed).toEqual([]);
    expect(repaired.map(({ found: what }) => what)).toContain('app_outbound was detached by someone else');
    await finds(engine, NOTHING);
    expect(await node.exec('tc', 'filter', 'show', 'dev', 'v-client', 'ingress')).toContain('app_outbound');
  });

  test('a pair of links goes, and another gets its index: it is another pod', async () => {
    const { stage, engine } = await enrolled('clsact');
    const { node, client } = stage.lab;
    await node.exec('ip', 'link', 'del', 'v-client');
    const peer = { name: 'eth0', index: ETH0, netns: { fd: client.netns.fd } };
    await node.socket.request(addLink({ kind: 'veth', name: 'v-other', index: client.hostIndex, up: true, peer }));
    await finds(engine, { removed: ['client'] });
    expect(await node.exec('tc', 'filter', 'show', 'dev', 'v-other', 'ingress')).toBe('');
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['server']);
  });

  test.each(['tcx', 'clsact'] as const)('%s: a pod ends, and its namespace and links with it', async (attach) => {
    const stage = await scene({ attach });
    if (attach === 'tcx' && lacksTcx(stage.sys)) return;
    const { node } = stage.lab;
    const engine = await stage.open();
    await engine.enroll(stage.pods('client', 'server'));
    const netns = createAnonymousNetns(stage.sys);
    const peer = { name: 'eth0', index: ETH0, netns: { fd: netns.fd } };
    await node.socket.request(addLink({ kind: 'veth', name: 'v-brief', up: true, peer }));
    const socket = NetlinkSocket.open(stage.sys, { netns });
    await socket.batch([setLink('eth0', { up: true }), addAddress({ device: ETH0, address: '10.244.7.99/32' })]);
    await engine.enroll({ id: 'brief', netns: { fd: netns.fd } });
    expect((await engine.status()).pods.map(({ status }) => status)).toEqual(['enrolled', 'enrolled', 'enrolled']);
    // Nobody holds it any more: neither does the engine.
    socket.close();
    netns.close();
    await expect.poll(() => node.exec('ip', '-o', 'link')).not.toContain('v-brief');
    await finds(engine, { removed: ['brief'] });
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['client', 'server']);
    expect(readdirSync(`${stage.directory}/v1/links`).filter((name) => name.startsWith('pod-3'))).toEqual([]);
    expect(await byProxy(stage)).toBe(true);
    // Its slot is the next one's, whose counters begin at zero.
    expect((await engine.metrics()).pods.map(({ id }) => id)).toEqual(['client', 'server']);
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

  test('tcx: our link is detached, has another program; its pin is removed', async () => {
    const stage = await scene({ attach: 'tcx' });
    if (lacksTcx(stage.sys)) return;
    const engine = await stage.open();
    await engine.enroll(stage.pods('client', 'server'), { established: 'reset' });
    expect(await engine.reconcile()).toEqual(NOTHING);
    const pin = `${stage.directory}/v1/links/pod-1-ingress`;
    using detached = openPinnedLink(stage.sys, pin);
    detached.detach();
    expect((await engine.status()).pods[0]).toMatchObject({ status: 'degraded' });
    await finds(engine, found('client', 'app_outbound was detached by someone else'));
    using updated = openPinnedLink(stage.sys, pin);
    updated.update(new Tracer(stage.sys).program(1, TC_ACT.UNSPEC));
    const problem = 'app_outbound is not of this version or of these settings';
    expect((await engine.status()).pods[0]).toMatchObject({ status: 'degraded', problems: [problem] });
    // It may be one of another build: nothing was amiss.
    await finds(engine, NOTHING);
    updated.close();
    expect(await byProxy(stage)).toBe(true);
    rmSync(pin);
    // The kernel lets go of it some time later.
    await expect.poll(async () => (await engine.status()).pods[0]?.problems.length).toBe(1);
    await finds(engine, found('client', 'app_outbound was detached by someone else'));
    expect(await byProxy(stage)).toBe(true);
  });

  test('pins of programs and of a map are removed: what runs goes on', async () => {
    const { stage, engine } = await enrolled('clsact', true);
    const folder = `${stage.directory}/v1`;
    for (const name of readdirSync(`${folder}/programs`)) rmSync(`${folder}/programs/${name}`);
    await finds(engine, NOTHING);
    expect(await byProxy(stage)).toBe(true);
    await engine.close();
    const second = await stage.reopen();
    expect((await second.status()).ok).toBe(true);
    expect(readdirSync(`${folder}/programs`).length).toBeGreaterThan(0);
    expect(await byProxy(stage)).toBe(true);
    rmSync(`${folder}/maps/pod_hash`);
    await finds(second, NOTHING);
    await second.close();
    await expect(stage.reopen()).rejects.toMatchObject({
      code: 'ERR_DAMAGED',
      hint: expect.stringContaining(`rm -r ${stage.directory}`),
    });
    expect(await byProxy(stage)).toBe(true);
    // As the hint has it.
    rmSync(stage.directory, { recursive: true });
    for (const device of ['v-client', 'v-server', 'v-proxy'])
      await stage.lab.node.exec('tc', 'qdisc', 'del', 'dev', device, 'clsact');
    const third = await stage.open();
    await third.enroll(stage.pods('client', 'server'));
    await finds(third, NOTHING);
    expect(await byProxy(stage)).toBe(true);
  });

  test('all pins are removed under an engine: it says so, and another begins anew', async () => {
    const stage = await scene({ attach: 'tcx' }, { isLost: true });
    if (lacksTcx(stage.sys)) return;
    const engine = await stage.open();
    await engine.enroll(stage.pods('client', 'server'));
    rmSync(stage.directory, { recursive: true });
    // The kernel lets go of the links some time later.
    await expect.poll(async () => (await engine.status()).pods[0]?.problems.length).toBe(2);
    await expect(engine.reconcile()).rejects.toMatchObject({ code: 'ERR_DAMAGED' });
    await engine.close();
    const next = await stage.open();
    await next.enroll(stage.pods('client', 'server'));
    await finds(next, NOTHING);
    expect(await byProxy(stage)).toBe(true);
    expect(existsSync(stage.directory)).toBe(true);
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
