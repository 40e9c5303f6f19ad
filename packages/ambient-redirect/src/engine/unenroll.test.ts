import { listFilters } from 'netlink-tc';
import { expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { purposes } from '../../test/proxy-lab.ts';
import type { PodRecord } from './pod-record.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 });

describeWith([root], 'pods that leave', () => {
  test.each(['full', 'preserve', 'drain', 'observe'] satisfies PodRecord['mode'][])(
    'a removal that ended half-way is finished by the next engine: %s',
    async (mode) => {
      const { open, pod, connect, rewrite, proxy, lab } = await engineLab({ attach: 'clsact' });
      const first = await open();
      await first.enroll([pod('client'), pod('server')]);
      await first.close();
      rewrite('client', { phase: 'leaving', mode });
      const second = await open();
      expect((await second.status()).pods.map(({ id }) => id)).toEqual(['server']);
      for (const parent of ['ingress', 'egress'] as const) {
        const left = await lab.node.socket.request(listFilters({ device: lab.client.hostIndex, parent }));
        expect(left).toEqual([]);
      }
      const after = await connect('ipv4');
      await after.says('new');
      await after.end();
      // It is the server's proxy that it meets.
      expect(purposes(proxy)).toEqual(['plaintext']);
    },
  );

  test('nothing is put on an interface that is another by now', async () => {
    const { open, pod, lab } = await engineLab({ attach: 'clsact' });
    const engine = await open();
    await engine.enroll(pod('client'));
    const { hostIndex, hostInterface } = lab.client;
    await lab.node.exec('ip', 'link', 'del', hostInterface);
    await lab.node.exec('ip', 'link', 'add', 'v-other', 'index', String(hostIndex), 'type', 'bridge');
    expect(await engine.unenroll('client')).toBe(true);
    for (const parent of ['ingress', 'egress'] as const)
      expect(await lab.node.socket.request(listFilters({ device: hostIndex, parent }))).toEqual([]);
  });
});
