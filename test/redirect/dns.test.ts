import { openSys, type Sys } from 'netlink-tc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { attachModes } from '../../packages/netlink-tc/test/kernel.ts';
import { ANSWER, ask, askers, startDnsServer } from '../support/dns.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { proxyEvents, startProxy } from '../support/lab-proxy.ts';
import type { Lab } from '../support/lab.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { Mesh } from './mesh.ts';
import { createFurnishedLab, FAMILIES } from './scene.ts';
import { SETUP_MS } from './suite.ts';

const PROTOCOLS = ['udp', 'tcp'] as const;

/** A lab with a real DNS server, in the pod outside the mesh. */
class DnsLab {
  readonly lab: Lab;
  readonly #server: LabProcess;

  private constructor(lab: Lab, server: LabProcess) {
    this.lab = lab;
    this.#server = server;
  }

  static async open(sys: Sys): Promise<DnsLab> {
    const lab = await createFurnishedLab(sys);
    try {
      return new DnsLab(lab, await startDnsServer(lab.outsider));
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Asks, and tells who asked, as the server saw it. */
  async asker(from: LabHost, family: 'ipv4' | 'ipv6', protocol: 'udp' | 'tcp'): Promise<string> {
    const before = askers(this.#server).length;
    const answer = await ask(from, this.lab.outsider.address(family), protocol);
    if (answer !== ANSWER[family]) throw new Error(`the answer is ${answer}`);
    await this.#server.until('says who asked', () => askers(this.#server).length > before);
    return askers(this.#server).at(-1) ?? '';
  }
}

describeWith([root, tool('dnsmasq')], 'DNS', () => {
  describe('control: no mesh', () => {
    let dns: DnsLab;
    beforeAll(async () => {
      dns = await DnsLab.open(await openSys());
    });
    afterAll(() => dns.lab.close());

    test.each(FAMILIES)('a pod asks, %s', async (family) => {
      const { client } = dns.lab;
      for (const protocol of PROTOCOLS) expect(await dns.asker(client, family, protocol)).toBe(client.address(family));
    });
  });

  const ways = attachModes().flatMap((attach) =>
    [true, false].map((dns) => ({ attach, steer: attach === 'tcx' ? 'sk_lookup' : 'tproxy', dns }) as const),
  );
  describe.each(ways)('$attach, $steer, capture $dns', ({ attach, steer, dns: captures }) => {
    let dns: DnsLab;
    let mesh: Mesh;
    let opened: Mesh | undefined;
    const directory = `/sys/fs/bpf/ambient-test-${process.pid}-dns-${steer}-${captures}`;
    beforeAll(async () => {
      const sys = await openSys();
      dns = await DnsLab.open(sys);
      const { lab } = dns;
      const options = { directory, dns: captures };
      try {
        opened = await Mesh.open(sys, lab, { attach, steer }, () => startProxy(lab.proxy), options);
        mesh = opened;
      } catch (error) {
        await lab.close();
        throw error;
      }
    }, SETUP_MS);
    afterAll(async () => {
      await opened?.close();
      await dns.lab.close();
    });

    /** Connections that the proxy has taken so far, by listener. */
    const taken = (purpose: string): number =>
      proxyEvents(mesh.proxy).filter((event) => event.event === 'connection' && event['purpose'] === purpose).length;

    test.each(FAMILIES)('a pod asks over UDP, %s', async (family) => {
      const { client, proxy } = dns.lab;
      // The proxy asks by its own address, and answers by the server's: the client's socket takes no other.
      const asker = captures ? proxy : client;
      for (let i = 0; i < 3; i += 1) expect(await dns.asker(client, family, 'udp')).toBe(asker.address(family));
    });

    test.each(FAMILIES)('a pod asks over TCP, %s', async (family) => {
      const { client } = dns.lab;
      const purpose = captures ? 'dns' : 'outbound';
      const before = taken(purpose);
      expect(await dns.asker(client, family, 'tcp')).toBe(client.address(family));
      await mesh.proxy.until('tells of the connection', () => taken(purpose) === before + 1);
    });

    test.each(FAMILIES)('who is not of the mesh asks past it, %s', async (family) => {
      for (const from of [dns.lab.outside, dns.lab.node] as const) {
        for (const protocol of PROTOCOLS) {
          const before = askersOf(dns.lab, family);
          expect(before).not.toContain(await dns.asker(from, family, protocol));
        }
      }
    });

    test.each(FAMILIES)('a query in fragments is left alone whole, and so is one to the node, %s', async (family) => {
      const { client, outside, node } = dns.lab;
      for (const [to, size] of [
        [outside, 5_000],
        [node, 100],
      ] as const) {
        const server = to.udp(to.address(family), 53);
        const from = client.udp(client.address(family));
        try {
          const seen = new Promise<string>(
            (resolve) => void server.once('message', (_, { address }) => resolve(address)),
          );
          from.send(Buffer.alloc(size, 'x'), 53, to.address(family));
          expect(await seen).toBe(client.address(family));
        } finally {
          server.close();
          from.close();
        }
      }
    });

    test.skipIf(!captures).each(FAMILIES)(
      'a pod whose policy says so asks past the proxy, %s',
      async (family) => {
        const { server, proxy } = dns.lab;
        expect(await dns.asker(server, family, 'udp')).toBe(proxy.address(family));
        const netns = { fd: server.netns.fd };
        await mesh.engine.enroll({ id: 'server', netns, policy: { dns: false } });
        expect(await dns.asker(server, family, 'udp')).not.toBe(proxy.address(family));
        await mesh.engine.enroll({ id: 'server', netns });
        expect(await dns.asker(server, family, 'udp')).toBe(proxy.address(family));
      },
      SETUP_MS,
    );
  });
});

function askersOf({ client, server, proxy }: Lab, family: 'ipv4' | 'ipv6'): string[] {
  return [client, server, proxy].map((host) => host.address(family));
}
