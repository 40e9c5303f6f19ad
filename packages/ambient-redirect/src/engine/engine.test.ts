import { isNetlinkTcError, listFilters, openById, readProgramInfo, type Sys } from 'netlink-tc';
import { existsSync, readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { RedirectEngine, type EngineOptions } from './index.ts';
import type { PodRequest } from './roster.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;

interface Scene {
  readonly sys: Sys;
  readonly lab: Lab;
  readonly options: EngineOptions;
  /** Opens an engine on the lab's node, for one test; the last one tears down. */
  open(changes?: EngineOptions): Promise<RedirectEngine>;
  pod(name: 'client' | 'server' | 'outsider', more?: Partial<PodRequest>): PodRequest;
}

async function scene(): Promise<Scene> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  const options: EngineOptions = {
    sys,
    directory,
    host: { fd: lab.node.netns.fd },
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
  };
  const opened: RedirectEngine[] = [];
  onTestFinished(async () => {
    for (const engine of opened) await engine.close();
    if (existsSync(directory)) await (await RedirectEngine.open(options)).teardown();
    await lab.close();
  });
  return {
    sys,
    lab,
    options,
    open: async (changes = {}) => {
      const engine = await RedirectEngine.open({ ...options, ...changes });
      opened.push(engine);
      return engine;
    },
    pod: (id, more) => ({ id, netns: { fd: lab[id].netns.fd }, ...more }),
  };
}

/** Who asks for tcx on a kernel that has none is told, and has nothing of it. */
async function refusesTcx(engine: RedirectEngine, pod: PodRequest): Promise<void> {
  const enrolled = engine.enroll(pod).then(undefined, (error: unknown) => error);
  expect(await enrolled).toMatchObject({ code: 'ERR_UNSUPPORTED' });
  expect((await engine.status()).pods).toEqual([]);
}

