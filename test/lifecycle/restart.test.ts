import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { describeWith } from '../support/needs.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { startLoad, UNDISTURBED } from './load.ts';
import { SOME, NEEDS, Scene, SETUP_MS, times } from './scene.ts';

/** By the first way, and by others. */
const [RESTARTS, FEWER] = [times(50), times(10)];

describeWith(NEEDS, 'an engine that comes and goes', () => {
  describe.each(SOME.map((each) => [`${each.attach}, ${each.steer}`, each] as const))('%s', (name, combination) => {
    const restarts = combination === SOME[0] ? RESTARTS : FEWER;
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
      `${restarts} restarts, %s, are nothing to connections`,
      async (how) => {
        const load = await startLoad(scene.lab.client, scene.lab.server);
        for (let i = 0; i < restarts; i += 1) {
          await sleep(10);
          const before = await ids();
          await scene.restart(how === 'as it was' ? {} : { bypass: [`192.0.2.${i}/32`] });
          const after = await ids();
          expect(after.filter((id) => before.includes(id))).toEqual(how === 'as it was' ? before : []);
        }
        const report = await load.finish();
        console.log(`${name}, ${restarts} restarts ${how}: ${JSON.stringify(report)}`);
        expect(report).toMatchObject(UNDISTURBED);
      },
      (30_000 + restarts * 5_000) * SLOWNESS,
    );
  });
});
