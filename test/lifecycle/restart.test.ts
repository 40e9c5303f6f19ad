import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { startLoad, UNDISTURBED } from './load.ts';
import { SOME, NEEDS, Scene, SETUP_MS, times } from './scene.ts';

const RESTARTS = times(50);

describeWith(NEEDS, 'an engine that comes and goes', () => {
  describe.each(SOME.map((each) => [`${each.attach}, ${each.steer}`, each] as const))('%s', (name, combination) => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await Scene.open(combination);
      await scene.enroll(['client', 'server'], 'reset');
    }, SETUP_MS);
    afterAll(() => scene.close(), SETUP_MS);

    const ids = async (): Promise<unknown[]> => {
      const { ok, pods } = await scene.engine.status();
      expect(ok).toBe(true);
      return pods.flatMap(({ hooks }) => hooks.map(({ program }) => program?.id));
    };

    test.each(['as it was', 'with other programs'] as const)(
      `${RESTARTS} restarts, %s, are nothing to connections`,
      async (how) => {
        const load = await startLoad(scene.lab.client, scene.lab.server);
        for (let i = 0; i < RESTARTS; i += 1) {
          await sleep(10);
          const before = await ids();
          // Two kinds in turn: each restart exchanges all, and not each one has to compile them.
          await scene.restart(how === 'as it was' ? {} : { bypass: [`192.0.2.${i % 2}/32`] });
          const after = await ids();
          expect(after.filter((id) => before.includes(id))).toEqual(how === 'as it was' ? before : []);
        }
        const report = await load.finish();
        console.log(`${name}, ${RESTARTS} restarts ${how}: ${JSON.stringify(report)}`);
        expect(report).toMatchObject(UNDISTURBED);
      },
      (30_000 + RESTARTS * 5_000) * SLOWNESS,
    );
  });
});
