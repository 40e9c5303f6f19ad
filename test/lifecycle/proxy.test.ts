import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith, tool } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { captureRouted } from './capture.ts';
import { startLoad, UNDISTURBED, WORKERS } from './load.ts';
import { NEEDS, Scene, SETUP_MS, SOME, times } from './scene.ts';

const OFTEN = times(10);
/** Connections that are open at a time: one of each worker, and one of each family that carries much. */
const AT_ONCE = WORKERS + 2;

describeWith([...NEEDS, tool('tcpdump')], 'a mesh whose proxy is another by now', () => {
  describe.each(SOME.map((each) => [`${each.attach}, ${each.steer}`, each] as const))('%s', (name, combination) => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await Scene.open(combination);
      // With tproxy the kernel chooses among the listeners of both: what the old one has not accepted goes to the new one.
      scene.lab.proxy.sysctl('ipv4/tcp_migrate_req', '1');
    }, SETUP_MS);
    afterAll(() => scene.close(), SETUP_MS);

    test('control: what goes past the proxy is seen on the wire', async () => {
      const { client, server } = scene.lab;
      const captures = await Promise.all([client, server].map(captureRouted));
      const load = await startLoad(client, server, { workers: 2, bulk: false });
      const { connections } = await load.finish();
      for (const capture of captures) expect((await capture.finish()).length).toBeGreaterThan(connections);
      await scene.enroll(['client', 'server'], 'reset');
    });

    test(
      `${OFTEN} take over from each other, and no connection is lost`,
      async () => {
        const load = await startLoad(scene.lab.client, scene.lab.server);
        for (let i = 0; i < OFTEN; i += 1) {
          await sleep(100);
          await scene.handOver();
        }
        const report = await load.finish();
        console.log(`${name}, ${OFTEN} hand-overs: ${JSON.stringify(report)}`);
        expect(report).toMatchObject(UNDISTURBED);
      },
      (30_000 + OFTEN * 10_000) * SLOWNESS,
    );

    test(
      `${OFTEN} are killed: nothing goes past them, and who waits gets through to the next`,
      async () => {
        const { client, server } = scene.lab;
        const captures = await Promise.all([client, server].map(captureRouted));
        const load = await startLoad(client, server);
        for (let i = 0; i < OFTEN; i += 1) {
          await sleep(100);
          await scene.killProxy();
          await sleep(100);
          await scene.startProxy();
          await expect
            .poll(async () => (await scene.engine.status()).proxy?.status, { timeout: 5_000 * SLOWNESS })
            .toBe('listening');
          // A SYN is sent again after a second.
          await sleep(1_100 * SLOWNESS);
        }
        const report = await load.finish();
        console.log(`${name}, ${OFTEN} kills: ${JSON.stringify(report)}`);
        for (const capture of captures) expect(await capture.finish()).toEqual([]);
        // Those that were open when their proxy was killed, and no others: one whose SYN was answered was open.
        const unanswered = report.failures.filter((each) => each.includes('connect:') && !each.includes('ECONNRESET'));
        expect(unanswered).toEqual([]);
        expect(report.broken).toBeLessThanOrEqual(OFTEN * AT_ONCE);
        expect(report.slow).toBeGreaterThan(0);
        expect(report.connections).toBeGreaterThan(OFTEN * AT_ONCE * 2);
      },
      (30_000 + OFTEN * 15_000) * SLOWNESS,
    );
  });
});
