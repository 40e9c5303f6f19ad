/** What connections carry, and how they end. */
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import {
  attempt,
  churn,
  connectQuietly,
  exchange,
  median,
  receiveText,
  within,
  type Amounts,
} from '../support/traffic.ts';
import { EXTRA, type Row, type Taken } from './scene.ts';

type Name = 'node' | 'outside' | 'client' | 'server' | 'outsider';

const MEGABYTE = 1 << 20;
/** Where the servers of these rows listen. */
const PORT = 7000;
/**
 * More than a second and less than HAProxy's patience with a connection: IPv6 overlooks an error that comes while connect(2) still has the
 * socket, as it does over a veth, and heeds that of the second SYN.
 */
const UNREACHABLE_MS = 3_000;

function transfer(name: string, from: Name, to: Name, taken: Taken, amounts: Amounts): Row {
  return {
    name,
    run: ({ lab, takes }, family) =>
      takes(family, taken, async () => {
        const at = { address: lab[to].address(family), port: PORT };
        const { sent, received } = await exchange(lab[from], lab[to], at, amounts);
        expect(received).toEqual(sent);
      }),
  };
}

/** Rows of this file. */
export const STREAMS: readonly Row[] = [
  transfer(
    '64 MB both ways at once, pod to pod',
    'client',
    'server',
    { outbound: 1 },
    {
      up: 64 * MEGABYTE,
      down: 64 * MEGABYTE,
    },
  ),
  transfer(
    '16 MB both ways, pod to the outside',
    'client',
    'outside',
    { outbound: 1 },
    {
      up: 16 * MEGABYTE,
      down: 16 * MEGABYTE,
    },
  ),
  transfer(
    '16 MB both ways, inbound',
    'outsider',
    'server',
    { plaintext: 1 },
    {
      up: 16 * MEGABYTE,
      down: 16 * MEGABYTE,
    },
  ),
  {
    name: 'half-close: the client finishes, the answer comes after',
    run: ({ lab, takes }, family) =>
      takes(family, { outbound: 1 }, async () => {
        await using _server = await lab.server.serveTcp(PORT, (socket) => {
          void receiveText(socket).then((question) => socket.end(`${socket.remoteAddress} asked ${question}`));
        });
        const client = connectQuietly(lab.client, { address: lab.server.address(family), port: PORT });
        client.end('all of it');
        const answer = await within(3_000, 'the answer', receiveText(client));
        expect(answer).toBe(`${lab.client.address(family)} asked all of it`);
      }),
  },
  {
    name: 'half-close: the server finishes, the client goes on',
    run: ({ lab, takes }, family) =>
      takes(family, { plaintext: 1 }, async () => {
        let told: Promise<string> = Promise.resolve('');
        await using _server = await lab.server.serveTcp(PORT, (socket) => {
          told = receiveText(socket);
          socket.end('greeting');
        });
        const client = connectQuietly(lab.outsider, { address: lab.server.address(family), port: PORT });
        expect(await within(3_000, 'the greeting', receiveText(client))).toBe('greeting');
        client.end('late');
        expect(await within(3_000, 'what is late', told)).toBe('late');
      }),
  },
  {
    name: 'a connection that is broken off is broken off for the other side',
    run: ({ lab, takes }, family) =>
      takes(family, { outbound: 1 }, async () => {
        let accepted: (socket: Socket) => void = () => undefined;
        const first = new Promise<Socket>((resolve) => (accepted = resolve));
        await using _server = await lab.server.serveTcp(PORT, (socket) => accepted(socket.resume()));
        const client = connectQuietly(lab.client, { address: lab.server.address(family), port: PORT });
        client.write('x');
        const other = await within(3_000, 'the connection', first);
        // A reset or, by way of HAProxy, an end: gone either way.
        const gone = new Promise<string>((resolve) => {
          for (const event of ['end', 'error', 'close']) other.once(event, () => resolve(event));
        });
        client.resetAndDestroy();
        expect(await within(3_000, 'the end', gone)).toMatch(/error|end/);
      }),
  },
  {
    name: 'LAB 2 #8: 2,000 connections, by ports that the proxy holds in TIME_WAIT',
    run: ({ lab, takes, mesh }, family) =>
      takes(family, { outbound: 2_000 }, async () => {
        const at = { address: lab.outsider.address(family), port: PORT };
        // From tc a SYN is given to the socket in TIME_WAIT, whose refusal has to come about first: some 15 ms each, so fewer of them.
        const ports = mesh?.steer === 'tproxy' ? 1_900 : 100;
        const spec = { connections: 2_000, ports, firstPort: 20_000 };
        const times = await churn(lab.client, lab.client.address(family), lab.outsider, at, spec);
        expect(times).toHaveLength(spec.connections);
        const fresh = median(times.slice(0, spec.ports));
        const again = median(times.slice(spec.ports));
        // No speed of ours: what a SYN in TIME_WAIT must not wait for is a timer of the kernel's, 8 ms and more.
        if (mesh?.steer === 'sk_lookup') expect(again).toBeLessThan(5 * fresh + 2);
      }),
  },
  {
    name: 'refused: without a mesh',
    only: 'control',
    run: async ({ lab }, family) => {
      for (const [from, to] of [
        ['client', 'outsider'],
        ['client', 'server'],
        ['outsider', 'server'],
        ['client', 'outside'],
      ] as const)
        expect(await attempt(lab[from], { address: lab[to].address(family), port: 81 })).toBe('ECONNREFUSED');
    },
  },
  {
    name: 'refused: the client is told at once, and no byte comes',
    only: 'mesh',
    run: ({ lab, takes }, family) =>
      takes(family, { outbound: 3, plaintext: 1 }, async () => {
        for (const [from, to] of [
          ['client', 'outsider'],
          ['client', 'server'],
          ['outsider', 'server'],
          ['client', 'outside'],
        ] as const)
          expect(await attempt(lab[from], { address: lab[to].address(family), port: 81 })).toMatch(/closed|reset/);
      }),
  },
  {
    name: 'unreachable: without a mesh',
    only: 'control',
    run: async ({ lab }, family) => {
      const how = await attempt(lab.client, { address: EXTRA.unreachable[family], port: 80 }, UNREACHABLE_MS);
      expect(how).toBe(family === 'ipv4' ? 'EHOSTUNREACH' : 'ENETUNREACH');
    },
  },
  {
    // The error is for the pod's address, from which the proxy connects: without a copy the proxy would wait for its time to run out.
    name: 'SPIKES 0.1: unreachable: the proxy learns it from a copy of the ICMP error, and tells the client at once',
    only: 'mesh',
    run: ({ lab, takes }, family) =>
      takes(family, { outbound: 1 }, async () => {
        const how = await attempt(lab.client, { address: EXTRA.unreachable[family], port: 80 }, UNREACHABLE_MS);
        expect(how).toMatch(/closed|reset/);
      }),
  },
];
