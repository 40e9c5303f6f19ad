import { afterAll, beforeAll, expect, test } from 'vitest';
import { openSys, type Sys } from 'netlink-tc';
import { BRIDGE_IPV6, createLab, GATEWAY, type Lab } from './lab.ts';
import { describeWith, root, tool } from './needs.ts';

const MEMBERS = ['client', 'server', 'outsider', 'proxy', 'outside', 'node'] as const;

for (const cni of ['routed', 'bridge'] as const) {
  describeWith([root, tool('nsenter')], `a lab, ${cni}`, () => {
    let sys: Sys;
    let lab: Lab;
    beforeAll(async () => {
      sys = await openSys({ traceFds: true });
      lab = await createLab(sys, { cni });
      for (const name of MEMBERS) await lab[name].serveHttp();
    });
    afterAll(() => lab.close());

    const pairs = MEMBERS.flatMap((from) => MEMBERS.filter((to) => to !== from).map((to) => ({ from, to })));

    test.each(pairs)('$from reaches $to, both families', async ({ from, to }) => {
      for (const family of ['ipv4', 'ipv6'] as const) {
        const seen = await lab[from].get(lab[to].address(family));
        // Of its addresses the node uses the one of the interface.
        const gateway = { ipv4: GATEWAY.ipv4, ipv6: cni === 'bridge' ? BRIDGE_IPV6 : lab.node.ipv6 };
        const own = from === 'node' && to !== 'outside' ? gateway[family] : lab[from].address(family);
        expect(seen).toMatchObject({ server: to, client: own, destination: lab[to].address(family) });
      }
    });

    test('a closed port refuses, and who does not answer is waited for no longer than asked', async () => {
      await expect(lab.client.get(lab.server.ipv4, 81)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await expect(lab.client.get('10.244.7.99', 80, { timeoutMs: 100 })).rejects.toThrow('timeout');
    });

    test('commands and processes run in the namespace', async () => {
      expect(await lab.client.exec('ip', '-br', '-4', 'address', 'show', 'dev', 'eth0')).toContain('10.244.7.5/24');
      await expect(lab.client.exec('sh', '-c', 'echo no; exit 3')).rejects.toThrow('ended with 3: no');
      const sleeper = lab.client.spawn(['sleep', '60']);
      expect(sleeper.running).toBe(true);
      await sleeper.stop('SIGKILL');
      expect(sleeper.running).toBe(false);
      expect(await sleeper.ended()).toBeUndefined();
      await expect(sleeper.until('never', () => false)).rejects.toThrow('has ended');
    });

    test('a closed lab leaves nothing open', async () => {
      await lab.close();
      expect(sys.fds.open()).toEqual([]);
    });
  });
}
