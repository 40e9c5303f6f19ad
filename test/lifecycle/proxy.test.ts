import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { addNftRule } from '../support/nft.ts';
import { startLoad } from './load.ts';
import { COMBINATIONS, NEEDS, Scene, SETUP_MS, times } from './scene.ts';

const HANDOVERS = times(2);
const KILLS = times(2);
const WORKERS = 8;
/** Connections that are open at a time: one of each worker, and one of each family that carries much. */
const AT_ONCE = WORKERS + 2;

const ways = COMBINATIONS.filter(({ attach }) => attach === 'tcx').map((each) => [each.steer, each] as const);

describeWith(NEEDS, 'a mesh whose proxy is another by now', () => {
  describe.each(ways)('%s', (steer, combination) => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await Scene.open(combination);
      // With tproxy the kernel chooses among the listeners of both: what the old one has not accepted goes to the new one.
      scene.lab.proxy.sysctl('ipv4/tcp_migrate_req', '1');
      await scene.enroll(['client', 'server'], 'reset');
    }, SETUP_MS);
    afterAll(() => scene.close());

    test(
      `${HANDOVERS} take over from each other, and no connection is lost`,
      async () => {
        const load = await startLoad(scene.lab.client, scene.lab.server, { workers: WORKERS });
        for (let i = 0; i < HANDOVERS; i += 1) {
          await sleep(150);
          await scene.handOver();
        }
        const report = await load.finish();
        console.log(`${steer}, ${HANDOVERS} hand-overs: ${JSON.stringify(report)}`);
        expect(report).toMatchObject({ broken: 0, slow: 0, failures: [] });
      },
      30_000 + HANDOVERS * 10_000,
    );

    test(
      `${KILLS} are killed: nothing goes past them, and who waits gets through to the next`,
      async () => {
        const { node, client, server } = scene.lab;
        const [from, to] = [client.hostInterface, server.hostInterface];
        await using unproxied = await addNftRule(
          node,
          'unproxied',
          'forward',
          `iifname { ${from}, ${to} } oifname { ${from}, ${to} } meta l4proto tcp`,
        );
        const load = await startLoad(client, server, { workers: WORKERS });
        for (let i = 0; i < KILLS; i += 1) {
          await sleep(150);
          await scene.killProxy();
          await sleep(150);
          await scene.startProxy();
          await expect
            .poll(async () => (await scene.engine.status()).proxy?.status, { timeout: 5_000 })
            .toBe('listening');
          await sleep(1_500);
        }
        const report = await load.finish();
        console.log(`${steer}, ${KILLS} kills: ${JSON.stringify(report)}`);
        expect(await unproxied.packets()).toBe(0);
        // Those that were open when their proxy was killed, and no others.
        expect(report.failures.filter((each) => each.includes('connect:'))).toEqual([]);
        expect(report.broken).toBeLessThanOrEqual(KILLS * AT_ONCE);
        expect(report.slow).toBeGreaterThan(0);
        expect(report.connections).toBeGreaterThan(KILLS * AT_ONCE * 2);
      },
      30_000 + KILLS * 15_000,
    );
  });
});
