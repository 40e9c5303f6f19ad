/** Sizes of packets, and what the path says of them. */
import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { LabHost } from '../support/lab-host.ts';
import type { Lab } from '../support/lab.ts';
import { addNftRule } from '../support/nft.ts';
import { exchange, type Exchanged } from '../support/traffic.ts';
import { EXTRA, NARROW_MTU, type Row, type Scene } from './scene.ts';

const MEGABYTE = 1 << 20;
const PORT = 7100;
/** What a frame of Ethernet is at most with an MTU of 1500. */
const FRAME = 1514;
const BOTH = { up: 8 * MEGABYTE, down: 8 * MEGABYTE } as const;

/** Bytes and packets that a host has sent by its `eth0`. */
function sentBy({ netns }: LabHost): { readonly bytes: number; readonly packets: number } {
  const text = netns.run(() => readFileSync('/proc/thread-self/net/dev', 'utf8'));
  const fields = /^\s*eth0:(.*)$/m.exec(text)?.[1]?.trim().split(/\s+/).map(Number) ?? [];
  return { bytes: fields[8] ?? NaN, packets: fields[9] ?? NaN };
}

/** The mean size of what a host sends by its `eth0` during some work. */
async function meanSize(host: LabHost, work: () => Promise<unknown>): Promise<number> {
  const before = sentBy(host);
  await work();
  const after = sentBy(host);
  return (after.bytes - before.bytes) / (after.packets - before.packets);
}

async function offload(host: LabHost, device: string, ...settings: readonly string[]): Promise<void> {
  await host.exec('ethtool', '-K', device, ...settings);
}

/** Packets that came by NAPI, where GRO is done: the driver counts them as it does those of XDP. */
async function napiPackets(host: LabHost): Promise<number> {
  const text = await host.exec('ethtool', '-S', 'eth0');
  return [...text.matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
}

/** Outbound and inbound, both ways each, everything compared. */
async function transfers({ lab }: Scene, family: 'ipv4' | 'ipv6'): Promise<void> {
  for (const [from, to] of [
    [lab.client, lab.outsider],
    [lab.client, lab.server],
    [lab.outsider, lab.server],
  ] as const) {
    const { sent, received } = await exchange(from, to, { address: to.address(family), port: PORT }, BOTH);
    expect(received).toEqual(sent);
  }
}

/** The pod outside the mesh, and the proxy for those of the mesh, know how narrow the way to an address is. */
async function expectLearned({ proxy, outsider }: Lab, hasMesh: boolean, address: string): Promise<void> {
  for (const host of hasMesh ? [outsider, proxy] : [outsider])
    expect(await host.exec('ip', 'route', 'get', address)).toContain(`mtu ${NARROW_MTU}`);
}

/** Compares a transfer by the proxy with one past it: it must get through, at a speed of the same kind. */
function expectSpeed(proxied: Exchanged, direct: Exchanged): void {
  expect(proxied.received).toEqual(proxied.sent);
  expect(direct.received).toEqual(direct.sent);
  expect(proxied.milliseconds).toBeLessThan(4 * direct.milliseconds + 1_000);
}

/** Rows of this file. */
export const PATHS: readonly Row[] = [
  {
    name: 'LAB 2 #13: packets of many segments (GSO)',
    run: (scene, family) =>
      scene.takes(family, { outbound: 2, plaintext: 1 }, async () => {
        const size = await meanSize(scene.lab.client, () => transfers(scene, family));
        expect(size).toBeGreaterThan(FRAME);
      }),
  },
  {
    name: 'packets of the size of the MTU: no offload anywhere',
    run: async (scene, family) => {
      const { client, server, outsider, proxy } = scene.lab;
      const hosts = [client, server, outsider, proxy];
      for (const host of hosts) await offload(host, 'eth0', 'tso', 'off', 'gso', 'off');
      try {
        await scene.takes(family, { outbound: 2, plaintext: 1 }, async () => {
          const size = await meanSize(client, () => transfers(scene, family));
          expect(size).toBeLessThanOrEqual(FRAME);
          expect(size).toBeGreaterThan(FRAME / 4);
        });
      } finally {
        for (const host of hosts) await offload(host, 'eth0', 'tso', 'on', 'gso', 'on');
      }
    },
  },
  {
    name: "LAB 2 #1, SPIKES 1: GRO at the proxy's interface",
    only: 'mesh',
    run: async (scene, family) => {
      const { node, proxy } = scene.lab;
      await offload(proxy, 'eth0', 'gro', 'on');
      await offload(node, proxy.hostInterface, 'tso', 'off', 'gso', 'off');
      const before = await napiPackets(proxy);
      try {
        await scene.takes(family, { outbound: 2, plaintext: 1 }, () => transfers(scene, family));
        expect(await napiPackets(proxy)).toBeGreaterThan(before);
      } finally {
        await offload(proxy, 'eth0', 'gro', 'off');
        await offload(node, proxy.hostInterface, 'tso', 'on', 'gso', 'on');
      }
    },
  },
  {
    name: 'SPIKES 0.1: a path of 1300 bytes, outbound: full speed, the proxy learns it',
    run: async ({ lab, takes, mesh }, family) => {
      const at = { address: EXTRA.narrow[family], port: PORT };
      const amounts = { up: 32 * MEGABYTE, down: 0 };
      const direct = await exchange(lab.outsider, lab.outside, at, amounts);
      await takes(family, { outbound: 1 }, async () => {
        expectSpeed(await exchange(lab.client, lab.outside, at, amounts), direct);
      });
      await expectLearned(lab, mesh !== undefined, at.address);
    },
  },
  {
    name: 'SPIKES 0.1: a path of 1300 bytes, inbound: full speed, the proxy learns it',
    run: async ({ lab, takes, mesh }, family) => {
      const own = EXTRA.narrow[family];
      const amounts = { up: 0, down: 32 * MEGABYTE };
      // As if nobody knew anything yet.
      for (const host of [lab.proxy, lab.outsider]) {
        const which = family === 'ipv4' ? '-4' : '-6';
        await host.exec('ip', which, 'route', 'flush', 'cache');
      }
      const to = (host: LabHost): { address: string; port: number } => ({ address: host.address(family), port: PORT });
      const direct = await exchange(lab.outside, lab.outsider, to(lab.outsider), amounts, { own });
      await takes(family, { plaintext: 1 }, async () => {
        expectSpeed(await exchange(lab.outside, lab.server, to(lab.server), amounts, { own }), direct);
      });
      await expectLearned(lab, mesh !== undefined, own);
    },
  },
  {
    name: 'options of IPv4, extension headers of IPv6',
    run: ({ lab, takes }, family) =>
      takes(family, { outbound: 1, plaintext: 1 }, async () => {
        const amounts = { up: MEGABYTE, down: MEGABYTE };
        const present = family === 'ipv4' ? 'ip hdrlength > 5' : 'exthdr dst exists';
        for (const [from, to] of [
          [lab.client, lab.outsider],
          [lab.outsider, lab.server],
        ] as const) {
          const at = { address: to.address(family), port: PORT };
          await using sentWith = await addNftRule(from, 'sent', 'output', present);
          // Or one in four such transfers over IPv6 stalls, without any mesh.
          await offload(from, 'eth0', 'tso', 'off', 'gso', 'off');
          try {
            const { sent, received } = await exchange(from, to, at, amounts, { withOptions: true });
            expect(received).toEqual(sent);
          } finally {
            await offload(from, 'eth0', 'tso', 'on', 'gso', 'on');
          }
          expect(await sentWith.packets()).toBeGreaterThan(10);
        }
      }),
  },
];
