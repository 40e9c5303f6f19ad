import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import type { Sys } from 'netlink-tc';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import type { Lab } from '../../../../test/support/lab.ts';
import { listeningPorts, startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { fails, proxyLab, purposes, reference, steered, tagPackets, until, without } from '../../test/proxy-lab.ts';
import { TransparentProxy } from '../proxy/index.ts';
import { encodeSockaddr, openSocket, setSocketOption } from '../proxy/sockets.ts';

// Processes are started, which takes some seconds on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const FAMILIES = ['ipv4', 'ipv6'] as const;

/** A listener for both families in the proxy's namespace, that shares its port with others, and how many connections it took. */
async function dualStack(sys: Sys, { netns }: LabHost, port: number): Promise<{ fd: number; taken: () => number }> {
  const fd = openSocket(sys, netns, { protocol: 'tcp', family: 'ipv6', transparent: true });
  // SO_REUSEPORT, IPV6_V6ONLY.
  setSocketOption(sys, fd, 1, 15, 1);
  setSocketOption(sys, fd, 41, 26, 0);
  const address = encodeSockaddr(sys, { address: '::', port });
  expect(sys.call('bind', fd.number, address, address.length)).toBe(0);
  let count = 0;
  const server = createServer((socket) => {
    count += 1;
    // What it was meant for, as this host sees it.
    socket.on('error', () => undefined).end(String(socket.localAddress));
  });
  onTestFinished(() => void server.close());
  const number = fd.release();
  server.listen({ fd: number });
  await once(server, 'listening');
  return { fd: number, taken: () => count };
}

/** Connects from the client to the server, and reads what whoever takes it says. */
async function ask({ client, server }: Lab, family: 'ipv4' | 'ipv6'): Promise<string> {
  const socket = client.connect({ to: { address: server.address(family), port: 80 } });
  const [answer] = (await once(socket, 'data')) as [Uint8Array];
  socket.destroy();
  return answer.toString();
}

describeWith([root], 'steering by sk_lookup', () => {
  test('DNS finds its sockets where it is asked for, and is put on and off in place', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await using _proxy = await TransparentProxy.open(sys, lab.proxy.netns);
    const resolver = createSocket('udp4');
    resolver.bind({
      fd: openSocket(sys, lab.server.netns, {
        protocol: 'udp',
        family: 'ipv4',
        bind: { address: '0.0.0.0', port: 53 },
      }).release(),
    });
    onTestFinished(() => void resolver.close());
    resolver.on('message', (query, { address, port }) => resolver.send(`${query} from ${address}`, port, address));
    const open = await all.open();
    await open.side.set(reference(lab.proxy), node, { dns: true });
    const client = createSocket('udp4');
    client.bind({
      fd: openSocket(sys, lab.client.netns, {
        protocol: 'udp',
        family: 'ipv4',
        bind: { address: lab.client.ipv4, port: 0 },
      }).release(),
    });
    onTestFinished(() => void client.close());
    client.send('query', 53, lab.server.ipv4);
    const [answer] = (await once(client, 'message')) as [Uint8Array];
    // The forwarder asks from the proxy's own address.
    expect(answer.toString()).toBe(`query from ${lab.proxy.ipv4}`);
    expect(steered(open)).toEqual({ dns: 1 });
    const [id] = open.side.programIds;
    await open.side.update(node, { dns: false });
    expect(open.side.programIds).not.toEqual([id]);
    await open.side.update(node, { dns: true });
    expect(open.side.programIds).toEqual([id]);
    client.send('again', 53, lab.server.ipv4);
    await once(client, 'message');
    expect(steered(open)).toEqual({ dns: 2 });
  });

  test('one socket serves both families', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const [outbound, plaintext] = [await dualStack(sys, lab.proxy, 15001), await dualStack(sys, lab.proxy, 15006)];
    const open = await all.open();
    const state = await open.side.set(reference(lab.proxy), node);
    expect(state.listeners.map(({ purpose, family, address }) => `${purpose} ${family} ${address}`)).toEqual([
      'outbound ipv4 ::',
      'outbound ipv6 ::',
      'plaintext ipv4 ::',
      'plaintext ipv6 ::',
      'dnsTcp ipv4 ::',
      'dnsTcp ipv6 ::',
    ]);
    expect(await ask(lab, 'ipv4')).toBe(`::ffff:${lab.server.ipv4}`);
    expect(await ask(lab, 'ipv6')).toBe(lab.server.ipv6);
    expect([outbound.taken(), plaintext.taken()]).toEqual([2, 0]);
  });

  test('one proxy hands over to another on the same ports: not one connection goes to the old one', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    const old = [await dualStack(sys, lab.proxy, 15001), await dualStack(sys, lab.proxy, 15006)];
    const open = await all.open();
    await open.side.set({ ...reference(lab.proxy), listeners: old }, node);
    expect(await ask(lab, 'ipv4')).not.toBe('');
    const fresh = [await dualStack(sys, lab.proxy, 15001), await dualStack(sys, lab.proxy, 15006)];
    const askMany = async (): Promise<(number | undefined)[]> => {
      for (let i = 0; i < 8; i += 1) await Promise.all([ask(lab, 'ipv4'), ask(lab, 'ipv6')]);
      return [old, fresh].map(([outbound]) => outbound?.taken());
    };
    await open.side.set({ ...reference(lab.proxy), listeners: fresh }, node);
    const [spread = 0] = await askMany();
    // Else the kernel spreads them over all that share the port.
    expect(spread).toBeGreaterThan(1);
    await open.side.update(node, { handover: true });
    expect(await askMany()).toEqual([spread, 33 - spread]);
    expect(await open.side.refill()).toMatchObject({ status: 'listening' });
    expect(await askMany()).toEqual([spread, 49 - spread]);
  });

  test('listeners are handed over: no process is looked into', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node, settings } = all;
    await lab.server.serveHttp();
    const proxy = await TransparentProxy.open(sys, lab.proxy.netns);
    onTestFinished(() => proxy.close());
    // As for a process without CAP_SYS_PTRACE.
    const blind = without(sys, 'pidfd_getfd', constants.errno.EPERM);
    const open = await all.open({ sys: blind, settings: { ...settings, steer: 'sk_lookup' } });
    await expect(open.side.set({ ...reference(lab.proxy), pid: process.pid }, node)).rejects.toMatchObject({
      code: 'ERR_PERMISSION',
      message: expect.stringContaining('CAP_SYS_PTRACE') as string,
    });
    expect(open.side.state).toBeUndefined();
    expect(await lab.proxy.exec('ip', 'rule')).not.toContain('20000');
    const state = await open.side.set({ ...reference(lab.proxy), listeners: proxy.listeners }, node);
    expect(state).toMatchObject({ status: 'listening', steering: { mode: 'sk_lookup' } });
    expect(state.listeners).toHaveLength(10);
    for (const family of FAMILIES)
      expect(await lab.client.get(lab.server.address(family))).toMatchObject({ server: 'server' });
    expect(proxy.counters.accepted.outbound).toBe(2);
    // They are in their slots: nothing has to be taken to look again.
    expect(await open.side.refill()).toMatchObject({ status: 'listening' });
    expect(await open.side.check()).toEqual([]);
    await expect(open.side.set({ ...reference(lab.proxy), listeners: [{ fd: 0 }] }, node)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
      message: expect.stringContaining('descriptor 0 is no listening socket') as string,
    });
    await proxy.close();
    expect(listeningPorts(lab.proxy)).toEqual([]);
    expect(await open.side.refill()).toMatchObject({ status: 'away', listeners: [] });
  });
});

