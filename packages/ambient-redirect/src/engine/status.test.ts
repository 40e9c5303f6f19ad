import { addAddress, deleteRule, listRules } from 'netlink-tc';
import { expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { StateDirectory } from './directory.ts';
import { engineLab } from '../../test/engine-lab.ts';
import type { RedirectEngine } from './engine.ts';
import type { EngineStatus } from './status.ts';
import { EngineView } from './view.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const RESET = { established: 'reset' } as const;

/** What is amiss, as `subject: what`. */
async function problems(engine: RedirectEngine): Promise<string[]> {
  const status = await engine.status();
  expect(status.ok).toBe(status.problems.length === 0);
  return status.problems.map(({ subject, what }) => `${subject}: ${what}`);
}

describeWith([root], 'the status', () => {
  test.each(['auto', 'tproxy'] as const)(
    'of a node where all is well, steered by %s: everything of ours, with what was found',
    async (steer) => {
      const { sys, open, pod, connect } = await engineLab({ steer });
      const engine = await open();
      await engine.enroll([pod('client'), pod('server')], RESET);
      const echo = await connect('ipv4');
      await echo.says('hello');
      const status = await engine.status();
      expect(status.problems).toEqual([]);
      expect(status).toMatchObject({ ok: true, deviations: [], withoutProxy: 'drop', steer });
      expect(status.attach).toEqual(
        lacksTcx(sys)
          ? { wanted: 'auto', mode: 'clsact', reason: 'this kernel has no tcx (Linux 6.6)' }
          : { wanted: 'auto', mode: 'tcx', reason: 'the kernel has it' },
      );
      expect(status.pods.map(({ id, status: is, mode }) => [id, is, mode])).toEqual([
        ['client', 'enrolled', 'full'],
        ['server', 'enrolled', 'full'],
      ]);
      const { pods, programs, proxy, settings, maps } = status;

      // Each program that a hook runs is listed, with where.
      const uses = new Map(programs.map(({ id, hooks }) => [id, hooks]));
      for (const { hooks, hostInterface } of pods) {
        for (const { program, direction } of hooks)
          expect(uses.get(program?.id ?? 0)).toContain(`${hostInterface.name} ${direction}`);
      }
      expect(uses.get(proxy?.hostIn.program?.id ?? 0)).toEqual(['v-proxy ingress']);
      const steering = programs.find(({ hooks }) => hooks.some((where) => where.includes("the proxy's namespace")));
      expect(steering?.name).toBe(proxy?.steering.mode === 'sk_lookup' ? 'ztunnel_steer' : 'ztunnel_tproxy');
      for (const { loaded, tag, digest } of programs) {
        const age = Date.now() - Date.parse(loaded);
        expect(age).toBeGreaterThanOrEqual(-1_000);
        expect(age).toBeLessThan(600_000);
        expect(`${tag} ${digest}`).toMatch(/^[0-9a-f]{16} [0-9a-f]{32}$/);
      }

      expect(settings.length).toBeGreaterThan(5);
      expect(settings.filter(({ found, wanted }) => found !== wanted)).toEqual([]);
      expect(settings.map(({ what }) => what)).toContain('net/ipv4/conf/v-proxy/rp_filter of the host');
      const fill = Object.fromEntries(maps.map(({ name, entries, limit }) => [name, [entries, limit]]));
      expect(fill).toMatchObject({
        counters: [2, 511],
        pod_array: [4, 131072],
        interfaces: [2, 512],
        direct: [0, 65536],
      });
      await echo.end();
    },
  );

  test('tells what others have done to pods, and which are gone', async () => {
    const { lab, open, pod } = await engineLab({ attach: 'clsact' });
    const engine = await open();
    await engine.enroll([pod('client'), pod('server')], RESET);
    expect((await engine.status()).attach).toEqual({ wanted: 'clsact', mode: 'clsact', reason: 'it is asked for' });
    await lab.node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'egress');
    await lab.node.exec('ip', 'link', 'del', 'v-server');
    const { pods } = await engine.status();
    expect(pods.map(({ id, status }) => [id, status])).toEqual([
      ['client', 'degraded'],
      ['server', 'missing'],
    ]);
    expect(await problems(engine)).toEqual([
      'client: app_inbound was detached by someone else',
      'server: its interface v-server is gone: reconcile unenrolls it',
    ]);
    await engine.reconcile();
    expect(await problems(engine)).toEqual([]);
    // Another interface has its index by now.
    await lab.node.exec('ip', 'link', 'del', 'v-client');
    await lab.node.exec('ip', 'link', 'add', 'other', 'index', '11', 'type', 'bridge');
    expect(await problems(engine)).toEqual(['client: its interface v-client is gone: reconcile unenrolls it']);
  });

  test('tells of the proxy: none, away, its hook, its settings; and of the host', async () => {
    const { lab, open, pod, proxy } = await engineLab();
    const engine = await open();
    expect(await problems(engine)).toEqual([]);
    await engine.enroll(pod('client'), RESET);
    const { socket } = lab.proxy;
    lab.proxy.sysctl('ipv4/conf/eth0/forwarding', '1');
    const rules = await socket.request(listRules({ family: 'ipv4' }));
    const rule = rules.find(({ priority }) => priority === 20_000);
    await socket.request(deleteRule({ family: 'ipv4', priority: rule?.priority ?? 0 }));
    expect(await problems(engine)).toEqual([
      'proxy: net/ipv4/conf/eth0/forwarding of the proxy is 1, not 0',
      'proxy: ipv4 rule 20000: iif eth0 lookup 100 is missing, not present',
    ]);
    const found = (await engine.status()).settings.filter((setting) => setting.found !== setting.wanted);
    expect(found).toHaveLength(2);
    await engine.reconcile();
    expect(await problems(engine)).toEqual([]);

    await lab.node.socket.request(addAddress({ device: 1, address: '10.99.0.1/32' }));
    const [told] = await problems(engine);
    expect(told).toMatch(/^node: has .*10\.99\.0\.1.*, programs know .*: reconcile exchanges them$/);
    await engine.reconcile();
    expect(await problems(engine)).toEqual([]);

    await proxy.stop();
    const away = await problems(engine);
    expect(away[0]).toMatch(/^proxy: is away \(.+\): what is captured is dropped$/);
    await engine.clearProxy();
    expect(await problems(engine)).toEqual(['proxy: there is none: what is captured is dropped']);
  });

  test('what a crash left is told by the view beside it; nobody is there to go on', async () => {
    const { sys, lab, open, pod, rewrite } = await engineLab();
    const engine = await open();
    await engine.enroll(pod('client'), RESET);
    const { directory } = await engine.status();
    await engine.close();
    {
      using state = StateDirectory.open(sys, directory);
      const { interfaces } = state.maps;
      interfaces.updateMany(Array.from({ length: 410 }, (_, at) => [10_000 + at, 1] as const));
    }
    const look = async (): Promise<EngineStatus> => {
      await using view = await EngineView.open({ directory, host: { fd: lab.node.netns.fd } });
      return await view.status();
    };
    expect(await look()).toMatchObject({
      problems: [],
      warnings: [{ subject: 'node', what: 'the map interfaces has 411 interfaces of pods, and room for 512' }],
    });
    rewrite('client', { phase: 'enrolling', mode: 'observe' });
    expect(await look()).toMatchObject({ ok: false, pods: [{ status: 'enrolling' }] });
    rewrite('client', { phase: 'draining', mode: 'full', drainUntil: Date.now() - 60_000 });
    expect(await look()).toMatchObject({ ok: false, pods: [{ status: 'degraded' }] });
  });
});
