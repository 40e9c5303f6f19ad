import { exit, mov64 } from 'bpf-asm';
import { addFilter, addQdisc, attachTcx, createProbes, loadProgram, TC_ACT, unpin } from 'netlink-tc';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { createLab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { Tracer } from '../../../netlink-tc/test/hook.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { programOf } from '../../../netlink-tc/test/program.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { diagnose, ofCode } from '../../test/doctor.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { statePath } from '../../test/state.ts';
import { RedirectEngine } from '../engine/index.ts';
import { settingsOf } from '../engine/options.ts';
import { Host } from '../topology/index.ts';
import { checkLeftovers } from './leftovers.ts';
import { machineAt } from './machine.ts';

vi.setConfig({ testTimeout: 300_000 });

describeWith([root], 'what earlier engines left', () => {
  test('filters and programs of tcx with names of ours that no state has', async () => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const { node, client, server } = lab;
    const tracer = new Tracer(sys);
    await node.socket.request(addQdisc({ device: client.hostIndex, kind: 'clsact' }));
    for (const name of ['app_outbound', 'theirs']) {
      const options = { fd: tracer.program(1, TC_ACT.UNSPEC).fd, name, flags: 1 };
      const place = { device: client.hostIndex, parent: 'ingress', kind: 'bpf', priority: 20_000 } as const;
      await node.socket.request(addFilter({ ...place, options }));
    }
    const found = await diagnose(sys, lab, { interfaces: ['v-outsider'] });
    expect(ofCode(found, 'leftover-filter')).toMatchObject([{ severity: 'error', subject: 'v-client ingress' }]);
    expect(ofCode(found, 'leftover-filter')[0]?.evidence[0]).toMatch(
      /^filter app_outbound pref 20000 handle 0x1 id \d+$/,
    );
    // What is to be done does it.
    const [, command = ''] = /`(tc filter del [^`]*)`/.exec(ofCode(found, 'leftover-filter')[0]?.remedy ?? '') ?? [];
    await node.exec(...command.split(' '));
    expect(ofCode(await diagnose(sys, lab, { interfaces: ['v-outsider'] }), 'leftover-filter')).toEqual([]);
    if (lacksTcx(sys)) return;
    const items = [mov64('r0', TC_ACT.UNSPEC), exit()];
    const stray = closing(loadProgram(sys, programOf(items, { name: 'ztunnel_host_in' })));
    closing(node.netns.run(() => attachTcx(sys, stray, server.hostIndex, 'ingress')));
    expect(ofCode(await diagnose(sys, lab), 'leftover-link')).toMatchObject([{ subject: 'v-server ingress' }]);
  });

  test.each(['tcx', 'clsact'] as const)(
    '%s: what a state has is none; without that state it is another’s',
    async (attach) => {
      const { sys, lab, open, pod } = await engineLab({ attach });
      if (attach === 'tcx' && lacksTcx(sys)) return;
      const engine = await open();
      await engine.enroll([pod('client')]);
      const { directory } = await engine.status();
      const own = await diagnose(sys, lab, { directory, interfaces: ['v-outsider'] });
      const strays = own.filter(({ code }) => code === 'leftover-filter' || code === 'leftover-link');
      expect(strays).toEqual([]);
      expect(ofCode(own, 'leftover-directory').map(({ subject }) => subject)).not.toContain(directory);
      // To who looks with another directory it is another engine's, whose programs are looked after.
      const other = await diagnose(sys, lab, { interfaces: ['v-outsider'] });
      expect(ofCode(other, 'leftover-directory').map(({ subject }) => subject)).toContain(directory);
      expect(other.filter(({ code }) => code === 'leftover-filter' || code === 'leftover-link')).toEqual([]);
    },
  );

  test.each(['tcx', 'clsact'] as const)('%s: what a state has that cannot be read is none', async (attach) => {
    const sys = await testSys();
    if (attach === 'tcx' && lacksTcx(sys)) return;
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const directory = statePath(sys);
    const engine = await RedirectEngine.open({ sys, directory, host: { fd: lab.node.netns.fd }, attach });
    await engine.enroll({ id: 'client', netns: { fd: lab.client.netns.fd } });
    await engine.close();
    unpin(`${directory}/v1/maps/direct`);
    const found = await diagnose(sys, lab, { directory, interfaces: ['v-outsider'] });
    expect(ofCode(found, 'state-damaged')).toHaveLength(1);
    expect(found.filter(({ code }) => code === 'leftover-filter' || code === 'leftover-link')).toEqual([]);
  });

  test('what an engine at work has made since its state was looked at is none', async () => {
    const { sys, lab, open, pod, directory } = await engineLab();
    const engine = await open();
    const status = await engine.status();
    await engine.enroll([pod('client')]);
    using host = new Host(sys, { path: lab.node.path });
    const scene = { sys, host, status, directory, machine: machineAt(), probes: createProbes(sys) };
    const found = await checkLeftovers({ ...scene, isHostNamed: true, settings: settingsOf({}), interfaces: [] });
    expect(found.filter(({ code }) => code === 'leftover-filter' || code === 'leftover-link')).toEqual([]);
  });

  test('a proxy that leaves keeps its program until its connections have ended', async () => {
    const { sys, lab, open, pod, connect, directory } = await engineLab();
    const engine = await open();
    await engine.enroll([pod('client'), pod('server')], { established: 'reset' });
    const echo = await connect('ipv4');
    await echo.says('before');
    const { pid } = await startProxy(lab.outsider);
    await engine.setProxy({ netns: { path: lab.outsider.path }, pid });
    expect((await engine.status()).leaving).toMatchObject({ hostInterface: { name: 'v-proxy' } });
    const found = await diagnose(sys, lab, { directory });
    expect(found.filter(({ code }) => code === 'leftover-filter' || code === 'leftover-link')).toEqual([]);
    // Its hook is looked at with the others.
    expect(ofCode(found, 'chain-ours').map(({ subject }) => subject)).toEqual([
      'v-client',
      'v-server',
      'v-outsider',
      'v-proxy',
    ]);
    await echo.end();
  });

  test('the same state by two mounts is one; another is told by one of its paths', async () => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const machine = tempDir();
    const mounts = ['0:39 / /sys/fs/bpf', '0:39 / /host/bpf', '0:40 / /run/bpf', '0:40 / /host/run/bpf'];
    mkdirSync(`${machine}/proc/self`, { recursive: true });
    writeFileSync(
      `${machine}/proc/self/mountinfo`,
      mounts.map((mount, at) => `${at} 0 ${mount} rw - bpf bpf rw`).join('\n'),
    );
    for (const mount of mounts) {
      const maps = `${machine}${mount.split(' ')[2]}/ambient/v1/maps`;
      mkdirSync(maps, { recursive: true });
      writeFileSync(`${maps}/records`, '');
    }
    const found = await diagnose(sys, lab, { root: machine, directory: '/host/bpf/ambient' });
    expect(ofCode(found, 'leftover-directory')).toMatchObject([
      // Nobody has the lock of what is gone by now.
      { subject: '/run/bpf/ambient', evidence: [expect.any(String), expect.any(String), 'no process has its lock'] },
    ]);
  });

  test('a filter whose state was removed by hand', async () => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const directory = statePath(sys);
    const engine = await RedirectEngine.open({ sys, directory, host: { fd: lab.node.netns.fd }, attach: 'clsact' });
    await engine.enroll({ id: 'client', netns: { fd: lab.client.netns.fd } });
    await engine.close();
    rmSync(directory, { recursive: true });
    const found = await diagnose(sys, lab, { interfaces: ['v-outsider'] });
    expect(ofCode(found, 'leftover-filter').map(({ subject }) => subject)).toEqual([
      'v-client ingress',
      'v-client egress',
    ]);
  });
});
