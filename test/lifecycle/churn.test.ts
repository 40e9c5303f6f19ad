import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { startLoad, UNDISTURBED, WORKERS, type LoadReport } from './load.ts';
import { COMBINATIONS, NEEDS, Scene, SETUP_MS, synsSentAgain, times, type PodName } from './scene.ts';

const CYCLES = times(20);
/** Where the other end is the pod that comes and goes. */
const FEWER = times(5);
/** Connections that are open at a time: of all workers, and one of each family that carries much. */
const AT_ONCE = WORKERS + 2;
/** Connections that last from the beginning to the end: one of each family. */
const LASTING = 2;
/** How long pods stay as they are, in milliseconds. */
const DWELL_MS = 50;
/** How many may have had to send a SYN again: where the machine is slow that happens without a loss, and says nothing. */
const MAY_WAIT = SLOWNESS > 1 ? Infinity : 0;
/** How long connections may take to their end. */
const DRAIN_MS = 15_000 * SLOWNESS;

/** What must not have happened, and, for whoever looks at a longer run, what has. */
function whole(what: string, report: LoadReport, cycles: number): void {
  console.log(`${what}: ${cycles} cycles, ${JSON.stringify(report)}`);
  expect(report).toMatchObject(UNDISTURBED);
  expect(report.connections).toBeGreaterThan(cycles * 10);
}

describeWith(NEEDS, 'pods that are enrolled and unenrolled while they have connections', () => {
  describe.each(COMBINATIONS.map((each) => [`${each.attach}, ${each.steer}`, each] as const))(
    '%s',
    (_, combination) => {
      let scene: Scene;
      beforeAll(async () => {
        scene = await Scene.open(combination);
      }, SETUP_MS);
      afterAll(() => scene.close(), SETUP_MS);

      // The first time, a clsact qdisc is made. While that goes on the kernel drops what the node's stack sends to the pod: who waits for a SYN-ACK then gets it a
      // second later. From then on it stays, and there is nothing of the kind.
      test(
        'the first time',
        async () => {
          const load = await startLoad(scene.lab.client, scene.lab.server);
          await sleep(DWELL_MS);
          await scene.enroll(['client', 'server']);
          await sleep(DWELL_MS);
          await scene.settle();
          await scene.engine.unenroll(['client', 'server'], { drain: { timeoutMs: DRAIN_MS } });
          const report = await load.finish();
          expect(report).toMatchObject({ broken: 0, failures: [] });
          expect(report.slow).toBeLessThanOrEqual(combination.attach === 'tcx' ? MAY_WAIT : MAY_WAIT + 2 * AT_ONCE);
        },
        SETUP_MS,
      );

      test.each<{ pods: readonly PodName[]; cycles: number; lasting: boolean }>([
        { pods: ['client'], cycles: CYCLES, lasting: false },
        { pods: ['server'], cycles: FEWER, lasting: true },
        { pods: ['client', 'server'], cycles: CYCLES, lasting: false },
      ])(
        '$pods, $cycles times; one that lasts: $lasting',
        async ({ pods, cycles, lasting }) => {
          const { lab } = scene;
          const before = synsSentAgain(lab.client, lab.server, lab.proxy);
          const load = await startLoad(lab.client, lab.server, { lasting });
          for (let cycle = 0; cycle < cycles; cycle += 1) {
            // Together, or one after the other.
            for (const some of cycle % 2 === 0 ? [pods] : pods.map((pod) => [pod])) {
              await scene.enroll(some);
              await sleep(DWELL_MS);
            }
            if (!lasting && cycle % 2 === 0) await scene.settle();
            const reverse = pods.toReversed();
            for (const some of cycle % 2 === 0 ? [pods] : reverse.map((pod) => [pod])) {
              expect(await scene.engine.unenroll(some, { drain: { timeoutMs: DRAIN_MS } })).toEqual(
                some.map(() => true),
              );
              await sleep(DWELL_MS);
            }
          }
          const report = await load.finish();
          whole(`${combination.attach} ${combination.steer} ${pods.join()}`, report, cycles);
          const sentAgain = synsSentAgain(lab.client, lab.server, lab.proxy) - before;
          expect(sentAgain, 'SYNs that were sent again').toBeLessThanOrEqual(MAY_WAIT);
          expect(await scene.invalid.packets(), 'packets that connection tracking did not know').toBe(0);
        },
        (30_000 + CYCLES * 10_000) * SLOWNESS,
      );

      // What is lost is waited for, and is lost by each way: once is enough.
      if (combination !== COMBINATIONS[0]) return;
      test(
        'control: connections end where they are not preserved, and where they are not waited for',
        async () => {
          const load = await startLoad(scene.lab.client, scene.lab.server, { lasting: true });
          await scene.enroll(['client', 'server'], 'reset');
          const entered = await load.finish();
          expect(entered.broken).toBeGreaterThanOrEqual(LASTING);
          const next = await startLoad(scene.lab.client, scene.lab.server, { lasting: true });
          await scene.engine.unenroll(['client', 'server']);
          const left = await next.finish();
          expect(left.broken).toBeGreaterThanOrEqual(LASTING);
        },
        SETUP_MS,
      );
    },
  );
});
