import { addAddress, createAnonymousNetns, deleteLink, deleteRule, openPinnedLink, unpin, type Sys } from 'netlink-tc';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { lacksTcx } from '../../../netlink-tc/test/kernel.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { codesOf, diagnose, ofCode } from '../../test/doctor.ts';
import { engineLab, type EngineLab } from '../../test/engine-lab.ts';
import { statePath } from '../../test/state.ts';
import { RedirectEngine } from '../engine/index.ts';
import { StateDirectory } from '../engine/directory.ts';
import { AmbientRedirectError } from '../error.ts';
import { examine } from './examine.ts';
import type { Finding } from './finding.ts';
import { stateError } from './state.ts';

// Processes are started and programs compiled, which takes seconds on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

interface Stage extends EngineLab {
  readonly engine: RedirectEngine;
  readonly directory: string;
  /** What the doctor says. */
  look(): Promise<readonly Finding[]>;
}

/** A lab with both pods enrolled. */
async function enrolled(): Promise<Stage> {
  const all = await engineLab();
  const engine = await all.open();
  await engine.enroll([all.pod('client'), all.pod('server')]);
  const { directory } = await engine.status();
  return {
    ...all,
    engine,
    directory,
    look: () => diagnose(all.sys, all.lab, { directory, interfaces: ['v-outsider'] }),
  };
}

/** Codes of errors in what an engine is responsible for. */
function errors(findings: readonly Finding[]): string[] {
  return codesOf(findings, 'error', 'state', 'sysctls');
}

function detach(sys: Sys, path: string): void {
  using link = openPinnedLink(sys, path);
  link.detach();
}

