/** Who reaches whom, and which way: HTTP over a connection of its own each time. */
import { familyOf } from 'netlink-tc';
import { expect } from 'vitest';
import { STATISTICS_PORT } from '../support/lab-proxy.ts';
import { attempt } from '../support/traffic.ts';
import { BRIDGE_IPV6, GATEWAY, type Lab } from '../support/lab.ts';
import { EXTRA, type Row, type Taken } from './scene.ts';

type Name = 'node' | 'outside' | 'client' | 'server' | 'outsider';

function reach(name: string, from: Name, to: Name, taken: Taken, port = 80): Row {
  return {
    name,
    run: ({ lab, takes }, family) =>
      takes(family, taken, async () => {
        const destination = lab[to].address(family);
        const seen = await lab[from].get(destination, port);
        expect(seen).toMatchObject({
          server: to,
          client: lab[from].address(family),
          destination,
          destinationPort: port,
        });
      }),
  };
}

/** Addresses of the node from which its own processes, such as the kubelet, may come. */
async function hostAddresses({ node }: Lab, ipv6: boolean): Promise<string[]> {
  const text = await node.exec('ip', '-json', 'address', 'show');
  const links = JSON.parse(text) as readonly { readonly addr_info: readonly { local: string; scope: string }[] }[];
  const all = links.flatMap(({ addr_info: addresses }) => addresses.filter(({ scope }) => scope === 'global'));
  return [...new Set(all.map(({ local }) => local))].filter((each) => (familyOf(each) === 'ipv6') === ipv6);
}

/** Rows of this file. */
export const REACH: readonly Row[] = [
  reach('outbound: a pod to a pod outside the mesh', 'client', 'outsider', { outbound: 1 }),
  reach('inbound: a pod outside the mesh to a pod', 'outsider', 'server', { plaintext: 1 }),
  reach('a pod to a pod: taken once', 'client', 'server', { outbound: 1 }),
  reach('a pod to the outside', 'client', 'outside', { outbound: 1 }),
  reach('the outside to a pod', 'outside', 'client', { plaintext: 1 }),
  reach('inbound to port 15008 is HBONE', 'outsider', 'server', { hbone: 1 }, 15_008),
  reach('a pod to port 15008 of a pod is outbound', 'client', 'server', { outbound: 1 }, 15_008),
  reach('not of the mesh: a pod outside it to the outside', 'outsider', 'outside', {}),
  {
    name: 'a pod to itself never leaves it',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        expect(await lab.client.get(lab.client.address(family))).toMatchObject({ server: 'client' });
      }),
  },
  {
    name: 'a second address of a pod, from outside the mesh and from the mesh',
    run: ({ lab, takes }, family) =>
      takes(family, { plaintext: 1, outbound: 2 }, async () => {
        const second = EXTRA.server[family];
        expect(await lab.outsider.get(second)).toMatchObject({ server: 'server', destination: second });
        expect(await lab.client.get(second)).toMatchObject({ server: 'server', destination: second });
        const seen = await lab.server.get(lab.outsider.address(family), 80, { from: second });
        expect(seen).toMatchObject({ server: 'outsider', client: second });
      }),
  },
  {
    name: 'LAB 2 #6: probes from every address of the host pass by',
    run: async ({ lab, takes }, family) => {
      const addresses = await hostAddresses(lab, family === 'ipv6');
      expect(addresses).toEqual(expect.arrayContaining([lab.node.address(family), EXTRA.node[family]]));
      if (family === 'ipv4' || lab.cni === 'bridge')
        expect(addresses).toContain({ ipv4: GATEWAY.ipv4, ipv6: BRIDGE_IPV6 }[family]);
      await takes(family, {}, async () => {
        for (const from of addresses) {
          for (const pod of [lab.client, lab.server]) {
            expect(await lab.node.get(pod.address(family), 80, { from })).toMatchObject({
              server: pod.name,
              client: from,
            });
          }
        }
      });
    },
  },
  {
    name: 'SPIKES 0.2: a pod to services of the host, open and closed',
    run: async ({ lab, takes }, family) => {
      const addresses = await hostAddresses(lab, family === 'ipv6');
      await takes(family, {}, async () => {
        for (const address of addresses) {
          expect(await lab.client.get(address)).toMatchObject({ server: 'node', client: lab.client.address(family) });
          // The host's own reset has no socket of IPv6.
          expect(await attempt(lab.client, { address, port: 81 })).toBe('ECONNREFUSED');
        }
        // And the other way: the pod's reset.
        expect(await attempt(lab.node, { address: lab.client.address(family), port: 81 })).toBe('ECONNREFUSED');
      });
    },
  },
  {
    name: 'prefixes that the node leaves alone',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        const bypassed = EXTRA.bypassed[family];
        expect(await lab.client.get(bypassed)).toMatchObject({ server: 'outside', destination: bypassed });
        expect(await lab.outside.get(lab.server.address(family), 80, { from: bypassed })).toMatchObject({
          server: 'server',
          client: bypassed,
        });
      }),
  },
  {
    name: "SPIKES 1: the proxy's own address is no business of the mesh's",
    only: 'mesh',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        const address = lab.proxy.address(family);
        for (const from of ['node', 'outsider', 'outside', 'client'] as const) {
          expect(await lab[from].request(address, STATISTICS_PORT, '/;csv')).toContain('pxname');
          expect(await attempt(lab[from], { address, port: 81 })).toBe('ECONNREFUSED');
        }
      }),
  },
  {
    name: "SPIKES 1: the proxy's own connections are taken for nobody's",
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const to of ['client', 'server', 'outsider', 'outside', 'node'] as const) {
          const seen = await lab.proxy.get(lab[to].address(family));
          expect(seen).toMatchObject({ server: to, client: lab.proxy.address(family) });
        }
      }),
  },
];
