/**
 * An engine that is killed before one of its steps: the next one finishes or undoes what it began. Each step that `docs/lifecycle.md` numbers in
 * every run. `npm run test:crash` takes single calls to the kernel: as many as `AMBIENT_CRASHES` says, spread at random, or each one: `AMBIENT_CRASHES=all`.
 */
import { existsSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { attachModes } from '../../packages/netlink-tc/test/kernel.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { difference } from '../support/residue.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { labTraces, traces } from '../support/traces.ts';
import type { Part } from './engine-main.ts';
import { byProxy, done, foreignOn, scene, sharers, type Scene } from './scene.ts';

const GIVEN = process.env['AMBIENT_CRASHES'];
const STEPS = GIVEN === undefined ? 'changes' : 'calls';
const CRASHES = GIVEN === undefined || GIVEN === 'all' ? Infinity : Number(GIVEN);

const TIMEOUT_MS = 120_000 + 60_000 * Math.min(CRASHES, 200);

vi.setConfig({ testTimeout: TIMEOUT_MS * SLOWNESS, hookTimeout: 60_000 * SLOWNESS });

interface Row {
  readonly part: Part;
  readonly before: readonly Part[];
}

const ROWS: readonly Row[] = [
  { part: 'setProxy', before: ['enroll'] },
  { part: 'enroll', before: ['setProxy'] },
  { part: 'unenroll', before: ['setProxy', 'enroll'] },
  { part: 'drain', before: ['setProxy', 'enroll'] },
  { part: 'handOver', before: ['setProxy', 'enroll'] },
  { part: 'teardown', before: ['setProxy', 'enroll'] },
];

/** Whether `client` reaches `server`, and by the proxy; undefined where it does not get through. */
function reached(stage: Scene): Promise<boolean | undefined> {
  return byProxy(stage, 400).catch(() => undefined);
}

/** How the namespaces of the node and of both proxies are set up. */
function setUp({ lab }: Scene): readonly string[] {
  return [...labTraces(lab), ...traces(lab.outsider.path)];
}

/** Which of so many steps: evenly spread for few, all for many. */
function chosen(steps: number): readonly number[] {
  if (CRASHES >= steps) return Array.from({ length: steps }, (_, index) => index + 1);
  const width = steps / CRASHES;
  return Array.from({ length: CRASHES }, (_, index) => 1 + Math.floor((index + Math.random()) * width));
}

/** Does in this process what has been done when the part begins. Its programs are compiled here, which takes a new process much longer. */
async function prepare(stage: Scene, { part, before }: Row): Promise<void> {
  const engine = await stage.reopen();
  const both = stage.pods('client', 'server');
  if (before.includes('setProxy')) await stage.setProxy(engine);
  if (STEPS === 'changes' && part === 'enroll') {
    // The process finds the programs of pods that have left: to compile them would take it more time than all the rest.
    await engine.enroll(both);
    await engine.unenroll(['client', 'server']);
  }
  // They leave one after the other: the steps of a second one are the same.
  if (before.includes('enroll')) await engine.enroll(STEPS === 'changes' ? both.slice(0, 1) : both);
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
  const child = stage.start({ parts: [part], steps: STEPS, dieAt });
  expect(await done(child)).toBeUndefined();
  await child.stop();
  await unharmed();
  // Pods that are enrolled, and no proxy yet: closed, or by the proxy. A hand-over loses nothing.
  const allowed = part === 'handOver' ? [true] : part === 'setProxy' ? [undefined, true] : [undefined, true, false];
  expect(allowed).toContain(await reached(stage));
  const engine = await stage.reopen();
  if (part === 'handOver') await stage.handOver(engine);
  else await stage.setProxy(engine);
  expect(await engine.reconcile()).toEqual({ repaired: [], removed: [], failed: [] });
  await unharmed();
  const { pods, deviations, leaving } = await engine.status();
  expect(pods.map(({ status, problems }) => ({ status, problems }))).toEqual(
    pods.map(() => ({ status: 'enrolled', problems: [] })),
  );
  expect(deviations).toEqual([]);
  expect(leaving).toBeUndefined();
  // Whoever is enrolled sends by the proxy.
  expect(await byProxy(stage)).toBe(pods.length > 0);
  expect(await engine.teardown()).toEqual([]);
  await unharmed();
  expect(existsSync(stage.directory)).toBe(false);
  expect(difference(clean, setUp(stage))).toEqual([]);
}

describeWith([root, tool('haproxy'), tool('ip'), tool('tc')], 'an engine that is killed', () => {
  const ways = attachModes()
    .flatMap((attach, index) => ROWS.map(({ part, before }) => ({ attach, part, before, isFirst: index === 0 })))
    // What these change on hooks, the others do as well: by one way in every run.
    .filter(({ part, isFirst }) => isFirst || STEPS === 'calls' || (part !== 'drain' && part !== 'handOver'));
  test.each(ways)('$attach, $part: the next one finishes or undoes it', async ({ attach, ...row }) => {
    const stage = await scene({ attach }, { hasSuccessor: row.part === 'handOver' });
    await sharers(stage);
    const untouched = {
      clean: setUp(stage),
      others: await foreignOn(stage.sys, stage.lab.node, stage.lab.client),
    };
    await prepare(stage, row);
    const whole = stage.start({ parts: [row.part], steps: STEPS });
    const steps = (await done(whole)) ?? 0;
    expect(steps).toBeGreaterThan(5);
    const kinds = whole.output.split('\n')[0];
    await whole.stop('SIGKILL');
    await tearDown(stage);
    const begun = Date.now();
    const failures: string[] = [];
    for (const dieAt of chosen(steps)) {
      try {
        await survives(stage, row, dieAt, untouched);
      } catch (error) {
        failures.push(`killed before step ${dieAt} of ${steps}: ${String(error)}`);
        await tearDown(stage);
      }
    }
    console.log(
      `${attach}, ${row.part}: ${chosen(steps).length} of ${steps} ${STEPS}, ${Date.now() - begun} ms; ${kinds}`,
    );
    expect(failures).toEqual([]);
  });
});
