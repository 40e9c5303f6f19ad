import { once } from 'node:events';
import type { Server } from 'node:net';
import { attachNetns, attachTcx, openSys, type BpfLink, type Sys } from 'netlink-tc';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import type { Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import {
  attempt,
  churn,
  connectQuietly,
  median,
  receiveText,
  until,
  within,
} from '../../../../test/support/traffic.ts';
import { dualStackServer, LAB_CIDRS, ProxySideProgram, steeredLab, tagPackets } from '../../test/steered-lab.ts';
import { LISTENER } from '../maps.ts';
import { DEFAULT_PORTS } from '../ports.ts';
import { TransparentProxy } from '../proxy/proxy.ts';
import type { SteerFacts, TproxyFacts } from './facts.ts';
import { steer } from './steer.ts';
import { tproxy } from './tproxy.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const none = { ipv4: [], ipv6: [] };
const ETH0 = 2;
const OUTBOUND_TAG = '02:1a:2b:3c:4d:5e';
const INBOUND_TAG = '06:1a:2b:3c:4d:5e';

describeWith([root], "the proxy's namespace", () => {
  let sys: Sys;
  let lab: Lab;
  let proxy: TransparentProxy;
  let taken: string[];
  let program: ProxySideProgram;
  let link: BpfLink;
  const servers: Server[] = [];

  beforeAll(async () => {
    sys = await openSys();
    lab = await steeredLab(sys);
    for (const port of [80, DEFAULT_PORTS.hbone]) await lab.server.serveHttp(port);
    await lab.proxy.serveHttp(9100);
  });
  afterAll(() => lab.close());
  beforeEach(async () => {
    taken = [];
    proxy = await TransparentProxy.open(sys, lab.proxy.netns, {
      onConnection: ({ purpose, source, destination }) =>
        taken.push(`${purpose} ${source.address} ${destination.port}`),
    });
  });
  afterEach(async () => {
    link.detach();
    link.close();
    program[Symbol.dispose]();
    await proxy.close();
    await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => void server.close(resolve))));
  });

  /** Asks a question of a resolver that runs on the server, by a connected socket. */
  async function query(family: 'ipv4' | 'ipv6'): Promise<string> {
    const resolver = lab.server.udp(family === 'ipv4' ? '0.0.0.0' : '::', 53);
    resolver.on('message', (question, { port, address }) => resolver.send(`not ${question.toString()}`, port, address));
    const client = lab.client.udp(lab.client.address(family));
    try {
      client.connect(53, lab.server.address(family));
      await once(client, 'connect');
      client.send('known');
      const [answer] = (await within(2_000, 'an answer', once(client, 'message'))) as [Uint8Array];
      return answer.toString();
    } finally {
      client.close();
      resolver.close();
    }
  }

  describe('with ztunnel_steer', () => {
    const facts = (changes: Partial<SteerFacts>): SteerFacts => ({
      node: { podCidrs: LAB_CIDRS, host: none, bypass: none },
      proxy: { ifindex: ETH0, addresses: { ipv4: [lab.proxy.ipv4], ipv6: [lab.proxy.ipv6] } },
      hbone: DEFAULT_PORTS.hbone,
      dns: true,
      handover: false,
      bank: 0,
      ...changes,
    });
    const begin = (changes: Partial<SteerFacts> = {}): void => {
      program = new ProxySideProgram(sys, steer(facts(changes)), lab);
      program.fillAll(proxy.listeners);
      link = attachNetns(sys, program.loaded, { fd: lab.proxy.netns.fd });
    };

    test.each(FAMILIES)(
      'each connection reaches its listener, from the address that it came from: %s',
      async (family) => {
        begin();
        const [client, server, outsider] = [lab.client, lab.server, lab.outsider].map((host) => host.address(family));
        expect((await lab.client.get(server ?? '')).client).toBe(client);
        expect((await lab.outsider.get(server ?? '')).client).toBe(outsider);
        expect((await lab.outsider.get(server ?? '', DEFAULT_PORTS.hbone)).client).toBe(outsider);
        expect((await lab.client.get(server ?? '', DEFAULT_PORTS.hbone)).client).toBe(client);
        expect(await query(family)).toBe('not known');
        expect(taken).toEqual([
          `outbound ${client} 80`,
          `plaintext ${outsider} 80`,
          `hbone ${outsider} 15008`,
          `outbound ${client} 15008`,
        ]);
        expect(proxy.counters).toMatchObject({ queries: 1, answers: 1 });
        expect(program.counted()).toMatchObject({
          outbound: 2,
          plaintext: 1,
          hbone: 1,
          dns: 1,
          noListener: 0,
          wrongFamily: 0,
        });
      },
    );

    test.each(FAMILIES)("the proxy's own address is none of its business: %s", async (family) => {
      begin();
      for (const from of [lab.client, lab.outsider, lab.node] satisfies LabHost[]) {
        expect((await from.get(lab.proxy.address(family), 9100)).server).toBe('proxy');
      }
      expect(await attempt(lab.client, { address: lab.proxy.address(family), port: 9999 })).toBe('ECONNREFUSED');
      expect((await lab.proxy.get(lab.server.address(family))).server).toBe('server');
      expect(taken).toEqual([]);
    });

    // The kernel answers a SYN that is refused by a reset; of IPv4 none leaves from an address that is not its own, and the client tries again.
    test.each([
      ['ipv4', 'timeout'],
      ['ipv6', 'ECONNREFUSED'],
    ] as const)('while a slot is empty its connections do not come about: %s, %s', async (family, ending) => {
      begin();
      program.fill(LISTENER.outbound + Number(family === 'ipv6'), undefined);
      const at = { address: lab.server.address(family), port: 80 };
      expect(await attempt(lab.client, at, 300)).toBe(ending);
      expect(program.counted()).toMatchObject({ noListener: 1, outbound: 0 });
      program.fillAll(proxy.listeners);
      expect((await lab.client.get(at.address)).server).toBe('server');
    });

    test('over IPv4, they come about once it is filled', async () => {
      begin();
      program.fill(LISTENER.outbound, undefined);
      const waiting = lab.client.get(lab.server.ipv4, 80, { timeoutMs: 4_000 });
      await until('it is refused', () => program.counted().noListener > 0);
      program.fillAll(proxy.listeners);
      expect((await waiting).server).toBe('server');
    });

    test('a listener of the other family is refused', async () => {
      begin();
      const ipv6 = proxy.listeners.find(({ purpose, family }) => purpose === 'outbound' && family === 'ipv6');
      program.fill(LISTENER.outbound, ipv6?.fd);
      expect(await attempt(lab.client, { address: lab.server.ipv4, port: 80 }, 300)).toBe('timeout');
      expect(program.counted()).toMatchObject({ wrongFamily: 1, noListener: 0, outbound: 0 });
    });

    test.each([true, false])(
      'of listeners on one port, the one in the slot alone while handing over: %s',
      async (handover) => {
        begin({ handover });
        const [old, fresh] = [
          await dualStackServer(sys, lab.proxy.netns, 'old', 15101),
          await dualStackServer(sys, lab.proxy.netns, 'new', 15101),
        ];
        servers.push(old.server, fresh.server);
        // One that takes both families is in both slots.
        for (const slot of [0, 1]) program.fill(LISTENER.outbound + slot, fresh.fd);
        const told = new Set<string>();
        for (let i = 0; i < 40; i += 1) {
          const address = lab.server.address(i % 2 === 0 ? 'ipv4' : 'ipv6');
          const socket = connectQuietly(lab.client, { address, port: 80 });
          told.add(await within(2_000, 'a word', receiveText(socket)));
          socket.end();
        }
        expect([...told].toSorted()).toEqual(handover ? ['new'] : ['new', 'old']);
      },
    );
  });

  describe('with ztunnel_tproxy', () => {
    /** The node's packets to the proxy are as if caught there. */
    const begin = async (caught: 'outbound' | 'inbound'): Promise<void> => {
      const facts: TproxyFacts = {
        ports: DEFAULT_PORTS,
        proxy: { addresses: { ipv4: [lab.proxy.ipv4], ipv6: [lab.proxy.ipv6] } },
        tags: { outbound: OUTBOUND_TAG, inbound: INBOUND_TAG },
        dns: true,
        mark: { value: 0x400, mask: 0xfff },
      };
      await tagPackets(lab, caught === 'outbound' ? OUTBOUND_TAG : INBOUND_TAG);
      program = new ProxySideProgram(sys, tproxy(facts), lab);
      link = lab.proxy.netns.run(() => attachTcx(sys, program.loaded, ETH0, 'ingress'));
    };

    test.each(FAMILIES)(
      'each connection reaches its listener, and each of its packets its socket: %s',
      async (family) => {
        const [client, server, outsider] = [lab.client, lab.server, lab.outsider].map((host) => host.address(family));
        await begin('outbound');
        expect((await lab.client.get(server ?? '')).client).toBe(client);
        expect(await query(family)).toBe('not known');
        expect(program.counted()).toMatchObject({ outbound: 1, dns: 1, noListener: 0, wrongFamily: 0 });
        await tagPackets(lab, INBOUND_TAG);
        expect((await lab.outsider.get(server ?? '')).client).toBe(outsider);
        expect((await lab.outsider.get(server ?? '', DEFAULT_PORTS.hbone)).client).toBe(outsider);
        const { established, ...others } = program.counted();
        expect(others).toMatchObject({ plaintext: 1, hbone: 1, noListener: 0, wrongFamily: 0 });
        expect(established).toBeGreaterThan(4);
        expect(taken).toEqual([`outbound ${client} 80`, `plaintext ${outsider} 80`, `hbone ${outsider} 15008`]);
      },
    );

    test.each(FAMILIES)('what finds no socket is dropped: %s', async (family) => {
      await begin('outbound');
      await proxy.close();
      expect(await attempt(lab.client, { address: lab.server.address(family), port: 80 }, 300)).toBe('timeout');
      expect(program.counted()).toMatchObject({ noListener: 1, outbound: 0 });
    });

    test('ports that the proxy still holds in TIME_WAIT can be used again', async () => {
      await begin('outbound');
      const at = { address: lab.server.ipv4, port: 8081 };
      const spec = { connections: 40, ports: 4, firstPort: 42_000 };
      const times = await churn(lab.client, lab.client.ipv4, lab.server, at, spec);
      expect(times).toHaveLength(40);
      // A SYN that got no answer is sent again after a second.
      expect(median(times)).toBeLessThan(500);
      expect(program.counted()).toMatchObject({ noListener: 0, wrongFamily: 0 });
    });
  });
});
