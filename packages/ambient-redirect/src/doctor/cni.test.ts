import { addLink, createAnonymousNetns, loadProgram, type Sys } from 'netlink-tc';
import { exit, mov64 } from 'bpf-asm';
import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, file, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { programOf } from '../../../netlink-tc/test/program.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { diagnose, ofCode } from '../../test/doctor.ts';
import type { Finding } from './finding.ts';

vi.setConfig({ testTimeout: 300_000 });

const PLUGINS = '/usr/lib/cni';

interface Stage {
  readonly sys: Sys;
  readonly lab: Lab;
  /** Writes a configuration where container runtimes have theirs. */
  configure(name: string, text: string): void;
  /** What the doctor says of plugins. */
  look(): Promise<readonly Finding[]>;
}

async function stage(): Promise<Stage> {
  const sys = await testSys();
  const lab = await createLab(sys);
  onTestFinished(() => lab.close());
  const machine = tempDir();
  const directory = `${machine}/etc/cni/net.d`;
  mkdirSync(directory, { recursive: true });
  return {
    sys,
    lab,
    configure: (name, text) => writeFileSync(`${directory}/${name}`, text),
    look: async () => (await diagnose(sys, lab, { root: machine })).filter(({ area }) => area === 'cni'),
  };
}

/** A configuration of one plugin, with addresses from a range of a test's own. */
function config(type: string, more: object = {}): { readonly list: string; readonly plugin: string } {
  const ipam = { type: 'host-local', subnet: '10.91.0.0/24', dataDir: tempDir() };
  const plugin = { type, ipam, ...more };
  return {
    list: JSON.stringify({ cniVersion: '1.0.0', name: 'net', plugins: [plugin, { type: 'portmap' }] }),
    plugin: JSON.stringify({ cniVersion: '1.0.0', name: 'net', ...plugin }),
  };
}

/** Runs a plugin as a container runtime does it: a pod comes to the node. */
async function add({ sys, lab: { node } }: Stage, type: string, text: string): Promise<void> {
  const pod = closing(createAnonymousNetns(sys));
  const variables = {
    CNI_COMMAND: 'ADD',
    CNI_CONTAINERID: 'pod',
    CNI_NETNS: `/proc/${process.pid}/fd/${pod.fd}`,
    CNI_IFNAME: 'eth0',
    CNI_PATH: PLUGINS,
  };
  const settings = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
  await node.exec('env', ...settings, 'sh', '-c', `printf %s "$0" | ${PLUGINS}/${type}`, text);
}

/** Loads a program of a name: what others' would be called. */
function load(sys: Sys, name: string, options: Parameters<typeof programOf>[1] = {}): void {
  closing(loadProgram(sys, programOf([mov64('r0', 1), exit()], { ...options, name })));
}

describeWith([root, file(`${PLUGINS}/ptp`)], 'network plugins', () => {
  test('none, and one that nothing is known of', async () => {
    const { configure, look } = await stage();
    expect((await look()).map(({ code }) => code)).toEqual(['cni-none']);
    configure('99-loopback.conf', '{"type":"loopback"}');
    expect((await look()).map(({ code }) => code)).toEqual(['cni-none']);
    configure('10-own.conflist', '{"plugins":[{"type":"our-own-plugin"}]}');
    expect(await look()).toMatchObject([{ code: 'cni-unknown', subject: 'our-own-plugin' }]);
    configure('10-own.conflist', '{"plugins":[{"type":"our-own-plugin"},{"type":"bandwidth"}]}');
    const both = await look();
    expect(both.map(({ code }) => code)).toEqual(['cni-bandwidth', 'cni-unknown']);
    expect(both[1]?.evidence).toEqual(['/etc/cni/net.d/10-own.conflist: our-own-plugin, bandwidth']);
  });

  test.each([
    ['ptp', 'cni-ptp', {}],
    ['bridge', 'cni-bridge', { bridge: 'cni0', isGateway: true }],
  ] as const)('%s, made by the plugin itself', async (type, code, more) => {
    const all = await stage();
    const { list, plugin } = config(type, more);
    await add(all, type, plugin);
    all.configure('10-test.conflist', list);
    const found = ofCode(await all.look(), code);
    expect(found).toMatchObject([{ severity: 'info' }]);
    expect(found[0]?.evidence).toEqual([
      `/etc/cni/net.d/10-test.conflist: ${type}, portmap`,
      ...(type === 'bridge' ? ['interfaces: cni0'] : []),
    ]);
    // The pod's end of the pair is one of those whose hooks are looked at.
    const chains = await diagnose(all.sys, all.lab);
    const looked = ofCode(chains, 'chain-empty')[0]?.evidence.join() ?? '';
    expect(looked.match(/veth[0-9a-f]+/g)).toHaveLength(1);
  });

  test('plugins by their configurations, also where they cannot be understood', async () => {
    const { configure, look } = await stage();
    configure('05-cilium.conflist', '{"cniVersion":"0.3.1","name":"cilium","plugins":[{"type":"cilium-cni"}]}');
    configure('10-calico.conflist', '{"plugins":[{"type":"calico"},{"type":"bandwidth"},{"type":"portmap"}]}');
    configure('10-aws.conflist', '{"plugins":[{"type":"aws-cni"}]}');
    configure('20-macvlan.conf', '{"type":"macvlan"}');
    configure('30-broken.conflist', '{"plugins":');
    configure('40-wrong.conflist', '{"plugins":[null]}');
    configure('50-empty.conflist', '{"plugins":[]}');
    configure('README', 'not looked at');
    const found = await look();
    const codes = found.map(({ code }) => code);
    expect(codes).toEqual(
      expect.arrayContaining(['cni-bandwidth', 'cni-no-pair', 'cni-calico', 'cni-cilium', 'cni-aws', 'cni-unread']),
    );
    expect(ofCode(found, 'cni-unread').map(({ subject }) => subject)).toEqual([
      '/etc/cni/net.d/30-broken.conflist',
      '/etc/cni/net.d/40-wrong.conflist',
      '/etc/cni/net.d/50-empty.conflist',
    ]);
    expect(ofCode(found, 'cni-calico')[0]?.evidence).toEqual([
      '/etc/cni/net.d/10-calico.conflist: calico, bandwidth, portmap',
    ]);
  });

  test('plugins by their interfaces and programs', async () => {
    const { sys, lab, look } = await stage();
    const names = ['cali0123456789a', 'eni3271e6da000', 'cilium_host', 'bpfin.cali'];
    for (const name of names) {
      const peer = { name: 'eth0', netns: { fd: closing(createAnonymousNetns(sys)).fd } };
      await lab.node.socket.request(addLink({ kind: 'veth', name, peer }));
    }
    // As the kernel has them: 15 characters.
    for (const name of ['cil_from_contai', 'cil_from_netdev', 'cali_tc_preambl']) load(sys, name);
    load(sys, 'cil_sock4_conne', { type: 'cgroup_sock_addr', expectedAttachType: 'cgroup_inet4_connect' });
    const found = await look();
    const evidence = Object.fromEntries(found.map((each) => [each.code, each.evidence]));
    expect(evidence).toEqual({
      'cni-calico': ['interfaces: cali0123456789a'],
      'cni-calico-ebpf': ['interfaces: bpfin.cali', 'programs: cali_tc_preambl'],
      'cni-cilium': ['interfaces: cilium_host', 'programs: cil_from_contai'],
      'cni-cilium-socket-lb': ['programs: cil_sock4_conne'],
      'cni-cilium-device': ['programs: cil_from_netdev'],
      'cni-aws': ['interfaces: eni3271e6da000'],
    });
  });
});
