/** Whom the mesh believes, and what it does when its proxy is away. */
import { once } from 'node:events';
import { expect } from 'vitest';
import type { LabHost } from '../support/lab-host.ts';
import { addNftRule, type PacketCounter } from '../support/nft.ts';
import { attempt, connectQuietly, exchange, receiveText, within } from '../support/traffic.ts';
import { GATEWAY, type Lab } from '../support/lab.ts';
import type { Mesh } from './mesh.ts';
import { EXTRA, type Row } from './scene.ts';

const PORT = 7200;
const MEGABYTE = 1 << 20;

/** What nftables calls the addresses of a family. */
const NFT_FAMILY = { ipv4: 'ip', ipv6: 'ip6' } as const;

/** Counts the SYNs that a host gets from an address. */
function countSyns(host: LabHost, family: 'ipv4' | 'ipv6', from: string): Promise<PacketCounter> {
  const match = `${NFT_FAMILY[family]} saddr ${from} tcp flags & (syn | ack) == syn`;
  return addNftRule(host, 'seen', 'prerouting', match);
}

/** Begins a connection from an address that the host does not have. */
function forge(from: LabHost, own: string, to: string): Disposable {
  const socket = from.connect({ to: { address: to, port: 80 }, from: { address: own, port: 0 }, transparent: true });
  socket.on('error', () => undefined);
  return { [Symbol.dispose]: () => socket.destroy() };
}

/** Packets that a pod sent or got, by what became of them. */
async function counted(mesh: Mesh, id: string, verdict: string): Promise<bigint> {
  const { pods } = await mesh.engine.metrics();
  const traffic = pods.find((pod) => pod.id === id)?.traffic ?? [];
  return traffic.filter((each) => each.verdict === verdict).reduce((sum, { packets }) => sum + packets, 0n);
}

/** All that must go on while no proxy is there. */
async function expectOthersServed({ node, client, server, outsider }: Lab, family: 'ipv4' | 'ipv6'): Promise<void> {
  for (const host of [node, client]) await host.exec('ip', 'neigh', 'flush', 'all');
  await client.exec('ping', '-n', '-c', '1', '-W', '1', outsider.address(family));
  expect(await node.get(server.address(family))).toMatchObject({ server: 'server' });
  expect(await client.get(node.address(family))).toMatchObject({ server: 'node' });
  expect(await client.get(EXTRA.bypassed[family])).toMatchObject({ server: 'outside' });
}

/** All that must not. */
async function expectClosed({ client, server, outsider }: Lab, family: 'ipv4' | 'ipv6'): Promise<void> {
  const inbound = attempt(outsider, { address: server.address(family), port: 80 }, 400);
  const outbound = attempt(client, { address: outsider.address(family), port: 80 }, 400);
  const between = attempt(client, { address: server.address(family), port: 80 }, 400);
  expect(await Promise.all([outbound, inbound, between])).toEqual(['timeout', 'timeout', 'timeout']);
}

async function expectOpen({ client, server, outsider }: Lab, family: 'ipv4' | 'ipv6'): Promise<void> {
  expect(await client.get(outsider.address(family))).toMatchObject({ server: 'outsider' });
  expect(await outsider.get(server.address(family))).toMatchObject({ server: 'server' });
}