describeWith([root], 'steering by tproxy', () => {
  test.each(['tcx', 'clsact'] as const)('sockets are found by their port: %s', async (attach) => {
    const sys = await testSys();
    const all = await proxyLab(sys, { attach, steer: 'tproxy' });
    const { lab, node } = all;
    await lab.server.serveHttp();
    await lab.server.serveHttp(15008);
    const proxy = await startProxy(lab.proxy);
    const open = await all.open();
    const state = await open.side.set(reference(lab.proxy), node);
    expect(state).toMatchObject({ steering: { mode: 'tproxy', reason: 'it is asked for' }, status: 'listening' });
    const { tags } = state;
    if (tags === undefined) throw new Error('no tags');
    for (const [mac, each] of [
      [tags.outbound, ['outbound', 'outbound']],
      [tags.inbound, ['plaintext', 'hbone']],
    ] as const) {
      await tagPackets(lab, mac);
      for (const family of FAMILIES) {
        const before = purposes(proxy).length;
        expect(await lab.client.get(lab.server.address(family))).toMatchObject({ client: lab.client.address(family) });
        expect(await lab.client.get(lab.server.address(family), 15008)).toMatchObject({ server: 'server' });
        expect(purposes(proxy).slice(before)).toEqual(each);
      }
    }
    expect(await open.side.set(reference(lab.proxy), node)).toEqual(state);
    expect(await open.side.check()).toEqual([]);
    await open.close();

    // The tags stay: programs elsewhere have them.
    const next = await all.open();
    expect(next.side.state).toEqual(state);
    expect(await next.side.reconcile(node)).toEqual([]);
    await proxy.stop('SIGKILL');
    await until('away', () => next.side.state?.status === 'away');
    await fails(lab);
    await startProxy(lab.proxy);
    await until('back', () => next.side.state?.status === 'listening');
    expect(await lab.client.get(lab.server.ipv6)).toMatchObject({ server: 'server' });
    expect(await next.side.restore()).toEqual([]);
    expect(await lab.proxy.exec('tc', 'qdisc', 'show', 'dev', 'eth0')).not.toContain('clsact');
    expect(next.directory.linkNames()).toEqual([]);
  });

  test('it is taken by itself where the listeners cannot be, and left when they can', async () => {
    const sys = await testSys();
    const all = await proxyLab(sys);
    const { lab, node } = all;
    await startProxy(lab.proxy);
    const blind = await all.open({ sys: without(sys, 'pidfd_getfd', constants.errno.EPERM) });
    const state = await blind.side.set(reference(lab.proxy), node);
    expect(state.steering).toMatchObject({
      mode: 'tproxy',
      reason: expect.stringContaining('CAP_SYS_PTRACE') as string,
    });
    expect(state.status).toBe('listening');
    await blind.close();
    const seeing = await all.open();
    expect(seeing.side.state).toEqual(state);
    expect(await seeing.side.set(reference(lab.proxy), node)).toMatchObject({
      steering: { mode: 'sk_lookup' },
      tags: undefined,
    });
    expect(seeing.directory.linkNames()).toEqual(['steer']);
    expect(await seeing.side.check()).toEqual([]);
  });
});
