import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { LabHost } from '../support/lab-host.ts';
import { startHaproxy } from '../support/lab-proxy.ts';
import { describeWith } from '../support/needs.ts';
import { connectQuietly, receiveText } from '../support/traffic.ts';
import { startLoad } from './load.ts';
import { NEEDS, Scene, SETUP_MS, SOME, times } from './scene.ts';

const HANDOVERS = times(10);
const PORT = 7500;

/** What tells that packets of any address are taken, and that none is forwarded. */
async function settingsOf(host: LabHost): Promise<readonly string[]> {
  const rules = await Promise.all(
    ['-4', '-6'].map((family) => host.exec('ip', family, 'rule', 'show', 'priority', '20000')),
  );
  return [...rules, ...['ipv4', 'ipv6'].map((family) => host.sysctl(`${family}/conf/all/forwarding`))];
}

describeWith(NEEDS, 'a proxy that takes over from one in another namespace', () => {
  describe.each(SOME.map((each) => [`${each.attach}, ${each.steer}`, each] as const))('%s', (name, combination) => {
    let scene: Scene;
    let before: readonly string[];
    /** Where a proxy is, and where its successor will be. */
    let places: [LabHost, LabHost];
    beforeAll(async () => {
      scene = await Scene.open(combination);
      const { proxy, outsider } = scene.lab;
      // So that it is seen whether it is put back.
      outsider.sysctl('ipv4/conf/all/forwarding', '1');
      before = await settingsOf(outsider);
      // Both open connections in the name of the same pods: from one port, they would be one to the server.
      proxy.sysctl('ipv4/ip_local_port_range', '10000 20999');
      outsider.sysctl('ipv4/ip_local_port_range', '21000 32000');
      places = [proxy, outsider];
      await scene.enroll(['client', 'server'], 'reset');
    }, SETUP_MS);
    afterAll(() => scene.close());

    /** A successor in the other namespace. Its predecessor is ended softly: it goes on with what it has. */
    async function handOver(): Promise<void> {
      const [, next] = places;
      const old = scene.proxy;
      scene.proxy = await startHaproxy(next, { reuseport: true });
      const state = await scene.engine.setProxy({ netns: { path: next.path }, pid: scene.proxy.pid });
      expect(state.status).toBe('listening');
      places.reverse();
      await sleep(50);
      await old.stop('SIGUSR1');
    }

    /** Waits until nothing is left of the predecessor. */
    async function settled(): Promise<void> {
      await expect.poll(async () => (await scene.engine.status()).leaving, { timeout: 10_000 }).toBeUndefined();
    }

    test(
      `${HANDOVERS} take over from each other, and no connection is lost`,
      async () => {
        const load = await startLoad(scene.lab.client, scene.lab.server);
        for (let i = 0; i < HANDOVERS; i += 1) {
          await sleep(100);
          await handOver();
          if (i % 2 === 0) await settled();
        }
        const report = await load.finish();
        console.log(`${name}, ${HANDOVERS} hand-overs to another namespace: ${JSON.stringify(report)}`);
        expect(report).toMatchObject({ broken: 0, slow: 0, failures: [] });
        expect(report.connections).toBeGreaterThan(HANDOVERS * 10);
        await settled();
        expect((await scene.engine.status()).problems).toEqual([]);
      },
      30_000 + HANDOVERS * 20_000,
    );

    test('what is open stays with the one that has it, as long as it lasts, over a restart of the engine too', async () => {
      const { client, server } = scene.lab;
      const [old] = places;
      await using _server = await server.serveTcp(PORT, (socket) => socket.pipe(socket));
      const sockets = (['ipv4', 'ipv6'] as const).map((family) =>
        connectQuietly(client, { address: server.address(family), port: PORT }),
      );
      onTestFinished(() => sockets.forEach((socket) => socket.destroy()));
      const speak = async (word: string): Promise<void> => {
        for (const socket of sockets) {
          const echo = new Promise((resolve) => socket.once('data', (data) => resolve(String(data))));
          socket.write(word);
          expect(await echo).toBe(word);
        }
      };
      await speak('before');
      const oldProxy = scene.proxy;
      scene.proxy = await startHaproxy(places[1], { reuseport: true });
      await scene.engine.setProxy({ netns: { path: places[1].path }, pid: scene.proxy.pid });
      places.reverse();
      await speak('after');
      // Both legs of each.
      expect((await scene.engine.status()).leaving).toMatchObject({ connections: 4 });
      await scene.restart();
      await speak('later');
      expect((await scene.engine.status()).leaving).toMatchObject({ connections: 4 });
      // New ones are the successor's: the old one may end as soon as what it has does.
      const fresh = connectQuietly(client, { address: server.address('ipv4'), port: PORT });
      fresh.end('new');
      expect(await receiveText(fresh)).toBe('new');
      const ended = oldProxy.stop('SIGUSR1');
      await speak('last');
      for (const socket of sockets) socket.end();
      await ended;
      await settled();
      expect(await settingsOf(old)).toEqual(old === scene.lab.outsider ? before : ['', '', '0', '0']);
    });

    test('one that is named again before it has ended takes back what is new', async () => {
      const { client, server } = scene.lab;
      const first = scene.proxy;
      const second = await startHaproxy(places[1], { reuseport: true });
      const load = await startLoad(client, server, { bulk: false });
      const [one, other] = places.map(({ path }) => ({ netns: { path } }));
      for (const place of [other, one, other, one]) {
        if (place === undefined) throw new Error('there are two');
        await scene.engine.setProxy(place);
        await sleep(150);
      }
      expect(await load.finish()).toMatchObject({ broken: 0, slow: 0, failures: [] });
      await second.stop('SIGUSR1');
      await settled();
      expect(first.pid).toBe((await scene.engine.status()).proxy?.pid);
    });
  });
});
