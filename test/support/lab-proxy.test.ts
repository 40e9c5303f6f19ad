import { openSys, type Sys } from 'netlink-tc';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import { applySettings, planSettings } from '../../packages/ambient-redirect/src/node/index.ts';
import { Host } from '../../packages/ambient-redirect/src/topology/index.ts';
import { createLab, type Lab } from './lab.ts';
import { steer } from './lab-steer.ts';
import { haproxySessions, listeningPorts, proxyEvents, startHaproxy, startProxy } from './lab-proxy.ts';
import { describeWith, root, tool } from './needs.ts';

async function labWithSettings(sys: Sys): Promise<Lab> {
  const lab = await createLab(sys);
  const host = new Host(sys, { path: lab.node.path });
  onTestFinished(async () => {
    host.close();
    await lab.close();
  });
  const target = { host, hostInterface: 'v-proxy', proxy: lab.proxy, proxyInterface: 'eth0' };
  await applySettings(target, await planSettings(target));
  await steer(lab);
  await lab.server.serveHttp(15001);
  return lab;
}

describeWith([root, tool('haproxy')], 'HAProxy in a lab', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test('takes steered connections and keeps the source address, both families; fails closed without', async () => {
    const lab = await labWithSettings(sys);
    const haproxy = await startHaproxy(lab.proxy);
    for (const family of ['ipv4', 'ipv6'] as const) {
      const seen = await lab.client.get(lab.server.address(family), 15001);
      expect(seen).toMatchObject({ server: 'server', client: lab.client.address(family), destinationPort: 15001 });
    }
    expect(listeningPorts(lab.proxy)).toHaveLength(7);
    expect(await haproxySessions(lab.proxy)).toMatchObject({ outbound4: 1, outbound6: 1, plaintext4: 0, hbone6: 0 });
    await haproxy.stop('SIGKILL');
    // Not refused: the kernel resets nothing from an address that is not its own.
    await expect(lab.client.get(lab.server.ipv4, 15001, { timeoutMs: 300 })).rejects.toThrow('timeout');
  });
});

describeWith([root], 'the proxy as a process', () => {
  let sys: Sys;
  beforeAll(async () => {
    sys = await openSys();
  });

  test('says what it took, ends in order on SIGTERM, and leaves no listener when it is killed', async () => {
    const lab = await labWithSettings(sys);
    const proxy = await startProxy(lab.proxy);
    for (const family of ['ipv4', 'ipv6'] as const) {
      const seen = await lab.client.get(lab.server.address(family), 15001);
      expect(seen).toMatchObject({ server: 'server', client: lab.client.address(family), destinationPort: 15001 });
    }
    await proxy.until('tells both ends', () => proxyEvents(proxy).filter(({ event }) => event === 'end').length === 2);
    expect(proxyEvents(proxy).filter(({ event }) => event === 'connection')).toMatchObject([
      {
        purpose: 'outbound',
        source: { address: lab.client.ipv4 },
        destination: { address: lab.server.ipv4, port: 15001 },
      },
      {
        purpose: 'outbound',
        source: { address: lab.client.ipv6 },
        destination: { address: lab.server.ipv6, port: 15001 },
      },
    ]);
    await proxy.stop('SIGTERM');
    expect(await proxy.ended()).toBe(0);
    expect(proxyEvents(proxy).at(-1)).toMatchObject({
      event: 'counters',
      accepted: { outbound: 2 },
      active: 0,
      failed: 0,
    });

    const second = await startProxy(lab.proxy);
    await second.stop('SIGKILL');
    expect(listeningPorts(lab.proxy)).toEqual([]);
  });
});
