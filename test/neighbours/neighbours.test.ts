/** What others have on the interfaces of pods stays as it was, whatever becomes of ours. */
import { attachTcx, queryHook, TC_ACT } from 'netlink-tc';
import { expect, test, vi } from 'vitest';
import { Tracer } from '../../packages/netlink-tc/test/hook.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { closing } from '../../packages/netlink-tc/test/sys.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { byProxy, done, foreignOn, programName, scene, sharers, type Scene } from './scene.ts';

// Processes are started, which takes some seconds on a busy machine.
vi.setConfig({ testTimeout: 120_000 * SLOWNESS, hookTimeout: 60_000 * SLOWNESS });

/** Sends all that comes from the pod to a device of its own, as traffic shapers do it. */
async function mirred({ lab: { node } }: Scene): Promise<void> {
  await node.exec('ip', 'link', 'add', 'ifb0', 'up', 'type', 'ifb');
  await node.exec('tc', 'qdisc', 'add', 'dev', 'v-client', 'ingress');
  const filter = 'protocol all prio 49152 u32 match u32 0 0 action mirred egress redirect dev ifb0';
  await node.exec('tc', 'filter', 'add', 'dev', 'v-client', 'parent', 'ffff:', ...filter.split(' '));
}

/** Runs the CNI plugin `bandwidth` as a container runtime does it. */
async function bandwidth({ lab: { node, client } }: Scene, command: 'ADD' | 'DEL'): Promise<void> {
  const rate = { ingressRate: 80_000_000, ingressBurst: 80_000_000, egressRate: 80_000_000, egressBurst: 80_000_000 };
  const interfaces = [
    { name: client.hostInterface, mac: '' },
    { name: 'eth0', mac: '', sandbox: client.path },
  ];
  const prevResult = { cniVersion: '0.4.0', interfaces, ips: [], routes: [], dns: {} };
  const config = JSON.stringify({ cniVersion: '0.4.0', name: 'net', type: 'bandwidth', ...rate, prevResult });
  const variables = {
    CNI_COMMAND: command,
    CNI_CONTAINERID: 'client',
    CNI_NETNS: client.path,
    CNI_IFNAME: 'eth0',
    CNI_PATH: '/usr/lib/cni',
  };
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  await node.exec('env', ...settings, 'sh', '-c', 'printf %s "$0" | /usr/lib/cni/bandwidth', config);
}

/** Others make themselves room between those of {@link sharers} that are before ours on tcx, and ours. */
async function between(stage: Scene): Promise<void> {
  await sharers(stage);
  const { sys, lab } = stage;
  const { hostIndex: target } = lab.client;
  for (const direction of ['ingress', 'egress'] as const) {
    const theirs = new Tracer(sys).program(4, TC_ACT.UNSPEC);
    closing(
      lab.node.netns.run(() => {
        const { entries } = queryHook(sys, { target, attachType: `tcx_${direction}` });
        const ours = entries.find(({ programId }) => programName(sys, programId).startsWith('app_'));
        expect(ours).toBeDefined();
        return attachTcx(sys, theirs, target, direction, { order: { before: { program: ours?.programId ?? 0 } } });
      }),
    );
  }
}

/**
 * Attach, crash, adoption, update, detach, teardown: after each, what others have is as it was, and traffic goes its way.
 * @param others makes the neighbours; while pods are enrolled where they come after ours
 */