describeWith([root], 'the engine', () => {
  test.each(['tcx', 'clsact'] as const)(
    'redirects pods by %s, is taken over by the next, and leaves nothing',
    async (attach) => {
      const { sys, lab, open, pod, options } = await scene();
      await lab.server.serveHttp();
      const proxy = await startProxy(lab.proxy);
      const first = await open({ attach });
      if (attach === 'tcx' && lacksTcx(sys)) return void (await refusesTcx(first, pod('client')));
      const state = await first.setProxy({ netns: { fd: lab.proxy.netns.fd }, pid: proxy.pid });
      expect(state.status).toBe('listening');
      const [client] = await first.enroll([pod('client'), pod('server')]);
      expect(client).toMatchObject({ id: 'client', hostInterface: 'v-client', attached: attach, changed: true });
      for (const family of FAMILIES) {
        const seen = await lab.client.get(lab.server.address(family));
        expect(seen.client.replace('::ffff:', '')).toBe(lab.client.address(family));
      }
      const { pods } = await first.metrics();
      expect(pods.find(({ id }) => id === 'client')?.traffic.map(({ verdict }) => verdict)).toContain('captured');
      expect(await first.status()).toMatchObject({ ok: true, deviations: [] });
      await first.close();
      await expect(first.status()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
      expect((await lab.client.get(lab.server.ipv4)).server).toBe('server');

      const second = await open({ attach });
      expect((await second.status()).pods.map(({ id, status }) => [id, status])).toEqual([
        ['client', 'enrolled'],
        ['server', 'enrolled'],
      ]);
      expect(await second.reconcile()).toEqual({ repaired: [], removed: [], failed: [] });
      expect(await second.enroll(pod('client'))).toMatchObject({ changed: false });
      expect((await lab.client.get(lab.server.ipv6)).server).toBe('server');
      expect(await second.teardown()).toEqual([]);
      expect(existsSync(options.directory ?? '')).toBe(false);
      const { node } = lab;
      for (const { hostIndex: device } of [lab.client, lab.server, lab.proxy]) {
        for (const parent of ['ingress', 'egress'] as const) {
          expect(await node.socket.request(listFilters({ device, parent }))).toEqual([]);
        }
      }
      expect((await lab.client.get(lab.server.ipv4)).server).toBe('server');
    },
  );

  test('what a pod cannot be enrolled for is said before anything is changed', async () => {
    const { lab, open, pod } = await scene();
    const engine = await open();
    await engine.enroll(pod('client'));
    const refused = (request: PodRequest): Promise<unknown> => engine.enroll(request).then(undefined, (error) => error);
    expect(await refused({ id: 'nowhere', netns: { path: '/run/netns/ambient-none' } })).toMatchObject({
      code: 'ERR_NETNS_GONE',
    });
    expect(await refused({ ...pod('server'), id: 'client' })).toMatchObject({ code: 'ERR_POD_EXISTS' });
    expect(await refused({ ...pod('client'), id: 'other' })).toMatchObject({ code: 'ERR_POD_EXISTS' });
    expect(await refused(pod('server', { addresses: ['10.244.7.99'] }))).toMatchObject({
      code: 'ERR_ADDRESS_NOT_ON_INTERFACE',
    });
    expect(await refused({ id: 'lo', hostInterface: 'lo' })).toMatchObject({ code: 'ERR_NOT_A_VETH' });
    expect(await refused(pod('server', { policy: { outbound: { excludePorts: [0] } } }))).toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    expect(await refused({ ...pod('server'), id: '' })).toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['client']);
    const several = engine.enroll([pod('server'), { ...pod('client'), id: 'again' }]);
    await expect(several).rejects.toMatchObject({
      code: 'ERR_ENROLMENT',
      failures: [{ id: 'again', error: { code: 'ERR_POD_EXISTS' } }],
    });
    expect((await engine.status()).pods.map(({ id }) => id)).toEqual(['client', 'server']);
    expect(await engine.unenroll(['client', 'nobody'])).toEqual([true, false]);
    expect(lab.client.name).toBe('client');
  });

  test('reconcile puts back what others took away, and unenrolls who is gone', async () => {
    const { sys, lab, open, pod } = await scene();
    const engine = await open({ attach: 'clsact' });
    // At their last step at once: one that is still to be taken would attach what is gone.
    await engine.enroll([pod('client'), pod('server'), pod('outsider')], { established: 'reset' });
    await lab.node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'ingress');
    await lab.node.exec('ip', 'link', 'del', 'v-server');
    const status = await engine.status();
    expect(status.ok).toBe(false);
    expect(status.pods.map((each) => [each.id, each.status])).toEqual([
      ['client', 'degraded'],
      ['server', 'missing'],
      ['outsider', 'enrolled'],
    ]);
    expect(status.pods[0]?.problems).toEqual(['app_outbound was detached by someone else']);
    const report = await engine.reconcile();
    expect(report).toEqual({
      repaired: [{ subject: 'client', found: 'app_outbound was detached by someone else' }],
      removed: ['server'],
      failed: [],
    });
    const after = await engine.status();
    expect(after.pods.map((each) => [each.id, each.status])).toEqual([
      ['client', 'enrolled'],
      ['outsider', 'enrolled'],
    ]);
    const id = after.pods[0]?.hooks[0]?.program?.id ?? 0;
    using object = openById(sys, 'program', id);
    expect(readProgramInfo(sys, object?.fd ?? -1).name).toBe('app_outbound');
  });

  test('without a proxy what would be captured is dropped, or passes', async () => {
    const { lab, open, pod } = await scene();
    await lab.server.serveHttp();
    const closed = await open();
    await closed.enroll([pod('client'), pod('server')]);
    await expect(lab.client.get(lab.server.ipv4, 80, { timeoutMs: 300 })).rejects.toThrow('timeout');
    expect((await lab.node.get(lab.server.ipv4)).server).toBe('server');
    const sent = async (engine: RedirectEngine): Promise<unknown> => {
      const { pods } = await engine.metrics();
      const ipv4 = pods[0]?.traffic.filter(({ family, direction }) => family === 'ipv4' && direction === 'outbound');
      return ipv4?.map(({ verdict }) => verdict);
    };
    expect(await sent(closed)).toEqual(['droppedWithoutProxy']);
    await closed.close();
    const open2 = await open({ withoutProxy: 'pass' });
    expect((await lab.client.get(lab.server.ipv4)).server).toBe('server');
    expect(await sent(open2)).toEqual(['passedWithoutProxy', 'droppedWithoutProxy']);
  });

  test('events are told while someone listens', async () => {
    const { lab, open, pod } = await scene();
    await lab.server.serveHttp();
    const engine = await open({ withoutProxy: 'pass' });
    await engine.enroll([pod('client')], { established: 'reset' });
    const before = (await engine.status()).pods[0]?.hooks[0]?.program?.id;
    {
      using stream = await engine.events();
      await expect(engine.events()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      const reader = stream[Symbol.asyncIterator]();
      await lab.client.get(lab.server.ipv4);
      expect((await reader.next()).value).toMatchObject({
        pod: 'client',
        direction: 'outbound',
        family: 'ipv4',
        verdict: 'passedWithoutProxy',
        source: lab.client.ipv4,
        destination: lab.server.ipv4,
        destinationPort: 80,
        protocol: 6,
      });
    }
    expect((await engine.status()).pods[0]?.hooks[0]?.program?.id).toBe(before);
    await expect(engine.events({ sample: 3 })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  test('addresses that come later are a pod’s own, but not those that were not given, nor another pod’s', async () => {
    const { lab, open, pod } = await scene();
    await lab.server.serveHttp();
    const engine = await open({ withoutProxy: 'pass' });
    await engine.enroll([pod('client'), pod('server', { addresses: [lab.server.ipv4] })]);
    const add = (host: keyof Pick<Lab, 'client' | 'server'>, address: string): Promise<string> =>
      lab[host].exec('ip', 'address', 'add', address, 'dev', 'eth0', 'nodad');
    await lab.client.exec('ip', 'address', 'add', '10.244.7.105/32', 'dev', 'eth0');
    await add('server', 'fd00:7::106/128');
    // Whoever may change the client's interface would have the server's traffic.
    await lab.client.exec('ip', 'address', 'add', `${lab.server.ipv4}/32`, 'dev', 'eth0');
    const { repaired, failed } = await engine.reconcile();
    expect(repaired).toEqual([
      { subject: 'client', found: 'had 10.244.7.5, fd00:7::5, has 10.244.7.105, 10.244.7.5, fd00:7::5' },
    ]);
    expect(failed).toEqual([
      { subject: 'client', error: expect.objectContaining({ code: 'ERR_ADDRESS_OF_ANOTHER_POD' }) },
    ]);
    expect((await engine.status()).pods.map(({ addresses }) => addresses)).toEqual([
      ['10.244.7.105', '10.244.7.5', 'fd00:7::5'],
      [lab.server.ipv4],
    ]);
    // The server's packets are still its own: none counts as forged.
    await lab.client.exec('ip', 'address', 'del', `${lab.server.ipv4}/32`, 'dev', 'eth0');
    expect((await lab.client.get(lab.server.ipv4)).server).toBe('server');
    const { pods } = await engine.metrics();
    expect(pods.flatMap(({ traffic }) => traffic).filter(({ verdict }) => verdict === 'spoofed')).toEqual([]);
    expect((await engine.reconcile()).failed).toEqual([]);
  });

  test('programs are kept for the next pod that comes or goes', async () => {
    const { open, pod, options } = await scene();
    const names = (): readonly string[] => readdirSync(`${options.directory}/v1/programs`).toSorted();
    const engine = await open();
    await engine.enroll([pod('client')]);
    await engine.unenroll('client');
    const before = names();
    // Both programs of both modes that the pod was in, and host_in with and without connections to look for.
    expect(before).toHaveLength(6);
    expect((await engine.reconcile()).failed).toEqual([]);
    expect(names()).toEqual(before);
    await engine.enroll([pod('server')]);
    expect(names()).toEqual(before);
    // Of another policy they are of no use once its pods are gone. Meanwhile the server's may go on to the next mode.
    const known = new Set(names());
    await engine.enroll(pod('client', { policy: { dns: true } }));
    const ofPolicy = names().filter((name) => !known.has(name));
    expect(ofPolicy.length).toBeGreaterThan(0);
    await engine.unenroll('client');
    await engine.reconcile();
    expect(names()).toEqual(expect.arrayContaining([...before]));
    expect(names().filter((name) => ofPolicy.includes(name))).toHaveLength(0);
  });

  test('bad options change nothing; what is asked of an engine that closes is refused', async () => {
    const { open, pod } = await scene();
    const engine = await open();
    const wrong = { established: 'keep' } as unknown as { established: 'reset' };
    await expect(engine.enroll(pod('client'), wrong)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect((await engine.status()).pods).toEqual([]);
    await engine.enroll(pod('client'), { established: 'reset' });
    for (const timeoutMs of [Number.NaN, -1, Number.POSITIVE_INFINITY]) {
      const drained = engine.unenroll('client', { drain: { timeoutMs } });
      await expect(drained).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    }
    expect((await engine.status()).pods.map(({ status }) => status)).toEqual(['enrolled']);
    const last = engine.status();
    const closed = engine.close();
    const after = engine.status();
    expect((await last).pods).toHaveLength(1);
    await expect(after).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closed;
    await engine.close();
  });

  test('two engines do not have one directory', async () => {
    const { open } = await scene();
    await open();
    const second = open().then(undefined, (error: unknown) => error);
    expect(await second).toMatchObject({ code: 'ERR_LOCKED' });
    expect(isNetlinkTcError(await second)).toBe(false);
  });
});
