import { beforeAll, expect, test } from 'vitest';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testPair, type TestNetns } from '../../test/netns.ts';
import { openSys, type Sys } from '../sys/index.ts';
import { addAddress, deleteAddress, IFA_F, listAddresses, replaceAddress } from './address.ts';
import { setLink } from './link.ts';
import { addNeighbour, deleteNeighbour, listNeighbours, NTF, replaceNeighbour } from './neighbour.ts';
import { parsePrefix } from './prefix.ts';
import { addRoute, deleteRoute, listRoutes, replaceRoute } from './route.ts';
import { addRule, deleteRule, listRules } from './rule.ts';

test('prefixes', () => {
  expect(parsePrefix('10.0.0.0/8')).toEqual({ family: 'ipv4', address: '10.0.0.0', length: 8 });
  expect(parsePrefix('fd00::1')).toEqual({ family: 'ipv6', address: 'fd00::1', length: 128 });
});

test.each(['10.0.0.0/33', '10.0.0/8', 'fd00::/129', '1.2.3.4/', '1.2.3.4/8/8', '1.2.3.4/ 8', '', '1.2.3.4/-1'])(
  '%j is no prefix',
  (text) => {
    expect(() => parsePrefix(text)).toThrow(/is no/);
  },
);

test('specs that make no sense are refused before anything is sent', () => {
  expect(() => addRoute({ destination: 'default', device: 1 })).toThrow(/needs a family/);
  expect(() => listRoutes({ table: 100 })).toThrow(/belongs to one family/);
  expect(() => addRule({ family: 'ipv4', mark: 1 })).toThrow(/needs a table/);
  expect(() => addRule({ family: 'ipv4', source: 'fd00::/8', table: 1 })).toThrow(/the source of an ipv4 rule/);
});