async function life(
  stage: Scene,
  others: (stage: Scene) => Promise<void>,
  { attach, when }: { readonly attach: 'tcx' | 'clsact'; readonly when: 'before' | 'after' },
): Promise<void> {
  const { sys, lab } = stage;
  const look = (): Promise<string[]> => foreignOn(sys, lab.node, lab.client);
  if (when === 'before') await others(stage);
  let before = await look();
  const unchanged = async (moment: string, proxied: boolean): Promise<void> => {
    expect(await look(), moment).toEqual(before);
    expect(await byProxy(stage), moment).toBe(proxied);
    // Nor does traffic change anything.
    expect(await look(), moment).toEqual(before);
  };
  const first = stage.start({ parts: ['setProxy', 'enroll'] }, { attach });
  expect(await done(first)).toBeGreaterThan(0);
  if (when === 'after') {
    await others(stage);
    before = await look();
  }
  expect(before.length).toBeGreaterThan(1);
  await unchanged('attach', true);
  await first.stop('SIGKILL');
  await unchanged('crash', true);
  const engine = await stage.open({ attach });
  expect(await engine.reconcile()).toEqual({ repaired: [], removed: [], failed: [] });
  expect(await engine.status()).toMatchObject({ ok: true, pods: [{ warnings: [] }, { warnings: [] }] });
  await unchanged('adoption', true);
  const policy = { outbound: { excludePorts: [9] } };
  for (const pod of stage.pods('client', 'server')) await engine.enroll({ ...pod, policy });
  await unchanged('update: another policy', true);
  await engine.clearProxy();
  expect(await look()).toEqual(before);
  await stage.setProxy(engine);
  await unchanged('update: the proxy went and came', true);
  await engine.unenroll(['client', 'server']);
  await unchanged('detach', false);
  await engine.teardown();
  await unchanged('teardown', false);
}

describeWith(
  [root, tool('haproxy'), tool('ip'), tool('tc'), tool('bpftool')],
  'neighbours on the hooks of a pod',
  () => {
    test.each([
      { attach: 'tcx', when: 'before' },
      { attach: 'tcx', when: 'after' },
      { attach: 'clsact', when: 'before' },
      { attach: 'clsact', when: 'after' },
    ] as const)('$attach, filters and programs of others made $when ours', async (way) => {
      expect.hasAssertions();
      const stage = await scene();
      if (way.attach === 'tcx' && lacksTcx(stage.sys)) return;
      await life(stage, sharers, way);
    });

    test('tcx, programs of others put between theirs and ours', async () => {
      expect.hasAssertions();
      const stage = await scene();
      if (lacksTcx(stage.sys)) return;
      await life(stage, between, { attach: 'tcx', when: 'after' });
    });

    test.each(['before', 'after'] as const)('tcx, an ingress qdisc with mirred made %s ours', async (when) => {
      expect.hasAssertions();
      const stage = await scene();
      if (lacksTcx(stage.sys)) return;
      await life(stage, mirred, { attach: 'tcx', when });
    });

    test.each(['before', 'after'] as const)('tcx, the CNI plugin bandwidth added %s ours', async (when) => {
      expect.hasAssertions();
      const stage = await scene();
      if (lacksTcx(stage.sys)) return;
      await life(stage, (all) => bandwidth(all, 'ADD'), { attach: 'tcx', when });
      await bandwidth(stage, 'DEL');
      expect((await stage.lab.node.exec('ip', '-o', 'link')).includes('bwp')).toBe(false);
    });

    test('clsact, a pod that bandwidth shapes: it is refused, and nothing is attached', async () => {
      const stage = await scene({ attach: 'clsact' });
      const { sys, lab } = stage;
      await bandwidth(stage, 'ADD');
      const before = await foreignOn(sys, lab.node, lab.client);
      const engine = await stage.open();
      const enrolling = engine.enroll(stage.pods('client')[0] ?? { id: '' });
      await expect(enrolling).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
      expect(await foreignOn(sys, lab.node, lab.client)).toEqual(before);
      expect((await engine.status()).pods).toEqual([]);
      expect(await lab.node.exec('tc', 'filter', 'show', 'dev', 'v-client', 'ingress')).not.toContain('app_');
      await engine.enroll(stage.pods('server'));
      expect(await byProxy(stage)).toBe(true);
    });

    test('clsact, bandwidth comes to a pod that is enrolled: the kernel refuses it, and ours goes on', async () => {
      const stage = await scene({ attach: 'clsact' });
      const engine = await stage.open();
      await engine.enroll(stage.pods('client', 'server'));
      await expect(bandwidth(stage, 'ADD')).rejects.toThrow(/[Ee]xclusivity|file exists|invalid/);
      expect(await byProxy(stage)).toBe(true);
      expect((await engine.reconcile()).failed).toEqual([]);
      await engine.unenroll(['client', 'server']);
      expect(await byProxy(stage)).toBe(false);
    });
  },
);
