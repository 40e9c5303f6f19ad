/** What is none of the mesh's business, and must not change. */
import { once } from 'node:events';
import { expect } from 'vitest';
import { ipv4, ipv6 } from '../../packages/bpf-asm/test/packets.ts';
import { addNftRule } from '../support/nft.ts';
import type { LabHost } from '../support/lab-host.ts';
import { within } from '../support/traffic.ts';
import type { Row } from './scene.ts';

const PORT = 7777;

/** Sends a datagram to an echo server there and back. @returns what the server saw as its sender */
async function echo(from: LabHost, to: LabHost, family: 'ipv4' | 'ipv6', size: number, port = PORT): Promise<string> {
  const server = to.udp(to.address(family), port);
  const client = from.udp(from.address(family));
  try {
    let sender = '';
    server.on('message', (datagram, { address, port: back }) => {
      sender = address;
      server.send(datagram, back, address);
    });
    const datagram = Buffer.alloc(size, `${from.name} to ${to.name}; `);
    const answer = once(client, 'message') as Promise<[Uint8Array, { readonly address: string }]>;
    client.send(datagram, port, to.address(family));
    const [received, { address }] = await within(2_000, `a datagram from ${from.name} to ${to.name}`, answer);
    expect(Buffer.compare(received, datagram)).toBe(0);
    expect(address).toBe(to.address(family));
    return sender;
  } finally {
    server.close();
    client.close();
  }
}

const PAIRS = [
  ['client', 'outsider'],
  ['client', 'server'],
  ['client', 'outside'],
  ['outsider', 'server'],
  ['outside', 'server'],
  ['client', 'node'],
  ['node', 'client'],
] as const;

/** Forgets who has which MAC address, on both sides of every pod. */
async function forgetNeighbours(hosts: readonly LabHost[]): Promise<void> {
  for (const host of hosts) await host.exec('ip', 'neigh', 'flush', 'all');
}

/** Rows of this file. */
export const UNTOUCHED: readonly Row[] = [
  {
    name: 'LAB 2 #10: UDP, from and to everybody',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const [from, to] of PAIRS)
          expect(await echo(lab[from], lab[to], family, 100)).toBe(lab[from].address(family));
      }),
  },
  {
    name: 'UDP in fragments',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const [from, to] of PAIRS)
          expect(await echo(lab[from], lab[to], family, 5_000)).toBe(lab[from].address(family));
      }),
  },
  {
    name: 'UDP to port 53 with DNS capture off, and in fragments',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const size of [100, 5_000])
          expect(await echo(lab.client, lab.outsider, family, size, 53)).toBe(lab.client.address(family));
      }),
  },
  {
    name: 'ICMP echo, small and in fragments',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const [from, to] of PAIRS) {
          for (const size of ['56', '4000']) {
            const options = ['-n', '-c', '2', '-i', '0.002', '-W', '1', '-s', size];
            expect(await lab[from].exec('ping', ...options, lab[to].address(family))).toContain(' 0% packet loss');
          }
        }
      }),
  },
  {
    name: 'ICMP echo between proxy and node, both ways',
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        for (const [from, to] of [
          [lab.proxy, lab.node],
          [lab.node, lab.proxy],
        ] as const)
          expect(await from.exec('ping', '-n', '-c', '1', '-W', '1', to.address(family))).toContain(' 0% packet loss');
      }),
  },
  {
    name: 'LAB 2 #5, SPIKES 1: ARP and neighbour discovery, all neighbours forgotten',
    run: async ({ lab, takes }, family) => {
      const hosts = [lab.node, lab.client, lab.server, lab.proxy, lab.outsider];
      await takes(family, { outbound: 2 }, async () => {
        for (const to of ['outsider', 'server'] as const) {
          await forgetNeighbours(hosts);
          expect(await lab.client.get(lab[to].address(family))).toMatchObject({ server: to });
        }
      });
      await forgetNeighbours(hosts);
      expect(await lab.node.get(lab.client.address(family))).toMatchObject({ server: 'client' });
    },
  },
  {
    name: 'frames with a VLAN tag, even of TCP: a bridge passes them on, the mesh does not see them',
    run: async ({ lab, mesh, takes }, family) => {
      const { client, outsider } = lab;
      await using arrived = await addNftRule(outsider, 'vlan', 'ingress', 'vlan id 100');
      const before = await mesh?.engine.metrics();
      const make = family === 'ipv4' ? ipv4 : ipv6;
      const [source, destination] = [client.address(family), outsider.address(family)];
      const frame = make({ source, destination, vlan: 100 });
      await forgetNeighbours([client]);
      // It is addressed to whom an ordinary packet would be.
      await client.exec('ping', '-n', '-c', '1', '-W', '1', destination);
      const [, mac = ''] = /lladdr (\S+)/.exec(await client.exec('ip', 'neigh', 'show', 'dev', 'eth0')) ?? [];
      frame.set(Buffer.from(mac.replaceAll(':', ''), 'hex'), 0);
      await takes(family, {}, async () => {
        client.sendFrame(frame);
        await client.exec('ping', '-n', '-c', '1', '-W', '1', destination);
      });
      expect(await arrived.packets()).toBe(lab.cni === 'bridge' ? 1 : 0);
      const captured = (metrics: typeof before): bigint =>
        (metrics?.pods ?? [])
          .flatMap(({ traffic }) => traffic.filter(({ verdict }) => verdict === 'captured'))
          .reduce((sum, { packets }) => sum + packets, 0n);
      expect(captured(await mesh?.engine.metrics())).toBe(captured(before));
    },
  },
  {
    name: "an ICMP error reaches the pod: a port of another's that is closed",
    run: ({ lab, takes }, family) =>
      takes(family, {}, async () => {
        const client = lab.client.udp(lab.client.address(family));
        try {
          client.connect(PORT, lab.outsider.address(family));
          await once(client, 'connect');
          const refused = once(client, 'error') as Promise<[NodeJS.ErrnoException]>;
          client.send('nobody there');
          // The error comes with the next call.
          const [{ code }] = await within(2_000, 'the error', refused);
          expect(code).toBe('ECONNREFUSED');
        } finally {
          client.close();
        }
      }),
  },
];
