import { closeSync, openSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  addAddress,
  addLink,
  createAnonymousNetns,
  createNetns,
  deleteNetns,
  openSys,
  setLink,
  type Sys,
} from 'netlink-tc';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createLab, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { hostAddresses } from './addresses.ts';
import { Host } from './host.ts';
import { resolvePod } from './resolve.ts';

describeWith([root], 'topology of real pods', () => {
  let sys: Sys;
  let lab: Lab;
  let host: Host;
  beforeAll(async () => {
    sys = await openSys({ traceFds: true });
    lab = await createLab(sys);
    host = new Host(sys, { path: lab.node.path });
  });
  const close = async (): Promise<void> => {
    host.close();
    await lab.close();
  };
  afterAll(close);

  test('a routed pod by namespace: both ends, addresses, ids', async () => {
    const { client } = lab;
    const found = await resolvePod(host, { netns: { path: client.path } });
    expect(found).toEqual({
      kind: 'veth',
      hostInterface: { index: client.hostIndex, name: client.hostInterface, mac: expect.any(String) as string },
      podInterface: { index: 2, name: 'eth0', mac: expect.any(String) as string },
      addresses: { ipv4: [client.ipv4], ipv6: [client.ipv6] },
      netns: { id: expect.any(Number) as number, inode: client.netns.inode },
      attachment: 'routed',
    });
    const ours = JSON.parse(await lab.node.exec('ip', '-j', 'link', 'show', client.hostInterface)) as unknown;
    const theirs = JSON.parse(await client.exec('ip', '-j', 'link', 'show', 'eth0')) as unknown;
    expect(ours).toMatchObject([{ address: found.hostInterface.mac, link_netnsid: found.netns.id, link_index: 2 }]);
    expect(theirs).toMatchObject([{ address: found.podInterface.mac, link_index: client.hostIndex }]);
  });

  test('by descriptor, process, host interface by name and index: the same answer', async () => {
    const { server } = lab;
    const expected = await resolvePod(host, { netns: { path: server.path } });
    const fd = openSync(server.path, 'r');
    expect(await resolvePod(host, { netns: { fd } })).toEqual(expected);
    closeSync(fd);
    const sleeper = server.spawn(['sleep', '60']);
    // nsenter enters before it becomes the command.
    const netns = `net:[${server.netns.inode}]`;
    await sleeper.until('in its namespace', () => readlinkSync(`/proc/${sleeper.pid}/ns/net`) === netns);
    expect(await resolvePod(host, { netns: { pid: sleeper.pid } })).toEqual(expected);
    await sleeper.stop('SIGKILL');
    const blind = { ...expected, netns: { ...expected.netns, inode: undefined } };
    expect(await resolvePod(host, { hostInterface: server.hostInterface })).toEqual(blind);
    expect(await resolvePod(host, { hostInterface: server.hostIndex })).toEqual(blind);
    expect(await resolvePod(host, { netns: { path: server.path }, hostInterface: server.hostIndex })).toEqual(expected);
  });

  test('two hundred at once', async () => {
    const references = Array.from({ length: 200 }, (_, i) => ({
      netns: { path: (i % 2 === 0 ? lab.client : lab.proxy).path },
    }));
    const found = await Promise.all(references.map((reference) => resolvePod(host, reference)));
    expect(new Set(found.map(({ hostInterface }) => hostInterface.name))).toEqual(new Set(['v-client', 'v-proxy']));
  });

  test('a pod on a bridge with several addresses, and with a second interface', async () => {
    using pod = createAnonymousNetns(sys);
    const path = `/proc/self/fd/${pod.fd}`;
    await lab.node.socket.batch([
      addLink({ kind: 'bridge', name: 'br0', index: 50, up: true }),
      addLink({
        kind: 'veth',
        name: 'v-a',
        index: 51,
        master: 50,
        up: true,
        peer: { name: 'eth0', index: 7, netns: { fd: pod.fd } },
      }),
      addLink({
        kind: 'veth',
        name: 'v-b',
        index: 52,
        up: true,
        peer: { name: 'net1', index: 8, netns: { fd: pod.fd } },
      }),
    ]);
    using inside = new Host(sys, { path });
    await inside.socket.batch([
      setLink('eth0', { up: true }),
      addAddress({ device: 7, address: '10.9.0.2/16' }),
      addAddress({ device: 7, address: '10.9.0.3/16' }),
      addAddress({ device: 7, address: 'fd09::2/64', flags: 2 }),
      addAddress({ device: 8, address: '10.10.0.2/16' }),
    ]);
    await expect(resolvePod(host, { netns: { path } })).rejects.toMatchObject({
      code: 'ERR_AMBIGUOUS_INTERFACE',
      candidates: ['eth0', 'net1'],
    });
    expect(await resolvePod(host, { netns: { path }, podInterface: 'eth0' })).toMatchObject({
      hostInterface: { index: 51 },
      podInterface: { index: 7 },
      attachment: { bridge: 50 },
      addresses: { ipv4: ['10.9.0.2', '10.9.0.3'], ipv6: ['fd09::2'] },
    });
    expect(await resolvePod(host, { hostInterface: 'v-b' })).toMatchObject({
      podInterface: { name: 'net1' },
      attachment: 'routed',
      addresses: { ipv4: ['10.10.0.2'], ipv6: [] },
    });
    const given = { netns: { path }, hostInterface: 'v-a', addresses: ['10.9.0.3'] };
    expect((await resolvePod(host, given)).addresses).toEqual({ ipv4: ['10.9.0.3'], ipv6: [] });
    await expect(resolvePod(host, { ...given, addresses: ['10.10.0.2'] })).rejects.toMatchObject({
      code: 'ERR_ADDRESS_NOT_ON_INTERFACE',
      interface: 'eth0',
      address: '10.10.0.2',
    });
    await expect(resolvePod(host, given, { taken: new Map([['10.9.0.3', 'pod b']]) })).rejects.toMatchObject({
      code: 'ERR_ADDRESS_OF_ANOTHER_POD',
      message: expect.stringContaining('pod b') as string,
    });
  });

  test('namespaces that are gone, were never one, are the host’s own, or have nothing in them', async () => {
    const name = `ambient-topology-${process.pid}`;
    createNetns(sys, name).close();
    try {
      await expect(resolvePod(host, { netns: { name } })).rejects.toMatchObject({ code: 'ERR_INTERFACE_NOT_FOUND' });
    } finally {
      deleteNetns(sys, name);
    }
    await expect(resolvePod(host, { netns: { name } })).rejects.toMatchObject({ code: 'ERR_NETNS_GONE' });
    await expect(resolvePod(host, { netns: { pid: 0x7fff_fff0 } })).rejects.toMatchObject({ code: 'ERR_NETNS_GONE' });
    const file = join(tempDir(), 'once');
    writeFileSync(file, '');
    await expect(resolvePod(host, { netns: { path: file } })).rejects.toMatchObject({ code: 'ERR_NETNS_GONE' });
    await expect(resolvePod(host, { netns: { path: lab.node.path } })).rejects.toMatchObject({
      code: 'ERR_HOST_NETNS',
    });
  });

  test('interfaces that are not there, are none of a pod, or lead elsewhere', async () => {
    await expect(resolvePod(host, { hostInterface: 'v-none' })).rejects.toMatchObject({
      code: 'ERR_INTERFACE_NOT_FOUND',
    });
    await expect(resolvePod(host, { hostInterface: 4711 })).rejects.toMatchObject({ code: 'ERR_INTERFACE_NOT_FOUND' });
    await expect(resolvePod(host, { hostInterface: 'lo' })).rejects.toMatchObject({ code: 'ERR_NOT_A_VETH' });
    await lab.node.socket.request(addLink({ kind: 'veth', name: 'both0', peer: { name: 'both1' } }));
    await expect(resolvePod(host, { hostInterface: 'both0' })).rejects.toMatchObject({ code: 'ERR_PEER_ELSEWHERE' });
    using elsewhere = new Host(sys, { path: lab.outsider.path });
    await expect(resolvePod(elsewhere, { netns: { path: lab.client.path } })).rejects.toMatchObject({
      code: 'ERR_PEER_ELSEWHERE',
    });
    const two = { netns: { path: lab.client.path }, hostInterface: lab.server.hostInterface };
    await expect(resolvePod(host, two)).rejects.toMatchObject({ code: 'ERR_PEER_ELSEWHERE' });
    await expect(resolvePod(host, {})).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  });

  test('addresses of the host', async () => {
    const { node } = lab;
    await node.socket.request(addAddress({ device: 1, address: '192.0.2.9/32' }));
    expect(await hostAddresses(host)).toEqual({ ipv4: ['10.244.7.1', node.ipv4, '192.0.2.9'], ipv6: [node.ipv6] });
  });

  test('a host that is closed', async () => {
    const closed = new Host(sys, { path: lab.node.path });
    closed.close();
    const before = sys.fds.open().length;
    await expect(resolvePod(closed, { netns: { path: lab.client.path } })).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
    expect(sys.fds.open()).toHaveLength(before);
  });

  test('nothing is left open', async () => {
    await close();
    expect(sys.fds.open()).toEqual([]);
  });
});
