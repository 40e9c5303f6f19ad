/** Pods that are delivered to, and those that are on their way out: SPIKES 0.3 and 0.6. */
import { once } from 'node:events';
import { openPinnedMap, openSys } from 'netlink-tc';
import { expect } from 'vitest';
import { podArray, POD_FLAG } from '../../packages/ambient-redirect/src/maps.ts';
import { podPlace } from '../../packages/ambient-redirect/src/programs/index.ts';
import { addNftRule } from '../support/nft.ts';
import { connectQuietly, receiveText, until, within } from '../support/traffic.ts';
import type { Mesh } from './mesh.ts';
import type { Row } from './scene.ts';

const PORT = 7400;

/** What the engine makes of the lab's prefixes: of IPv6 an array has room for the last 16 bits. */
const PREFIXES = { ipv4: '10.244.7.0/24', ipv6: 'fd00:7::/112' } as const;

/** Changes what programs know of the pod that has an address, behind the engine's back. */
async function withoutFlag({ engine }: Mesh, address: string, flag: number): Promise<void> {
  const { directory } = await engine.status();
  const place = podPlace(PREFIXES, address);
  if (!('array' in place)) throw new Error(`${address} is not of the node's own prefix`);
  using map = openPinnedMap(await openSys(), `${directory}/v1/maps/pod_array`, podArray.definition);
  const pod = map.lookup(place.array);
  if (pod === undefined || (pod.flags & flag) === 0) throw new Error(`${address} is not known so`);
  map.update(place.array, { ...pod, flags: pod.flags & ~flag });
}

/** Packets that the proxy sent to a pod, by the way that they took. */
async function fromProxy({ engine }: Mesh, id: string): Promise<Readonly<Record<'delivered' | 'fromProxy', bigint>>> {
  const { pods } = await engine.metrics();
  const traffic = pods.find((pod) => pod.id === id)?.traffic ?? [];
  const sum = (verdict: string): bigint =>
    traffic.filter((each) => each.verdict === verdict).reduce((total, { packets }) => total + packets, 0n);
  return { delivered: sum('delivered'), fromProxy: sum('fromProxy') };
}

/** Rows of this file. */
export const TRANSITIONS: readonly Row[] = [
  {
    name: 'SPIKES 0.3: what the proxy sends to a pod that is not delivered to comes by way of the node, and is not taken again',
    only: 'mesh',
    run: async ({ lab, mesh, takes }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      const address = lab.server.address(family);
      // Connection tracking of the node sees one direction only: where packets that it does not know are dropped, this way is closed.
      const { proxy } = await mesh.engine.status();
      const toServer = `ether saddr ${proxy?.ownInterface.mac} ${family === 'ipv4' ? 'ip' : 'ip6'} daddr ${address}`;
      await using _untracked = await addNftRule(lab.node, 'raw', 'prerouting', toServer, 'notrack');
      await withoutFlag(mesh, address, POD_FLAG.deliver);
      const before = await fromProxy(mesh, 'server');
      try {
        await takes(family, { plaintext: 1 }, () => lab.outsider.get(address));
      } finally {
        await mesh.engine.reconcile();
      }
      const after = await fromProxy(mesh, 'server');
      expect(after.delivered).toBe(before.delivered);
      expect(after.fromProxy).toBeGreaterThan(before.fromProxy);
      await takes(family, { plaintext: 1 }, () => lab.outsider.get(address));
      expect((await fromProxy(mesh, 'server')).delivered).toBeGreaterThan(before.delivered);
    },
  },
  {
    name: 'SPIKES 0.6: of a pod that drains, what goes by the proxy goes on, what is new goes past it and is not taken for forged',
    only: 'mesh',
    run: async ({ lab, mesh, takes }, family) => {
      if (mesh === undefined) throw new Error('there is no mesh');
      const { client, server, outsider } = lab;
      const { engine } = mesh;
      await using _server = await outsider.serveTcp(PORT, (socket) => socket.pipe(socket));
      const old = connectQuietly(client, { address: outsider.address(family), port: PORT });
      old.write('before ');
      await once(old, 'data');
      const drained = engine.unenroll('client', { drain: { timeoutMs: 30_000 } });
      await until('the client drains', async () =>
        (await engine.status()).pods.some(({ id, status }) => id === 'client' && status === 'draining'),
      );
      // Neither end of the second is the client's own program's to take; the server's takes it, as it would from anybody.
      await takes(family, {}, () => client.get(outsider.address(family)));
      await takes(family, { plaintext: 1 }, () => client.get(server.address(family)));
      await takes(family, { plaintext: 1 }, () => outsider.get(server.address(family)));
      await takes(family, {}, async () => {
        expect(await outsider.get(client.address(family))).toMatchObject({ server: 'client' });
      });
      const echo = receiveText(old);
      old.end('after');
      expect(await within(2_000, 'the echo', echo)).toBe('after');
      expect(await within(5_000, 'the end of the draining', drained)).toBe(true);
      await engine.enroll({ id: 'client', netns: { fd: client.netns.fd } }, { established: 'reset' });
      await takes(family, { outbound: 1 }, () => client.get(outsider.address(family)));
    },
  },
];
