import { takeListeners } from 'netlink-tc';
import { expect, test, vi } from 'vitest';
import { listeningPorts, startHaproxy, startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root, tool } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { fails, proxyLab, purposes, reference, steered, until } from '../../test/proxy-lab.ts';

// Processes are started, which takes some seconds on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const FAMILIES = ['ipv4', 'ipv6'] as const;

describeWith([root], 'the watch over the proxy', () => {
  test('the proxy dies: its listeners are gone at once, it is away; its successor is found and steered to', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node, told } = all;
    await lab.server.serveHttp();
    const first = await startProxy(lab.proxy);
    const open = await all.open();
    await open.side.set({ ...reference(lab.proxy), pid: first.pid }, node);
    expect(await lab.client.get(lab.server.ipv4)).toMatchObject({ server: 'server' });
    await first.stop('SIGKILL');
    // No descriptor of the engine's keeps them.
    expect(listeningPorts(lab.proxy)).toEqual([]);
    await until('away', () => open.side.state?.status === 'away');
    expect(open.side.state).toMatchObject({ pid: undefined, listeners: [] });
    expect(open.side.state?.missing).toContain('outbound ipv4: nothing listens on tcp port 15001');
    await fails(lab);
    expect(steered(open).noListener).toBeGreaterThan(0);
    expect((await open.side.check()).map(({ what }) => what)).toContain(
      'outbound ipv4: nothing listens on tcp port 15001',
    );
    // Known as it is, it may be set again while it is away.
    expect(await open.side.set({ ...reference(lab.proxy) }, node)).toMatchObject({ status: 'away' });

    const second = await startProxy(lab.proxy);
    await until('back', () => open.side.state?.status === 'listening');
    expect(open.side.state?.pid).toBe(second.pid);
    for (const family of FAMILIES)
      expect(await lab.client.get(lab.server.address(family))).toMatchObject({ server: 'server' });
    // It opens its listeners one after the other: each look may find more of them.
    await until('whole', () => open.side.state?.missing.length === 0);
    expect([...new Set(told.map(({ status }) => status))]).toEqual(['away', 'listening']);
    expect(purposes(second)).toEqual(['outbound', 'outbound']);
    expect(await open.side.check()).toEqual([]);
  });

  test('a descriptor that is kept would keep the listener: the proof that none is', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const proxy = await startProxy(lab.proxy);
    const open = await all.open();
    const fds = sys.fds.open().length;
    await open.side.set({ ...reference(lab.proxy), pid: proxy.pid }, node);
    // The program, and the watch over the process.
    const added = sys.fds
      .open()
      .slice(fds)
      .map(({ what }) => what);
    expect(added.filter((what) => !what.includes('program'))).toEqual([`process ${proxy.pid}`]);
    const taken = await takeListeners(sys, proxy.pid, { netns: lab.proxy.netns });
    await proxy.stop('SIGKILL');
    expect(listeningPorts(lab.proxy)).toHaveLength(8);
    for (const listener of taken) listener.close();
    expect(listeningPorts(lab.proxy)).toEqual([]);
  });
});

describeWith([root, tool('haproxy')], 'the watch over HAProxy', () => {
  test('a master and its worker, two sockets a purpose; restarted, it is found again', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await lab.server.serveHttp();
    const first = await startHaproxy(lab.proxy);
    const open = await all.open();
    const state = await open.side.set({ ...reference(lab.proxy), pid: first.pid }, node);
    expect(state).toMatchObject({
      status: 'listening',
      missing: ['dnsUdp ipv4: nothing listens on udp port 15053', 'dnsUdp ipv6: nothing listens on udp port 15053'],
    });
    for (const family of FAMILIES) {
      expect(await lab.client.get(lab.server.address(family))).toMatchObject({ client: lab.client.address(family) });
      expect(await lab.outsider.get(lab.server.address(family))).toMatchObject({
        client: lab.outsider.address(family),
      });
    }
    expect(steered(open)).toEqual({ outbound: 2, plaintext: 2 });
    await first.stop('SIGKILL');
    await until('away', () => open.side.state?.status === 'away');
    const second = await startHaproxy(lab.proxy);
    await until('back', () => open.side.state?.pid === second.pid);
    for (const family of FAMILIES)
      expect(await lab.client.get(lab.server.address(family))).toMatchObject({ server: 'server' });
  });
});
