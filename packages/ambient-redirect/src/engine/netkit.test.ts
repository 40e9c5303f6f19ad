import { addAddress, addLink, addRoute, deleteLink, IFA_F, isNetlinkTcError, setLink } from 'netlink-tc';
import { existsSync, readFileSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { createLab, GATEWAY, POD_CIDR } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { RedirectEngine } from './index.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const ETH0 = 2;

type Mode = 'l2' | 'l3';

/** Joins a pod of a lab by a pair of netkit interfaces, in place of its veth. */
async function rejoin(node: LabHost, pod: LabHost, mode: Mode): Promise<void> {
  const { hostInterface: name, hostIndex: device, ipv4, ipv6 } = pod;
  await node.socket.request(deleteLink(name));
  const peer = { name: 'eth0', index: ETH0, netns: { fd: pod.netns.fd } };
  await node.socket.request(addLink({ kind: 'netkit', name, index: device, data: { mode }, peer }));
  await pod.socket.batch([
    setLink('eth0', { up: true }),
    addAddress({ device: ETH0, address: `${ipv4}/32` }),
    addAddress({ device: ETH0, address: `${ipv6}/128`, flags: IFA_F.NODAD }),
  ]);
  await node.socket.batch([
    setLink(name, { up: true }),
    addAddress({ device, address: GATEWAY.ipv4, scope: 'global' }),
    addAddress({ device, address: `${GATEWAY.ipv6}/64`, scope: 'link', flags: IFA_F.NODAD }),
    addRoute({ destination: ipv4, device, scope: 'link' }),
    addRoute({ destination: ipv6, device }),
  ]);
  await pod.socket.batch([
    addRoute({ destination: GATEWAY.ipv4, device: ETH0, scope: 'link', preferredSource: ipv4 }),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv4, device: ETH0 }),
    addRoute({ destination: 'default', gateway: GATEWAY.ipv6, device: ETH0 }),
  ]);
}

/** Whether the kernel has netkit, found out by making one. @throws Error when it is refused for another reason than that there is no such kind */
async function hasNetkit(node: LabHost): Promise<boolean> {
  try {
    await node.socket.request(addLink({ kind: 'netkit', name: 'nk', index: 99, peer: { name: 'nk-peer' } }));
  } catch (error) {
    if (!isNetlinkTcError(error) || error.kernelMessage !== 'Unknown device type') throw error;
    // A kernel without modules has no such file.
    if (existsSync('/proc/modules') && /^netkit /m.test(readFileSync('/proc/modules', 'utf8'))) throw error;
    return false;
  }
  await node.socket.request(deleteLink('nk'));
  return true;
}

describeWith([root], 'pods on netkit', () => {
  test.each<{ mode: Mode; attach: 'tcx' | 'clsact' }>([
    { mode: 'l2', attach: 'tcx' },
    { mode: 'l3', attach: 'tcx' },
    { mode: 'l3', attach: 'clsact' },
  ])('of $mode, by $attach: redirected both ways; or the kernel knows of no netkit', async ({ mode, attach }) => {
    const sys = await testSys();
    const lab = await createLab(sys);
    onTestFinished(() => lab.close());
    const { node, client, server, outsider, proxy } = lab;
    if (!(await hasNetkit(node))) return;
    await rejoin(node, client, mode);
    await rejoin(node, server, mode);
    await Promise.all([server, outsider].map((host) => host.serveHttp()));
    // What the pair does by itself comes first: the rest is no test of ours where this fails.
    for (const family of FAMILIES) expect((await client.get(server.address(family))).server).toBe('server');

    const running = await startProxy(proxy);
    const engine = await RedirectEngine.open({
      sys,
      directory: statePath(sys),
      host: { fd: node.netns.fd },
      podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
      attach,
    });
    onTestFinished(() => engine.teardown().then(() => undefined));
    await engine.setProxy({ netns: { fd: proxy.netns.fd }, pid: running.pid });
    const enrolled = await engine.enroll(
      [client, server].map(({ name, netns: { fd } }) => ({ id: name, netns: { fd } })),
    );
    expect(enrolled.map(({ attached }) => attached)).toEqual([attach, attach]);

    const taken = async (): Promise<readonly bigint[]> => {
      const { steered } = await engine.metrics();
      return [steered.outbound, steered.plaintext];
    };
    for (const family of FAMILIES) {
      const [outbound = 0n, plaintext = 0n] = await taken();
      const reach = async (from: LabHost, to: LabHost): Promise<void> => {
        const seen = await from.get(to.address(family));
        expect(seen).toMatchObject({ server: to.name });
        expect(seen.client.replace('::ffff:', '')).toBe(from.address(family));
      };
      await reach(client, server);
      await reach(client, outsider);
      expect(await taken()).toEqual([outbound + 2n, plaintext]);
      await reach(outsider, server);
      expect(await taken()).toEqual([outbound + 2n, plaintext + 1n]);
      // By whichever of its addresses.
      expect((await node.get(server.address(family))).server).toBe('server');
      expect(await taken()).toEqual([outbound + 2n, plaintext + 1n]);
    }
    expect(await engine.status()).toMatchObject({ ok: true, deviations: [] });
  });
});
