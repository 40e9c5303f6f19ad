import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { SLOWNESS } from '../../../../test/support/slowness.ts';
import { engineLab, type EngineLab } from '../../test/engine-lab.ts';
import { RedirectEngine, type ReconcileReport } from '../engine/index.ts';
import { AmbientRedirectError } from '../error.ts';
import { EngineHolder, type HeldOptions } from './engine-holder.ts';

const LONG = { timeout: 120_000 * SLOWNESS };

async function hold(
  { sys, lab, directory }: EngineLab,
  more: Partial<HeldOptions> = {},
): Promise<[EngineHolder, HeldOptions]> {
  const options = { sys, directory, host: { fd: lab.node.netns.fd }, everyMs: 60_000, ...more };
  const holder = await EngineHolder.open(options, { onReconcile: () => undefined, onError: () => undefined });
  onTestFinished(() => holder.close());
  return [holder, options];
}

/** A holder of engines that are opened one after the other, of which only some methods are asked. */
async function holdFakes(...fakes: readonly Partial<RedirectEngine>[]): Promise<{
  readonly holder: EngineHolder;
  readonly reports: ReconcileReport[];
}> {
  const engines = [...fakes];
  const opening = vi.spyOn(RedirectEngine, 'open').mockImplementation(async () => {
    const engine: Partial<RedirectEngine> = {
      watch: () => ({ [Symbol.dispose]: () => undefined }),
      close: () => Promise.resolve(),
      ...engines.shift(),
    };
    return engine as RedirectEngine;
  });
  onTestFinished(() => opening.mockRestore());
  const reports: ReconcileReport[] = [];
  const holder = await EngineHolder.open(
    { everyMs: 60_000 },
    { onReconcile: (report) => reports.push(report), onError: () => undefined },
  );
  return { holder, reports };
}

test('who waits no more for a drain does not have the next engine begin it', async () => {
  const asked: string[] = [];
  const { holder } = await holdFakes(
    {
      unenroll: (() =>
        Promise.reject(new AmbientRedirectError('ERR_CLOSED', 'it is'))) as unknown as RedirectEngine['unenroll'],
    },
    { unenroll: (() => Promise.resolve(Boolean(asked.push('again')))) as unknown as RedirectEngine['unenroll'] },
  );
  const stop = new AbortController();
  const drained = holder.unenroll('a', { drain: { timeoutMs: 1_000 }, signal: stop.signal });
  const exchanged = holder.reopen({ everyMs: 60_000 });
  stop.abort(new Error('enough'));
  await expect(drained).rejects.toThrow('enough');
  await exchanged;
  expect(asked).toEqual([]);
});

test('what an engine finds when it takes the place of another is told', async () => {
  const opening: ReconcileReport = { repaired: [], removed: ['a'], failed: [] };
  const { holder, reports } = await holdFakes({}, { opening });
  await holder.reopen({ everyMs: 60_000 });
  expect(reports).toEqual([opening]);
});

describeWith([root], 'the engine of an agent', () => {
  test('is exchanged while it is asked, and what is asked is done by the next', LONG, async () => {
    const node = await engineLab();
    const [holder, options] = await hold(node);
    await holder.use((engine) => engine.setProxy({ netns: { path: node.lab.proxy.path }, pid: node.proxy.pid }));
    await holder.use((engine) => engine.enroll(node.pod('client'), { established: 'reset' }));
    const connection = await node.connect('ipv4');
    await connection.says('one');
    const stream = await holder.events();
    const reading = (async (): Promise<void> => {
      for await (const _ of stream) continue;
    })();
    const left: number[] = [];
    const drained = holder.unenroll('client', {
      drain: { timeoutMs: 60_000 },
      onProgress: (count) => left.push(count),
    });
    await expect.poll(() => left.length, { timeout: 30_000 * SLOWNESS }).toBeGreaterThan(0);
    await holder.reopen({ ...options, bypass: ['192.0.2.0/24'] });
    // Its stream has ended, its drain goes on.
    await reading;
    left.splice(0);
    await expect.poll(() => left.length, { timeout: 30_000 * SLOWNESS }).toBeGreaterThan(0);
    await connection.says('two');
    await connection.end();
    expect(await drained).toBe(true);
  });

  test('stays as it was where another one cannot be had, and is lost where that cannot either', LONG, async () => {
    const node = await engineLab();
    const bypass = ['192.0.2.0/24'];
    const [holder, options] = await hold(node, { bypass });
    await expect(holder.reopen({ ...options, priority: 0 })).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
    expect(holder.isLost).toBe(false);
    expect(await holder.use((engine) => engine.status())).toMatchObject({ pods: [] });
    bypass.push('nonsense');
    await expect(holder.reopen({ ...options, priority: 0 })).rejects.toMatchObject({ message: /bypass\[1\]/ });
    expect(holder.isLost).toBe(true);
    await expect(holder.use((engine) => engine.status())).rejects.toThrow('bypass[1]');
  });
});