describeWith([root], 'what an engine has made', () => {
  test('no engine has run: what it will change, and what pods need', async () => {
    const { sys, lab } = await engineLab();
    const found = await diagnose(sys, lab);
    expect(ofCode(found, 'state-none')).toMatchObject([{ severity: 'info' }]);
    expect(codesOf(found, 'error')).toEqual([]);
    for (const name of ['all', 'v-client']) lab.node.sysctl(`ipv4/conf/${name}/rp_filter`, '1');
    lab.node.sysctl('ipv4/conf/v-server/forwarding', '0');
    const one = ofCode(await diagnose(sys, lab), 'sysctls-forwarding-off');
    expect(one).toMatchObject([{ subject: 'IPv4', evidence: ['/proc/sys/net/ipv4/conf/v-server/forwarding: 0'] }]);
    lab.node.sysctl('ipv4/conf/v-server/forwarding', '1');
    const strict = await diagnose(sys, lab);
    expect(codesOf(strict, 'info', 'sysctls')).toEqual(['sysctls-rp-filter-strict']);
    expect(ofCode(strict, 'sysctls-rp-filter-strict')[0]?.evidence).toEqual([
      '/proc/sys/net/ipv4/conf/all/rp_filter: 1',
      '/proc/sys/net/ipv4/conf/v-client/rp_filter: 1',
    ]);
    for (const family of ['ipv4', 'ipv6']) lab.node.sysctl(`${family}/conf/all/forwarding`, '0');
    const off = await diagnose(sys, lab);
    expect(ofCode(off, 'sysctls-forwarding-off')).toMatchObject([{ severity: 'error', subject: 'IPv4' }]);
    expect(ofCode(off, 'sysctls-forwarding-unneeded')).toMatchObject([{ severity: 'info', subject: 'IPv6' }]);
  });

  test('pods on a bridge: what comes from them comes in by the bridge', async () => {
    const sys = await testSys();
    const lab = await createLab(sys, { cni: 'bridge' });
    onTestFinished(() => lab.close());
    const interfaces = ['v-client', 'v-server'];
    const leaves = (): Promise<unknown> => lab.client.get(lab.outside.ipv4, 80, { timeoutMs: 1_000 });
    lab.node.sysctl('ipv4/conf/v-client/forwarding', '0');
    expect(codesOf(await diagnose(sys, lab, { interfaces }), 'error')).toEqual([]);
    await expect(leaves()).rejects.toThrow('ECONNREFUSED');
    lab.node.sysctl('ipv4/conf/cni0/forwarding', '0');
    expect(ofCode(await diagnose(sys, lab, { interfaces }), 'sysctls-forwarding-off')).toMatchObject([
      { subject: 'IPv4', evidence: ['/proc/sys/net/ipv4/conf/cni0/forwarding: 0'] },
    ]);
    await expect(leaves()).rejects.toThrow('timeout');
  });

  test('all is well; programs and a rule are taken away; the host gets another address; there is no proxy', async () => {
    const { sys, lab, engine, directory, look } = await enrolled();
    const { node, proxy } = lab;
    const whole = await look();
    expect(codesOf(whole, 'ok', 'state', 'sysctls')).toEqual(['state-whole', 'sysctls-fine']);
    expect(ofCode(whole, 'state-whole')[0]?.evidence[0]).toMatch(/^2 pods, the proxy at v-proxy, steered to by /);

    await proxy.socket.request(deleteRule({ family: 'ipv4', priority: 20_000 }));
    const ruleless = await look();
    expect(errors(ruleless)).toEqual(['state-deviates']);
    expect(ofCode(ruleless, 'state-deviates')[0]?.evidence).toEqual([
      'ipv4 rule 20000: iif eth0 lookup 100 is missing, not present',
    ]);
    const byTcx = !lacksTcx(sys);
    const links = ['pod-1-ingress', `host-in-${proxy.hostIndex}`];
    for (const link of byTcx ? links : []) detach(sys, `${directory}/v1/links/${link}`);
    const detached = await look();
    const expected = byTcx ? ['state-pod-degraded', 'state-proxy-hook', 'state-deviates'] : ['state-deviates'];
    expect(errors(detached)).toEqual(expected);
    const degraded = ofCode(detached, 'state-pod-degraded');
    expect(degraded.map(({ subject }) => subject)).toEqual(byTcx ? ['client at v-client'] : []);
    expect(degraded.flatMap(({ evidence }) => evidence)).toEqual(
      byTcx ? ['app_outbound was detached by someone else'] : [],
    );
    await engine.reconcile();

    await node.socket.request(addAddress({ device: lab.outside.hostIndex, address: '172.30.0.77/24' }));
    // Programs have the addresses of the host as constants: those of pods, and that of the proxy's interface.
    expect(errors(await look())).toEqual(['state-pod-degraded', 'state-proxy-hook']);
    await engine.reconcile();

    await engine.clearProxy();
    const none = await look();
    expect(ofCode(none, 'state-proxy-none')).toMatchObject([
      { severity: 'warning', subject: '2 pods', evidence: ['withoutProxy: drop'] },
    ]);
    expect(errors(none)).toEqual([]);
    await node.socket.request(deleteLink('v-server'));
    expect(ofCode(await look(), 'state-pod-degraded')).toMatchObject([{ subject: 'server at v-server' }]);
  });

  test('an engine ended while it enrolled a pod, and unenrolled another', async () => {
    const { engine, rewrite, look } = await enrolled();
    await engine.close();
    rewrite('client', { phase: 'enrolling' });
    rewrite('server', { phase: 'leaving' });
    const found = await look();
    expect(errors(found)).toEqual(['state-pod-degraded']);
    expect(
      ofCode(found, 'state-pod-degraded').map(({ subject, evidence }) => `${subject}: ${evidence.join()}`),
    ).toEqual([
      'client at v-client: is not redirected wholly yet: reconcile goes on with its enrolment',
      'server at v-server: is not taken away wholly yet: reconcile goes on with it',
    ]);
  });

  test('settings that others change: each by its code', async () => {
    const { lab, engine, look, connect } = await enrolled();
    const { node, proxy } = lab;
    // In the namespace of the proxy the filter does no harm: all packets come by the interface that its routes lead to.
    for (const name of ['all', 'default', 'eth0']) proxy.sysctl(`ipv4/conf/${name}/rp_filter`, '1');
    expect(errors(await look())).toEqual([]);
    const echo = await connect('ipv4');
    await echo.says('hello');
    echo.socket.destroy();

    node.sysctl('ipv4/conf/v-proxy/rp_filter', '1');
    proxy.sysctl('ipv4/conf/all/forwarding', '1');
    proxy.sysctl('ipv4/conf/eth0/arp_ignore', '0');
    const found = await look();
    expect(errors(found)).toEqual(['sysctls-proxy-forwards', 'sysctls-proxy-answers-arp', 'sysctls-rp-filter']);
    expect(ofCode(found, 'sysctls-rp-filter')[0]?.evidence).toEqual([
      'net/ipv4/conf/v-proxy/rp_filter of the host: 1, wanted 0',
    ]);
    await engine.reconcile();
    expect(errors(await look())).toEqual([]);
    node.sysctl('ipv6/conf/all/forwarding', '0');
    expect(ofCode(await look(), 'sysctls-forwarding-off')).toMatchObject([{ subject: 'IPv6' }]);
  });

  test('the proxy has ended, and then its namespace is gone', async () => {
    const { lab, proxy, engine, look } = await enrolled();
    // An engine at work would note what it sees.
    await engine.close();
    lab.proxy.spawn(['sleep', '600']);
    await proxy.stop('SIGKILL');
    const away = ofCode(await look(), 'state-proxy-away');
    expect(away).toMatchObject([{ severity: 'error', subject: 'v-proxy' }]);
    expect(away[0]?.evidence.join()).toMatch(/15001/);
    await lab.proxy.close();
    await expect.poll(async () => errors(await look()), { timeout: 120_000 }).toEqual(['state-proxy-gone']);
  });

  test('a map is nearly full; the pin of one was removed', async () => {
    const { sys, lab } = await engineLab();
    const directory = statePath(sys);
    const engine = await RedirectEngine.open({ sys, directory, host: { fd: lab.node.netns.fd } });
    await engine.close();
    const look = (): Promise<readonly Finding[]> => diagnose(sys, lab, { directory });
    {
      using state = StateDirectory.open(sys, directory, { create: false });
      const ends = { pod: '::ffff:10.244.7.5', other: '::ffff:10.244.7.6', otherPort: 80 };
      const flows = Array.from({ length: 53_000 }, (_, podPort) => ({ ...ends, podPort }));
      state.maps.direct.updateMany(flows.map((flow) => [flow, { open: 1, podFin: 0, otherFin: 0 }]));
    }
    const filling = ofCode(await look(), 'state-map-filling');
    expect(filling).toMatchObject([{ severity: 'warning' }]);
    expect(filling[0]?.evidence[0]).toMatch(/direct has 53000 .* room for 65536/);

    unpin(`${directory}/v1/maps/direct`);
    const damaged = ofCode(await look(), 'state-damaged');
    expect(damaged).toMatchObject([{ severity: 'error', subject: directory }]);
    expect(damaged[0]?.evidence[0]).toContain('the map direct is not pinned');
  });

  test('the namespace that the state names as the host is gone', async () => {
    const { sys, lab } = await engineLab();
    const directory = statePath(sys);
    const host = createAnonymousNetns(sys);
    const engine = await RedirectEngine.open({ sys, directory, host: { path: `/proc/self/fd/${host.fd}` } });
    await engine.close();
    host.close();
    const found = ofCode(await examine({ sys, directory, selfTest: false }), 'state-unreadable');
    expect(found).toMatchObject([{ severity: 'error', subject: directory }]);
    // Named anew it can be looked at.
    expect(codesOf(await diagnose(sys, lab, { directory }), 'ok', 'state')).toEqual(['state-whole']);
  });

  test('a state of another version, and one that is gone by now', () => {
    const error = new AmbientRedirectError('ERR_SCHEMA', 'the state is laid out differently');
    expect(stateError(error, '/sys/fs/bpf/x')).toMatchObject({ code: 'state-schema', severity: 'error' });
    expect(stateError(new Error('other'), '/sys/fs/bpf/x')).toBeUndefined();
    // Torn down while it was looked at.
    const gone = Object.assign(new Error('ENOENT: no such file'), { code: 'ENOENT', errno: -2 });
    expect(stateError(gone, '/sys/fs/bpf/x')).toMatchObject({ code: 'state-unreadable', evidence: [gone.message] });
  });
});
