import { openSys } from 'netlink-tc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ANSWER, ask, askers, startDnsServer } from '../support/dns.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { createFurnishedLab, FAMILIES } from './scene.ts';
import type { Lab } from '../support/lab.ts';

describeWith([root, tool('dnsmasq')], 'DNS', () => {
  describe('control: no mesh', () => {
    let lab: Lab;
    let server: LabProcess;
    beforeAll(async () => {
      lab = await createFurnishedLab(await openSys());
      server = await startDnsServer(lab.outsider);
    });
    afterAll(() => lab.close());

    /** Asks, and tells who asked as the server saw it. */
    const asked = async (from: LabHost, family: 'ipv4' | 'ipv6', protocol: 'udp' | 'tcp'): Promise<string> => {
      const before = askers(server).length;
      expect(await ask(from, lab.outsider.address(family), protocol)).toBe(ANSWER[family]);
      await server.until('says who asked', () => askers(server).length > before);
      return askers(server).at(-1) ?? '';
    };

    test.each(FAMILIES)('a pod asks, %s', async (family) => {
      for (const protocol of ['udp', 'tcp'] as const)
        expect(await asked(lab.client, family, protocol)).toBe(lab.client.address(family));
    });
  });
});
