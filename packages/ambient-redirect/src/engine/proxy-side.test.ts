import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { fails, proxyLab, purposes, reference, steered, traces, until } from '../../test/proxy-lab.ts';

// Processes are started, which takes some seconds on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const FAMILIES = ['ipv4', 'ipv6'] as const;

describeWith([root], "the proxy's side", () => {
  test('each connection finds its listener, both families; the second time nothing is changed', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await lab.server.serveHttp();
    await lab.server.serveHttp(15008);
    const proxy = await startProxy(lab.proxy);
    const open = await all.open();
    expect(open.side.state).toBeUndefined();
    const state = await open.side.set({ ...reference(lab.proxy), pid: proxy.pid }, node);
    expect(state).toMatchObject({
      netnsInode: String(lab.proxy.netns.inode),
      pid: proxy.pid,
      hostInterface: { index: 13, name: 'v-proxy' },
      ownInterface: { index: 2, name: 'eth0' },
      addresses: { ipv4: ['10.244.7.7'], ipv6: ['fd00:7::7'] },
      steering: { mode: 'sk_lookup' },
      tags: undefined,
      status: 'listening',
      missing: [],
    });
    expect(state.listeners.map(({ purpose, family, port }) => `${purpose} ${family} ${port}`)).toEqual([
      'outbound ipv4 15001',
      'outbound ipv6 15001',
      'hbone ipv4 15008',
      'hbone ipv6 15008',
      'plaintext ipv4 15006',
      'plaintext ipv6 15006',
      'dnsTcp ipv4 15053',
      'dnsTcp ipv6 15053',
      'dnsUdp ipv4 15053',
      'dnsUdp ipv6 15053',
    ]);
    for (const family of FAMILIES) {
      const to = lab.server.address(family);
      expect(await lab.client.get(to)).toMatchObject({
        server: 'server',
        client: lab.client.address(family),
        destinationPort: 80,
      });
      expect(await lab.client.get(to, 15008)).toMatchObject({ destinationPort: 15008 });
      expect(await lab.outsider.get(to)).toMatchObject({ client: lab.outsider.address(family) });
      expect(await lab.outsider.get(to, 15008)).toMatchObject({ destinationPort: 15008 });
    }
    const each = ['outbound', 'outbound', 'plaintext', 'hbone'];
    expect(purposes(proxy)).toEqual([...each, ...each]);
    expect(steered(open)).toEqual({ outbound: 4, plaintext: 2, hbone: 2 });

    const before = await traces(all);
    expect(await open.side.check()).toEqual([]);
    expect(await open.side.set({ ...reference(lab.proxy), pid: proxy.pid }, node)).toEqual(state);
    expect(await open.side.reconcile(node)).toEqual([]);
    expect(await traces(all)).toBe(before);
    expect(all.told).toEqual([]);

    // What is sent to the proxy itself is none of this.
    await lab.proxy.serveHttp(9100);
    expect(await lab.client.get(lab.proxy.ipv4, 9100)).toMatchObject({ server: 'proxy' });
    expect(await lab.client.get(lab.proxy.ipv6, 9100)).toMatchObject({ server: 'proxy' });
    expect(steered(open)).toEqual({ outbound: 4, plaintext: 2, hbone: 2 });
  });

  test('who is no proxy is refused with what was found, and nothing is changed', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const before = await traces(all);
    const open = await all.open();
    const set = (pid?: number): Promise<unknown> =>
      open.side.set({ ...reference(lab.proxy), ...(pid !== undefined && { pid }) }, node);
    await expect(set()).rejects.toMatchObject({
      code: 'ERR_PROXY_NOT_LISTENING',
      message: expect.stringContaining('nothing listens on tcp port 15001') as string,
    });
    const gone = lab.proxy.spawn(['true']);
    await gone.ended();
    await expect(set(gone.pid)).rejects.toMatchObject({
      code: 'ERR_PROXY_NOT_LISTENING',
      message: expect.stringContaining(`there is no process ${gone.pid}`) as string,
    });
    const proxy = await startProxy(lab.proxy);
    const idle = lab.proxy.spawn(['sleep', '60']);
    await until('sleeps', () => idle.running);
    await expect(set(idle.pid)).rejects.toMatchObject({
      code: 'ERR_PROXY_NOT_LISTENING',
      message: expect.stringContaining(`process ${idle.pid} does not listen`) as string,
    });
    await expect(set(-1)).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    await expect(open.side.set({ netns: { path: '/run/netns/none' } }, node)).rejects.toMatchObject({
      code: 'ERR_NETNS_GONE',
    });
    expect(open.side.state).toBeUndefined();
    expect(await traces(all)).toBe(before);
    // Without an id it is whoever listens.
    expect(await open.side.set(reference(lab.proxy), node)).toMatchObject({ status: 'listening', pid: proxy.pid });
  });

  test('a listener for IPv4 that is not transparent is refused with what to do', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    for (const port of [15001, 15006]) await lab.proxy.serveHttp(port);
    const open = await all.open();
    // Those for IPv6 will do, and it is told what IPv4 lacks.
    const state = await open.side.set(reference(lab.proxy), node);
    expect(state.status).toBe('listening');
    expect(state.missing).toContain('outbound ipv4: 0.0.0.0 is not transparent');
    expect(state.listeners.filter(({ family }) => family === 'ipv4')).toEqual([]);
  });

  test('the process is told by a file, or a function', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const file = join(tempDir(), 'pid');
    const proxy = await startProxy(lab.proxy);
    const open = await all.open();
    writeFileSync(file, `${proxy.pid}\n`);
    expect(await open.side.set({ ...reference(lab.proxy), pid: file }, node)).toMatchObject({ pid: proxy.pid });
    expect(await open.side.set({ ...reference(lab.proxy), pid: () => proxy.pid }, node)).toMatchObject({
      pid: proxy.pid,
    });
    writeFileSync(file, 'nonsense');
    await expect(open.side.set({ ...reference(lab.proxy), pid: file }, node)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
    // It is what it was.
    expect(open.side.state).toMatchObject({ status: 'listening', pid: proxy.pid });
  });

  test('the next process takes over, and the traffic never stops; the one after finds the proxy restarted', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await lab.server.serveHttp();
    const proxy = await startProxy(lab.proxy);
    const first = await all.open();
    const state = await first.side.set({ ...reference(lab.proxy), pid: proxy.pid }, node);
    await first.close();
    expect(await lab.client.get(lab.server.ipv4)).toMatchObject({ server: 'server' });
    const second = await all.open();
    expect(second.side.state).toEqual(state);
    expect(await second.side.reconcile(node)).toEqual([]);
    await second.close();
    await proxy.stop('SIGKILL');
    const successor = await startProxy(lab.proxy);
    const third = await all.open();
    expect(third.side.state).toMatchObject({ status: 'listening', pid: successor.pid });
    expect(await lab.client.get(lab.server.ipv6)).toMatchObject({ server: 'server' });
    expect(purposes(successor)).toEqual(['outbound']);
  });

  test.each(['sk_lookup', 'tproxy'] as const)(
    'what ends half-way is finished by the next, or taken away: %s',
    async (mode) => {
      const sys = await testSys();
      const all = await proxyLab(sys, { steer: mode });
      const { lab, node } = all;
      const before = await traces(all);
      await startProxy(lab.proxy);
      const dies = (): never => {
        throw new Error('ends here');
      };
      for (const finish of [true, false]) {
        const first = await all.open({ programs: { steer: dies, tproxy: dies } });
        await expect(first.side.set(reference(lab.proxy), node)).rejects.toThrow('ends here');
        await first.close();
        const next = await all.open();
        if (finish) await next.side.reconcile(node);
        expect((await next.side.check()).length).toBe(finish ? 0 : 1);
        expect(await next.side.restore()).toEqual([]);
        expect(await traces(all)).toBe(before);
        expect(next.directory.linkNames()).toEqual([]);
        await next.close();
      }
    },
  );

  test('what others break is found and mended', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await startProxy(lab.proxy);
    const open = await all.open();
    const { side, directory } = open;
    await side.set(reference(lab.proxy), node);
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    await lab.proxy.exec('ip', '-6', 'rule', 'del', 'priority', '20000');
    directory.maps.listeners.delete(0);
    using link = directory.openLink('steer');
    link?.detach();
    const found = await side.check();
    expect(found.map(({ what }) => what)).toEqual(
      expect.arrayContaining([
        'net/ipv4/conf/all/forwarding of the proxy',
        'ipv6 rule 20000: iif eth0 lookup 100',
        'ztunnel_steer of the proxy',
        'the slot of the listener outbound ipv4',
      ]),
    );
    expect(await side.reconcile(node)).toEqual(found);
    expect(await side.check()).toEqual([]);
  });

  test('cleared, nobody is steered to, and nothing passes; restored, all is as it was', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    lab.proxy.sysctl('ipv6/conf/all/forwarding', '1');
    const before = await traces(all);
    await lab.server.serveHttp();
    await startProxy(lab.proxy);
    const open = await all.open();
    const { side, directory } = open;
    await side.set(reference(lab.proxy), node);
    await side.clear();
    expect(side.state).toBeUndefined();
    expect(directory.linkNames()).toEqual([]);
    expect([...Array(10).keys()].filter((slot) => directory.maps.listeners.lookup(slot) !== undefined)).toEqual([]);
    await fails(lab);
    expect(await side.check()).toEqual([]);
    await side.clear();
    expect(await side.restore()).toEqual([]);
    expect(await traces(all)).toBe(before);
    expect(directory.records.names()).toEqual(['schema']);
    expect(await side.restore()).toEqual([]);
    // It forwards as it did.
    expect(await lab.client.get(lab.server.ipv4)).toMatchObject({ client: lab.client.ipv4 });
  });

  test('another namespace takes over; the one before keeps what steers to it until all pods know, and is put back when it has ended', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    lab.proxy.sysctl('ipv4/conf/all/forwarding', '1');
    const before = await traces(all);
    await startProxy(lab.proxy);
    await startProxy(lab.outside);
    const open = await all.open();
    const { side, directory } = open;
    await side.set(reference(lab.proxy), node);
    // Not a pod by its address, but one by its interface.
    const state = await side.set(reference(lab.outside), node);
    expect(state).toMatchObject({ hostInterface: { name: 'eth0' }, status: 'listening' });
    const inodes = (): (number | undefined)[] =>
      ['steer', 'steer-1'].map((name) => {
        using link = directory.openLink(name);
        return link?.info().netnsInode;
      });
    const [old, now] = [lab.proxy, lab.outside].map(({ netns }) => Number(netns.inode));
    expect(inodes().toSorted()).toEqual([old, now].toSorted());
    expect(side.leaving).toMatchObject({ hostInterface: { name: 'v-proxy' }, moved: false });
    side.move();
    expect(await side.settle()).toEqual([]);
    expect(inodes().filter((inode) => inode !== undefined)).toEqual([now]);
    // As long as hooks may lead there it does not forward.
    expect(lab.proxy.sysctl('ipv4/conf/all/forwarding')).toBe('0');
    expect(await lab.proxy.exec('ip', 'rule')).toContain('20000');
    expect(await side.connectionsLeft()).toBe(0);
    await side.endLeaving();
    expect(await side.settle()).toEqual([]);
    expect(lab.proxy.sysctl('ipv4/conf/all/forwarding')).toBe('1');
    expect(await lab.proxy.exec('ip', 'rule')).not.toContain('20000');
    expect(await side.check()).toEqual([]);
    expect(await side.restore()).toEqual([]);
    expect(await traces(all)).toBe(before);
  });

  test('another namespace that cannot be had leaves the proxy as it is', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await startProxy(lab.proxy);
    await startProxy(lab.outside);
    const before = await traces(all);
    const first = await all.open();
    const state = await first.side.set(reference(lab.proxy), node);
    const set = await traces(all);
    // Someone else's.
    await lab.outside.exec('ip', 'rule', 'add', 'priority', '20000', 'lookup', '200');
    await expect(first.side.set(reference(lab.outside), node)).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    await lab.outside.exec('ip', 'rule', 'del', 'priority', '20000');
    expect([first.side.state, first.side.leaving]).toEqual([state, undefined]);
    expect(await first.side.settle()).toEqual([]);
    expect(await first.side.check()).toEqual([]);
    expect(await traces(all)).toBe(set);
    await first.close();

    // Or it ends half-way: nothing of the old one is put back, until the next has gone on.
    const dies = (): never => {
      throw new Error('ends here');
    };
    const second = await all.open({ programs: { steer: dies, tproxy: dies } });
    await expect(second.side.set(reference(lab.outside), node)).rejects.toThrow('ends here');
    expect(second.side.leaving).toBeUndefined();
    expect(await second.side.settle()).toEqual([]);
    expect(await lab.proxy.exec('ip', 'rule')).toContain('20000');
    expect(second.directory.linkNames()).toEqual(['steer']);
    await second.close();
    const third = await all.open();
    await third.side.reconcile(node);
    expect(third.side.state?.hostInterface.name).toBe('eth0');
    expect(third.side.leaving).toMatchObject({ hostInterface: { name: 'v-proxy' }, moved: false });
    expect(await third.side.restore()).toEqual([]);
    expect(third.directory.linkNames()).toEqual([]);
    expect(await traces(all)).toBe(before);
  });

  test('the namespace goes: it is away, and taking it all away still works', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const proxy = await startProxy(lab.proxy);
    const open = await all.open();
    await open.side.set(reference(lab.proxy), node);
    await proxy.stop('SIGKILL');
    await lab.proxy.close();
    // The kernel takes a namespace apart some time later.
    await until('gone', () => open.side.state?.missing[0] === "the proxy's network namespace is gone");
    expect((await open.side.check()).map(({ what }) => what)).toEqual(["the proxy's network namespace"]);
    expect(await open.side.restore()).toEqual([]);
    expect(open.directory.linkNames()).toEqual([]);
  });
});