describeWith([root, tool('ip')], 'objects of routing in the kernel', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  async function pair(): Promise<TestNetns> {
    const all = await testPair(sys);
    await all.socket.request(setLink('lo', { up: true }));
    return all;
  }

  test('addresses, both families, both ways', async () => {
    const { socket, json, run } = await pair();
    await socket.batch([
      addAddress({ device: 2, address: '10.0.0.1/24', broadcast: '10.0.0.255' }),
      addAddress({ device: 2, address: '10.1.0.1/32', peer: '10.1.0.2', scope: 'link' }),
      addAddress({ device: 2, address: 'fd00::1/64', flags: IFA_F.NODAD }),
    ]);
    run('ip', 'address', 'add', '10.0.0.2/24', 'dev', 'v0', 'label', 'v0:x');
    run('ip', 'address', 'add', 'fd00::2/64', 'dev', 'v1', 'nodad');
    const ours = (await socket.request(listAddresses())).map(
      ({ device, address, prefixLength, scope, peer, broadcast, label }) => ({
        device,
        address,
        prefixLength,
        scope,
        peer,
        broadcast,
        label,
      }),
    );
    const theirs = json('ip', '-j', 'address').flatMap((link) =>
      (link['addr_info'] as Record<string, unknown>[]).map((each) => ({
        device: link['ifindex'],
        // Of a peer, ip-address(8) calls the near end "local" and the far one "address".
        address: each['local'],
        prefixLength: each['prefixlen'],
        scope: each['scope'],
        peer: each['address'],
        broadcast: each['broadcast'],
        label: each['label'],
      })),
    );
    const byText = (list: readonly unknown[]): string[] => list.map((each) => JSON.stringify(each)).toSorted();
    expect(byText(ours)).toEqual(byText(theirs));
    expect(ours.length).toBeGreaterThanOrEqual(8);
    expect(
      (await socket.request(listAddresses({ device: 3, family: 'ipv6' }))).map(({ address }) => address),
    ).toContain('fd00::2');
    expect(await socket.request(listAddresses({ device: 3, family: 'ipv4' }))).toEqual([]);

    await expect(socket.request(addAddress({ device: 2, address: '10.0.0.1/24' }))).rejects.toMatchObject({
      code: 'ERR_EXISTS',
    });
    await socket.request(replaceAddress({ device: 2, address: '10.0.0.1/24', flags: IFA_F.NOPREFIXROUTE }));
    await socket.request(deleteAddress({ device: 2, address: '10.0.0.1/24' }));
    await expect(socket.request(deleteAddress({ device: 2, address: '10.0.0.1/24' }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    await expect(socket.request(addAddress({ device: 99, address: '10.0.0.1/24' }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(run('ip', '-br', 'address', 'show', 'v0')).not.toContain('10.0.0.1/24');
  });

  test('routes: tables, types, metrics, several ways, both families, both ways', async () => {
    const { socket, json, run } = await pair();
    await socket.batch([
      addAddress({ device: 2, address: '10.0.0.1/24' }),
      addAddress({ device: 2, address: 'fd00::1/64', flags: IFA_F.NODAD }),
      addRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.2', priority: 5, metrics: { mtu: 1400, advmss: 1300 } }),
      addRoute({ destination: 'default', gateway: '10.0.0.3', table: 1000, preferredSource: '10.0.0.1' }),
      addRoute({ destination: '10.2.0.0/16', type: 'blackhole', table: 100 }),
      addRoute({ destination: 'default', family: 'ipv4', device: 1, type: 'local', table: 100, scope: 'host' }),
      addRoute({ destination: 'default', family: 'ipv6', device: 1, type: 'local', table: 100 }),
      addRoute({
        destination: '10.3.0.0/16',
        nexthops: [
          { gateway: '10.0.0.4', weight: 3 },
          { gateway: '10.0.0.5', device: 2 },
        ],
      }),
      addRoute({ destination: 'fd01::/16', gateway: 'fd00::2', metrics: { hoplimit: 9 } }),
      addRoute({ destination: '10.4.0.0/16', gateway: 'fd00::3', device: 2 }),
      addRoute({ destination: '10.5.0.0/16', gateway: '192.0.2.1', device: 2, onlink: true, protocol: 42 }),
    ]);
    run('ip', 'route', 'add', '10.6.0.0/16', 'dev', 'v0', 'scope', 'link', 'src', '10.0.0.1');
    run('ip', '-6', 'route', 'add', 'unreachable', 'fd02::/16', 'metric', '7');
    const told = [
      ...json('ip', '-4', '-j', '-d', '-N', 'route', 'show', 'table', 'all'),
      ...json('ip', '-6', '-j', '-d', '-N', 'route', 'show', 'table', 'all'),
    ];
    const theirs = told.map((route) => {
      const destination = String(route['dst']);
      const via = route['via'] as { host?: string } | undefined;
      const length = destination.includes(':') ? 128 : 32;
      const metrics = (route['metrics'] as Record<string, unknown>[] | undefined)?.[0];
      return {
        destination: /\/|default/.test(destination) ? destination : `${destination}/${length}`,
        table: Number(route['table'] ?? 254),
        gateway: route['gateway'] ?? via?.host,
        priority: route['metric'] ?? 0,
        preferredSource: route['prefsrc'],
        mtu: metrics?.['mtu'],
        ways:
          (route['nexthops'] as { gateway: string; weight: number }[] | undefined)?.map(
            ({ gateway, weight }) => `${gateway} ${weight}`,
          ) ?? [],
      };
    });
    const ours = (await socket.request(listRoutes())).map((route) => ({
      destination: /^(0\.0\.0\.0|::)\/0$/.test(route.destination) ? 'default' : route.destination,
      table: route.table,
      gateway: route.gateway,
      priority: route.priority,
      preferredSource: route.preferredSource,
      mtu: route.metrics?.mtu,
      ways: route.nexthops.map(({ gateway, weight }) => `${gateway} ${weight}`),
    }));
    const byText = (list: readonly unknown[]): string[] => list.map((each) => JSON.stringify(each)).toSorted();
    expect(byText(ours)).toEqual(byText(theirs));
    expect(json('ip', '-j', 'route', 'show', '10.5.0.0/16')).toMatchObject([
      { gateway: '192.0.2.1', flags: ['onlink'], protocol: 'babel' },
    ]);
    expect(json('ip', '-j', 'route', 'show', 'table', '100')).toMatchObject([
      { type: 'local', dst: 'default' },
      { type: 'blackhole', dst: '10.2.0.0/16' },
    ]);
    expect((await socket.request(listRoutes({ family: 'ipv4', table: 100 }))).map(({ type }) => type)).toEqual([
      'local',
      'blackhole',
    ]);
    await expect(socket.request(listRoutes({ family: 'ipv4', table: 4242 }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(
      (await socket.request(listRoutes({ family: 'ipv4', protocol: 42 }))).map(({ destination }) => destination),
    ).toEqual(['10.5.0.0/16']);

    await expect(
      socket.request(addRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.9', priority: 5 })),
    ).rejects.toMatchObject({ code: 'ERR_EXISTS' });
    await socket.request(replaceRoute({ destination: '10.1.0.0/16', gateway: '10.0.0.9', priority: 5 }));
    expect(json('ip', '-j', 'route', 'show', '10.1.0.0/16')).toMatchObject([{ gateway: '10.0.0.9' }]);
    await socket.request(deleteRoute({ destination: '10.1.0.0/16' }));
    await expect(socket.request(deleteRoute({ destination: '10.1.0.0/16' }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    await expect(
      socket.request(addRoute({ destination: '10.9.0.0/16', gateway: '203.0.113.1' })),
    ).rejects.toMatchObject({ kernelMessage: expect.stringContaining('invalid gateway') as string });
  });

  test('rules, both families, both ways', async () => {
    const { socket, json, run } = await pair();
    await socket.batch([
      addRule({ family: 'ipv4', priority: 20000, mark: 0x400, mask: 0xfff, table: 100 }),
      addRule({
        family: 'ipv4',
        priority: 20001,
        inputDevice: 'v0',
        source: '10.0.0.0/8',
        destination: '10.1.0.0/16',
        table: 1000,
      }),
      addRule({ family: 'ipv6', priority: 20002, inputDevice: 'v1', table: 100, invert: true }),
      addRule({ family: 'ipv4', priority: 20003, outputDevice: 'v0', action: 'unreachable' }),
      addRule({ family: 'ipv4', priority: 20004, table: 254, suppressPrefixLength: 0, ipProtocol: 6 }),
    ]);
    run('ip', '-6', 'rule', 'add', 'pref', '30000', 'fwmark', '7', 'lookup', '7');
    run('ip', 'rule', 'add', 'pref', '30001', 'goto', '32766');
    const told = [...json('ip', '-j', '-N', 'rule'), ...json('ip', '-6', '-j', '-N', 'rule')];
    const ours = await socket.request(listRules());
    expect(ours.map(({ priority }) => priority)).toEqual(told.map((rule) => rule['priority']));
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ priority: 20000, fwmark: '0x400', fwmask: '0xfff', table: '100' }),
        expect.objectContaining({
          priority: 20001,
          iif: 'v0',
          src: '10.0.0.0',
          srclen: 8,
          dst: '10.1.0.0',
          dstlen: 16,
          table: '1000',
        }),
        expect.objectContaining({ priority: 20002, not: null, iif: 'v1', table: '100' }),
        expect.objectContaining({ priority: 20003, oif: 'v0' }),
        expect.objectContaining({ priority: 20004, suppress_prefixlen: 0, table: '254' }),
      ]),
    );
    expect(ours).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          family: 'ipv4',
          priority: 20001,
          source: '10.0.0.0/8',
          destination: '10.1.0.0/16',
          inputDevice: 'v0',
          action: 'lookup',
        }),
        expect.objectContaining({ family: 'ipv4', priority: 20003, action: 'unreachable' }),
        expect.objectContaining({ family: 'ipv6', priority: 20002, invert: true }),
        expect.objectContaining({ family: 'ipv6', priority: 30000, mark: 7, table: 7 }),
        expect.objectContaining({ family: 'ipv4', priority: 30001, action: 'goto', goto: 32766 }),
      ]),
    );
    await expect(
      socket.request(addRule({ family: 'ipv4', priority: 20000, mark: 0x400, mask: 0xfff, table: 100 })),
    ).rejects.toMatchObject({ code: 'ERR_EXISTS' });
    await socket.request(deleteRule({ family: 'ipv4', priority: 20000 }));
    await expect(socket.request(deleteRule({ family: 'ipv4', priority: 20000 }))).rejects.toMatchObject({
      code: 'ERR_NOT_FOUND',
    });
    expect(await socket.request(listRules({ family: 'ipv6' }))).toHaveLength(4);
  });

  test('neighbours, both families, both ways', async () => {
    const { socket, json, run } = await pair();
    await socket.batch([
      addNeighbour({ device: 2, address: '10.0.0.9', linkAddress: '02:00:00:00:00:09' }),
      addNeighbour({
        device: 2,
        address: 'fd00::9',
        linkAddress: '02:00:00:00:00:0a',
        state: 'reachable',
        flags: NTF.ROUTER,
      }),
      addNeighbour({ device: 3, address: '10.0.0.8', linkAddress: '02:00:00:00:00:08', state: 'noarp' }),
    ]);
    run('ip', 'neigh', 'add', '10.0.0.7', 'lladdr', '02:00:00:00:00:07', 'dev', 'v1', 'nud', 'stale');
    const told = json('ip', '-j', 'neigh', 'show', 'nud', 'all').filter(
      (each) => !String(each['dst']).startsWith('ff02'),
    );
    expect(told).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ dst: '10.0.0.9', dev: 'v0', lladdr: '02:00:00:00:00:09', state: ['PERMANENT'] }),
        expect.objectContaining({ dst: 'fd00::9', router: null, state: ['REACHABLE'] }),
        expect.objectContaining({ dst: '10.0.0.8', dev: 'v1', state: ['NOARP'] }),
      ]),
    );
    const ours = await socket.request(listNeighbours({ device: 3, family: 'ipv4' }));
    expect(ours.map(({ address, linkAddress, state }) => [address, linkAddress, state]).toSorted()).toEqual([
      ['10.0.0.7', '02:00:00:00:00:07', 'stale'],
      ['10.0.0.8', '02:00:00:00:00:08', 'noarp'],
    ]);
    const again = { device: 2, address: '10.0.0.9', linkAddress: '02:00:00:00:00:ff' };
    await expect(socket.request(addNeighbour(again))).rejects.toMatchObject({ code: 'ERR_EXISTS' });
    await socket.request(replaceNeighbour(again));
    expect(run('ip', 'neigh', 'show', '10.0.0.9')).toContain('02:00:00:00:00:ff');
    await socket.request(deleteNeighbour(again));
    await expect(socket.request(deleteNeighbour(again))).rejects.toMatchObject({ code: 'ERR_NOT_FOUND' });
  });
});
