/**
 * An engine that is killed before one of its steps: the next one finishes or undoes what it began. Some steps of each part in every run;
 * `npm run test:crash` takes as many as `AMBIENT_CRASHES` says, spread at random, or each one: `AMBIENT_CRASHES=all`.
 */
import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import type * as Programs from '../../packages/ambient-redirect/src/programs/index.ts';
import { attachModes } from '../../packages/netlink-tc/test/kernel.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { difference } from '../support/residue.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { traces } from '../support/traces.ts';
import type { Part } from './engine-main.ts';
import { byProxy, done, foreignOn, scene, sharers, type Scene } from './scene.ts';

const GIVEN = process.env['AMBIENT_CRASHES'] ?? '1';
const CRASHES = GIVEN === 'all' ? Infinity : Number(GIVEN);

const TIMEOUT_MS = 120_000 + 60_000 * Math.min(CRASHES, 200);

vi.setConfig({ testTimeout: TIMEOUT_MS * SLOWNESS, hookTimeout: 60_000 * SLOWNESS });

// To compile the same programs for each step anew would take most of the time. The engine that dies compiles its own.
vi.mock('../../packages/ambient-redirect/src/programs/index.ts', async (original) => {
  const programs = await original<typeof Programs>();
  const once = <F, P>(build: (facts: F) => P): ((facts: F) => P) => {
    const made = new Map<string, P>();
    return (facts) => {
      const key = JSON.stringify(facts);
      const program = made.get(key) ?? build(facts);
      made.set(key, program);
      return program;
    };
  };
  const { appOutbound, appInbound, hostIn, steer } = programs;
  return Object.assign({}, programs, {
    appOutbound: once(appOutbound),
    appInbound: once(appInbound),
    hostIn: once(hostIn),
    steer: once(steer),
  });
});

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

/** How the namespaces of the node and the proxy are set up. */
function setUp({ lab: { node, proxy } }: Scene): readonly string[] {
  return [node, proxy].flatMap(({ name, path }) => traces(path).map((line) => `${name}: ${line}`));
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

/** Does in this process what has been done when the part begins. Its programs are compiled here, which takes a new process much longer. */
async function prepare(stage: Scene, { before }: Row): Promise<void> {
  const engine = await stage.reopen();
  for (const part of before) {
    if (part === 'setProxy') await stage.setProxy(engine);
    else await engine.enroll(stage.pods('client', 'server'));
  }
  await engine.close();
}

/** Takes everything away. @returns settings that were left */
async function tearDown(stage: Scene): Promise<unknown> {
  return existsSync(stage.directory) ? (await stage.reopen()).teardown() : [];
}

/** Lets an engine die before a step, and looks that the next one finishes or undoes what it began. */
async function survives(
  stage: Scene,
  row: Row,
  dieAt: number,
  { clean, others }: { readonly clean: readonly string[]; readonly others: readonly string[] },
): Promise<void> {
  const { part } = row;
  const unharmed = async (): Promise<void> =>
    expect(await foreignOn(stage.sys, stage.lab.node, stage.lab.client)).toEqual(others);
  await prepare(stage, row);
  const child = await stage.start({ parts: [part], dieAt });
  expect(await done(child)).toBeUndefined();
  await child.stop();
  await unharmed();
  // Pods that are enrolled, and no proxy yet: closed, or by the proxy.
  const allowed = part === 'setProxy' ? [undefined, true] : [undefined, true, false];
  expect(allowed).toContain(await reached(stage));
  const engine = await stage.open();
  expect(await engine.reconcile()).toEqual({ repaired: [], removed: [], failed: [] });
  await unharmed();
  const { pods, deviations } = await engine.status();
  expect(pods.map(({ status, problems }) => ({ status, problems }))).toEqual(
    pods.map(() => ({ status: 'enrolled', problems: [] })),
  );
  expect(deviations).toEqual([]);
  // Whoever is enrolled sends by the proxy.
  expect(await byProxy(stage)).toBe(pods.length > 0);
  expect(await engine.teardown()).toEqual([]);
  await unharmed();
  expect(existsSync(stage.directory)).toBe(false);
  expect(difference(clean, setUp(stage))).toEqual([]);
}

describeWith([root, tool('haproxy'), tool('ip'), tool('tc')], 'an engine that is killed', () => {
  const ways = attachModes().flatMap((attach) => ROWS.map(({ part, before }) => ({ attach, part, before })));
  test.each(ways)('$attach, $part: the next one finishes or undoes it', async ({ attach, ...row }) => {
    const stage = await scene({ attach });
    await sharers(stage);
    const untouched = {
      clean: setUp(stage),
      others: await foreignOn(stage.sys, stage.lab.node, stage.lab.client),
    };
    await prepare(stage, row);
    const whole = await stage.start({ parts: [row.part] });
    const steps = (await done(whole)) ?? 0;
    expect(steps).toBeGreaterThan(5);
    await whole.stop('SIGKILL');
    await tearDown(stage);
    const begun = Date.now();
    const failures: string[] = [];
    for (const dieAt of chosen(steps)) {
      try {
        await survives(stage, row, dieAt, untouched);
      } catch (error) {
        failures.push(`killed before step ${dieAt} of ${steps}: ${String(error)}`);
        if (CRASHES > 1) console.log(failures.at(-1));
        await tearDown(stage);
      }
    }
    if (CRASHES > 1)
      console.log(`${attach}, ${row.part}: ${chosen(steps).length} of ${steps} steps, ${Date.now() - begun} ms`);
    expect(failures).toEqual([]);
  });
});
