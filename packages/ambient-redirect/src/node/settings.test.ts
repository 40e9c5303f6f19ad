import { addRoute, addRule, deleteRule, openSys, type Sys } from 'netlink-tc';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { createLab, type Lab, type LabOptions } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { Host } from '../topology/index.ts';
import { applySettings, checkSettings, listSettings, restoreSettings } from './apply.ts';
import { noReversePathFilter, planSettings, type SettingsRecord } from './settings.ts';
import { sysctlInterfaces } from './sysctl.ts';
import type { SettingsTarget } from './target.ts';

test('what `all` filtered is filtered by the interfaces themselves', () => {
  const values = new Map(Object.entries({ all: '1', default: '0', eth0: '0', loose: '2', veth: '1' }));
  expect(noReversePathFilter(values, '1', 'veth')).toEqual([
    { name: 'default', wanted: '1' },
    { name: 'eth0', wanted: '1' },
    { name: 'all', wanted: '0' },
    { name: 'veth', wanted: '0' },
  ]);
  expect(noReversePathFilter(values, '0', 'veth')).toEqual([
    { name: 'all', wanted: '0' },
    { name: 'veth', wanted: '0' },
  ]);
});

describeWith([root], 'settings of a node', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  async function setUp(options: LabOptions = {}): Promise<{ lab: Lab; target: SettingsTarget }> {
    const lab = await createLab(sys, options);
    const host = new Host(sys, { path: lab.node.path });
    onTestFinished(async () => {
      host.close();
      await lab.close();
    });
    return { lab, target: { host, hostInterface: 'v-proxy', proxy: lab.proxy, proxyInterface: 'eth0' } };
  }

  /** All that the settings could touch, as the namespaces themselves tell it. */
  async function state({ node, proxy }: Lab): Promise<unknown> {
    const values = (host: Lab['node'], family: 'ipv4' | 'ipv6', what: string): unknown =>
      sysctlInterfaces(host.netns, family).map((name) => [name, host.sysctl(`${family}/conf/${name}/${what}`)]);
    return {
      rpFilter: values(node, 'ipv4', 'rp_filter'),
      forwarding: [values(proxy, 'ipv4', 'forwarding'), values(proxy, 'ipv6', 'forwarding')],
      arp: values(proxy, 'ipv4', 'arp_ignore'),
      rules: [await proxy.exec('ip', 'rule'), await proxy.exec('ip', '-6', 'rule')],
      routes: await proxy.exec('ip', 'route', 'show', 'table', 'all', 'type', 'local'),
    };
  }

  test('set, checked, set again, restored exactly', async () => {
    const { lab, target } = await setUp({ rpFilter: 1 });
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    lab.proxy.sysctl('ipv6/conf/all/forwarding', '1');
    lab.proxy.sysctl('ipv6/conf/lo/forwarding', '0');
    lab.node.sysctl('ipv4/conf/eth0/rp_filter', '2');
    lab.node.sysctl('ipv4/conf/v-client/rp_filter', '0');
    const before = await state(lab);

    const record = await planSettings(target);
    expect(await state(lab)).toEqual(before);
    const wrong = (await checkSettings(target)).map(({ what }) => what);
    expect(wrong).toEqual(
      expect.arrayContaining([
        'net/ipv4/conf/all/forwarding of the proxy',
        'net/ipv6/conf/eth0/forwarding of the proxy',
        'net/ipv4/conf/eth0/arp_ignore of the proxy',
        'net/ipv4/conf/all/rp_filter of the host',
        'net/ipv4/conf/v-proxy/rp_filter of the host',
        'ipv4 rule 20000: iif eth0 lookup 100',
        'ipv6 route: local default dev lo table 100',
      ]),
    );

    // As it is stored.
    const stored = JSON.parse(JSON.stringify(record)) as SettingsRecord;
    expect(stored).toEqual(record);
    await applySettings(target, stored);
    expect(await checkSettings(target, stored)).toEqual([]);
    const all = await listSettings(target, stored);
    expect(all).toEqual(
      expect.arrayContaining([
        { what: 'net/ipv4/conf/all/rp_filter of the host', found: '0', wanted: '0', before: '1' },
        { what: 'ipv6 rule 20000: iif eth0 lookup 100', found: 'present', wanted: 'present', before: undefined },
      ]),
    );
    expect(all.map(({ what }) => what)).toEqual(expect.arrayContaining(wrong));
    expect(lab.proxy.sysctl('ipv4/ip_forward')).toBe('0');
    expect(lab.proxy.sysctl('ipv6/conf/all/forwarding')).toBe('0');
    const filters = (name: string): string => lab.node.sysctl(`ipv4/conf/${name}/rp_filter`);
    expect(['all', 'v-proxy', 'v-client', 'v-server', 'eth0', 'default'].map(filters)).toEqual([
      '0',
      '0',
      '1',
      '1',
      '2',
      '1',
    ]);
    expect(await lab.proxy.exec('ip', 'rule')).toContain('20000:\tfrom all iif eth0 lookup 100');
    expect(await lab.proxy.exec('ip', '-6', 'rule')).toContain('20000:\tfrom all iif eth0 lookup 100');
    expect(await lab.proxy.exec('ip', 'route', 'show', 'table', '100')).toContain('local default dev lo');
    expect(await lab.proxy.exec('ip', '-6', 'route', 'show', 'table', '100')).toContain('local default dev lo');

    const applied = await state(lab);
    await applySettings(target, stored);
    expect(await state(lab)).toEqual(applied);
    // A process that takes over knows what was there before all of them.
    const again = await planSettings(target, stored);
    expect(again.sysctls).toEqual(expect.arrayContaining([...stored.sysctls]));
    expect(again.routing).toEqual(stored.routing);

    expect(await restoreSettings(target, again)).toEqual([]);
    expect(await state(lab)).toEqual(before);
    expect(await restoreSettings(target, again)).toEqual([]);
    expect(await state(lab)).toEqual(before);
  });

  test.each([0, 1, 5, 20])('half applied (%i settings), then undone or finished', async (steps) => {
    const { lab, target } = await setUp({ rpFilter: 1 });
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    const before = await state(lab);
    const record = await planSettings(target);
    for (const { where, name, wanted } of record.sysctls.slice(0, steps))
      lab[where === 'host' ? 'node' : 'proxy'].sysctl(name, wanted);
    const next = await planSettings(target, record);
    await applySettings(target, next);
    expect(await checkSettings(target, next)).toEqual([]);
    await restoreSettings(target, next);
    expect(await state(lab)).toEqual(before);
  });

  test('what others did meanwhile: seen, put right while it runs, left alone at the end', async () => {
    const { lab, target } = await setUp();
    const record = await planSettings(target);
    await applySettings(target, record);
    lab.proxy.sysctl('ipv6/conf/all/forwarding', '1');
    lab.node.sysctl('ipv4/conf/v-proxy/rp_filter', '1');
    await lab.proxy.socket.request(deleteRule({ family: 'ipv6', priority: 20000 }));
    expect((await checkSettings(target, record)).map(({ what }) => what).toSorted()).toEqual([
      'ipv6 rule 20000: iif eth0 lookup 100',
      'net/ipv4/conf/v-proxy/rp_filter of the host',
      ...['all', 'default', 'eth0', 'lo'].map((name) => `net/ipv6/conf/${name}/forwarding of the proxy`),
    ]);
    await applySettings(target, record);
    expect(await checkSettings(target, record)).toEqual([]);
    lab.node.sysctl('ipv4/conf/all/rp_filter', '2');
    expect(await restoreSettings(target, record)).toEqual([
      { what: 'net/ipv4/conf/all/rp_filter of the host', found: '2', wanted: '0' },
    ]);
    expect(lab.node.sysctl('ipv4/conf/all/rp_filter')).toBe('2');
  });

  test('rules and routes that were there before stay; what is in the way is said', async () => {
    const { lab, target } = await setUp();
    const own = { family: 'ipv4', priority: 20000, inputDevice: 'eth0', table: 100 } as const;
    await lab.proxy.socket.request(addRule(own));
    const record = await planSettings(target);
    expect(record.routing.map(({ kind, family }) => `${family} ${kind}`)).toEqual([
      'ipv4 route',
      'ipv6 route',
      'ipv6 rule',
    ]);
    await applySettings(target, record);
    await restoreSettings(target, record);
    expect(await lab.proxy.exec('ip', 'rule')).toContain('20000:');
    expect(await lab.proxy.exec('ip', '-6', 'rule')).not.toContain('20000:');
    const before = await state(lab);
    await expect(planSettings({ ...target, table: 101 })).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await lab.proxy.socket.request(addRoute({ destination: 'default', family: 'ipv4', type: 'blackhole', table: 102 }));
    const taken = { ...target, table: 102, priority: 20002 };
    await expect(planSettings(taken)).rejects.toThrow(/table 102 of ipv4 .* is blackhole default; give another table/);
    await expect(planSettings({ ...target, hostInterface: 'v-none' })).rejects.toMatchObject({
      code: 'ERR_INTERFACE_NOT_FOUND',
    });
    expect(await state(lab)).toEqual(before);
  });

  test('another table and priority than before: both are taken away in the end', async () => {
    const { lab, target } = await setUp();
    const before = await state(lab);
    const first = await planSettings(target);
    await applySettings(target, first);
    const other = { ...target, table: 4711, priority: 99 };
    const second = await planSettings(other, first);
    await applySettings(other, second);
    expect(await checkSettings(other, second)).toEqual([]);
    expect(await planSettings(other, second)).toEqual(second);
    expect(await lab.proxy.exec('ip', 'rule')).toContain('99:\tfrom all iif eth0 lookup 4711');
    expect(await restoreSettings(other, second)).toEqual([]);
    expect(await state(lab)).toEqual(before);
  });

  test('a proxy in a new namespace takes nothing over from the old one', async () => {
    const { lab, target } = await setUp();
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    const record = await planSettings(target);
    await applySettings(target, record);
    const moved = await planSettings({ ...target, proxy: lab.outsider, hostInterface: 'v-outsider' }, record);
    expect(moved.routing).toHaveLength(4);
    const ofProxy = moved.sysctls.filter(({ where }) => where === 'proxy');
    expect(ofProxy.map(({ before }) => before)).toEqual(ofProxy.map(() => '0'));
    expect(moved.sysctls).toContainEqual(
      expect.objectContaining({ where: 'host', name: 'ipv4/conf/v-proxy/rp_filter' }),
    );
  });
});
