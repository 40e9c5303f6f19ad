/**
 * An engine that is killed before one of its steps: the next one finishes or undoes what it began. Some steps of each part in every run;
 * `npm run test:crash` takes as many as `AMBIENT_CRASHES` says (all of them: a large number), chosen at random.
 */
import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { describeWith, root, tool } from '../support/needs.ts';
import type { Part } from './engine-main.ts';
import { byProxy, done, foreignOn, scene, sharers, type Scene } from './scene.ts';

const CRASHES = Number(process.env['AMBIENT_CRASHES'] ?? 1);

vi.setConfig({ testTimeout: 120_000 + 60_000 * CRASHES, hookTimeout: 60_000 });

interface Row {
  readonly part: Part;
  readonly before: readonly Part[];
}

const ROWS: readonly Row[] = [
  { part: 'setProxy', before: ['enroll'] },
  { part: 'enroll', before: ['setProxy'] },
  { part: 'unenroll', before: ['setProxy', 'enroll'] },
  { part: 'teardown', before: ['setProxy', 'enroll'] },
];

/** What a node has of ours, or has set for us. */
async function traces({ lab: { node, proxy } }: Scene): Promise<string> {
  const texts: string[] = [];
  for (const host of [node, proxy]) {
    for (const command of ['ip -4 rule', 'ip -6 rule', 'ip route show table all type local', 'tc qdisc'])
      texts.push(`${host.name}: ${command}: ${await host.exec(...command.split(' '))}`);
    for (const family of ['ipv4', 'ipv6']) texts.push(host.sysctl(`${family}/conf/all/forwarding`));
  }
  return texts.join('\n');
}

/** Whether `client` reaches `server`, and by the proxy; undefined where it does not get through. */
function reached(stage: Scene): Promise<boolean | undefined> {
  return byProxy(stage, 400).catch(() => undefined);
}

/** Which of so many steps: evenly spread for few, all for many. */
function chosen(steps: number): readonly number[] {
  if (CRASHES >= steps) return Array.from({ length: steps }, (_, index) => index + 1);
  const width = steps / CRASHES;
  return Array.from({ length: CRASHES }, (_, index) => 1 + Math.floor((index + Math.random()) * width));
}

describeWith([root, tool('haproxy'), tool('ip'), tool('tc')], 'an engine that is killed', () => {
  const ways = (['tcx', 'clsact'] as const).flatMap((attach) =>
    ROWS.map(({ part, before }) => ({ attach, part, before })),
  );
  test.each(ways)('$attach, $part: the next one finishes or undoes it', async ({ attach, part, before }) => {
    const stage = await scene({ attach });
    const { sys, lab } = stage;
    await sharers(stage);
    const [clean, others] = [await traces(stage), await foreignOn(sys, lab.node, lab.client)];
    const unharmed = async (what: string): Promise<void> =>
      expect(await foreignOn(sys, lab.node, lab.client), what).toEqual(others);
    const parts = [...before, part];
    const whole = stage.start({ parts }, attach);
    const steps = (await done(whole)) ?? 0;
    expect(steps).toBeGreaterThan(5);
    await whole.stop('SIGKILL');
    if (existsSync(stage.directory)) await (await stage.open()).teardown();
    for (const dieAt of chosen(steps)) {
      const what = `killed before step ${dieAt} of ${steps} of ${part}`;
      const child = stage.start({ parts, dieAt }, attach);
      expect(await done(child), what).toBeUndefined();
      await child.stop();
      await unharmed(what);
      // Pods that are enrolled, and no proxy yet: closed, or by the proxy.
      const allowed = part === 'setProxy' ? [undefined, true] : [undefined, true, false];
      expect(allowed, what).toContain(await reached(stage));
      const engine = await stage.open({ attach });
      expect(await engine.reconcile(), what).toEqual({ repaired: [], removed: [], failed: [] });
      await unharmed(what);
      const { pods, deviations } = await engine.status();
      expect(
        pods.map(({ status, problems }) => ({ status, problems })),
        what,
      ).toEqual(pods.map(() => ({ status: 'enrolled', problems: [] })));
      expect(deviations, what).toEqual([]);
      // Whoever is enrolled sends by the proxy.
      expect(await byProxy(stage), what).toBe(pods.length > 0);
      expect(await engine.teardown(), what).toEqual([]);
      await unharmed(what);
      expect(existsSync(stage.directory), what).toBe(false);
      expect(await traces(stage), what).toBe(clean);
    }
  });
});