/** Rows of this file. */
export const GUARDS: readonly Row[] = [
  {
    name: 'a source that is not of the pod: the packet goes nowhere',
    run: async ({ lab, mesh, takes }, family) => {
      const own = EXTRA.nobody[family];
      await using seen = await countSyns(lab.outsider, family, own);
      const before = mesh && (await counted(mesh, 'client', 'spoofed'));
      await takes(family, { outbound: 1 }, async () => {
        using _connection = forge(lab.client, own, lab.outsider.address(family));
        // What is sent later and comes by way of the proxy is there later.
        await lab.client.get(lab.outsider.address(family));
      });
      if (mesh === undefined) return expect(await seen.packets()).toBe(1);
      expect(await seen.packets()).toBe(0);
      expect(await counted(mesh, 'client', 'spoofed')).toBe((before ?? 0n) + 1n);
    },
  },
  {
    name: "SPIKES 0.7: a SYN from elsewhere with a pod's source: the packet goes nowhere",
    run: async ({ lab, mesh, takes }, family) => {
      const own = lab.client.address(family);
      await using seen = await countSyns(lab.server, family, own);
      const before = mesh && (await counted(mesh, 'server', 'spoofed'));
      await takes(family, { plaintext: 1 }, async () => {
        using _connection = forge(lab.outsider, own, lab.server.address(family));
        await lab.outsider.get(lab.server.address(family));
      });
      if (mesh === undefined) return expect(await seen.packets()).toBe(1);
      expect(await seen.packets()).toBe(0);
      // With its reverse path filter on, the node has dropped it before.
      const isFiltered = family === 'ipv4' && lab.node.sysctl('ipv4/conf/v-outsider/rp_filter') === '1';
      expect(await counted(mesh, 'server', 'spoofed')).toBe((before ?? 0n) + (isFiltered ? 0n : 1n));
    },
  },
  {
    name: 'masqueraded from outside: taken, both ways, although it comes from an address of the node',
    run: async ({ lab, takes }, family) => {
      const source = `${NFT_FAMILY[family]} saddr ${lab.outside.address(family)}`;
      await using rule = await addNftRule(lab.node, 'nat', 'masquerade', source, 'masquerade');
      await takes(family, { plaintext: 2 }, async () => {
        const seen = await lab.outside.get(lab.server.address(family));
        expect(seen.server).toBe('server');
        expect(seen.client).not.toBe(lab.outside.address(family));
        if (family === 'ipv4') expect(seen.client).toBe(GATEWAY.ipv4);
        const at = { address: lab.server.address(family), port: PORT };
        const amounts = { up: 4 * MEGABYTE, down: 4 * MEGABYTE };
        const { sent, received } = await exchange(lab.outside, lab.server, at, amounts);
        expect(received).toEqual(sent);
      });
      expect(await rule.packets()).toBe(2);
      // The node itself, from the same addresses, still passes by.
      await takes(family, {}, async () => {
        expect(await lab.node.get(lab.server.address(family))).toMatchObject({ server: 'server' });
        expect(await lab.server.get(lab.node.address(family))).toMatchObject({ server: 'node' });
      });
    },
  },
  {
    name: 'LAB 2 #4, SPIKES 0.4: the proxy is dead and its namespace forwards: nothing passes, the rest goes on',
    only: 'mesh',
    run: async ({ lab, mesh }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      await mesh.proxy.stop('SIGKILL');
      for (const name of ['ipv4', 'ipv6']) lab.proxy.sysctl(`${name}/conf/all/forwarding`, '1');
      await using atOutsider = await countSyns(lab.outsider, family, lab.client.address(family));
      await using atServer = await countSyns(lab.server, family, lab.outsider.address(family));
      await expectClosed(lab, family);
      expect(await Promise.all([atOutsider.packets(), atServer.packets()])).toEqual([0, 0]);
      await expectOthersServed(lab, family);

      // Who asks in the gap gets through by the next SYN.
      const patient = connectQuietly(lab.client, { address: lab.outsider.address(family), port: 80 });
      const connected = once(patient, 'connect');
      await mesh.startProxy();
      await within(4_000, 'the connection that was begun in the gap', connected);
      patient.destroy();
      await expectOpen(lab, family);
      expect(lab.proxy.sysctl('ipv4/conf/eth0/forwarding')).toBe('0');
      expect(lab.proxy.sysctl('ipv6/conf/all/forwarding')).toBe('0');
    },
  },
  {
    name: 'LAB 2 #5: no proxy is known: nothing passes, ARP, ICMP and the rest go on',
    only: 'mesh',
    run: async ({ lab, mesh }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      const before = await counted(mesh, 'client', 'droppedWithoutProxy');
      await mesh.engine.clearProxy();
      await expectClosed(lab, family);
      await expectOthersServed(lab, family);
      expect(await counted(mesh, 'client', 'droppedWithoutProxy')).toBeGreaterThan(before);
      await mesh.setProxy();
      await expectOpen(lab, family);
    },
  },
  {
    name: 'programs are exchanged under traffic, and nothing is lost',
    only: 'mesh',
    run: async ({ lab, mesh, takes }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      const { engine } = mesh;
      const at = { address: lab.server.address(family), port: PORT };
      await takes(family, { outbound: 1 }, async () => {
        const amounts = { up: 32 * MEGABYTE, down: 32 * MEGABYTE };
        const transfer = exchange(lab.client, lab.server, at, amounts);
        for (let i = 0; i < 3; i += 1) {
          // With events the programs are others than without.
          const events = await engine.events({ sample: 1024 });
          events.close();
          await engine.reconcile();
        }
        const { sent, received } = await transfer;
        expect(received).toEqual(sent);
      });
    },
  },
  {
    name: 'a connection that idles while the proxy goes on and the engine is asked for its status goes on',
    only: 'mesh',
    run: async ({ lab, mesh }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      await using _server = await lab.outsider.serveTcp(PORT, (socket) => socket.pipe(socket));
      const client = connectQuietly(lab.client, { address: lab.outsider.address(family), port: PORT });
      client.write('before ');
      await once(client, 'connect');
      const { ok } = await mesh.engine.status();
      expect(ok).toBe(true);
      const all = receiveText(client);
      client.end('after');
      expect(await within(2_000, 'the echo', all)).toBe('before after');
    },
  },
  {
    name: 'what pods send is counted as captured, both directions',
    only: 'mesh',
    run: async ({ lab, mesh }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      const captured = (): Promise<bigint[]> =>
        Promise.all(['client', 'server'].map((id) => counted(mesh, id, 'captured')));
      const before = await captured();
      expect((await lab.client.get(lab.outsider.address(family))).server).toBe('outsider');
      expect((await lab.outsider.get(lab.server.address(family))).server).toBe('server');
      const after = await captured();
      expect(after.every((each, i) => each > (before[i] ?? each))).toBe(true);
    },
  },
];
