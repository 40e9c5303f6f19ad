import { expect, test } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { Host } from '../topology/index.ts';
import type { EngineContext } from './context.ts';
import type { ReconcileReport } from './reconcile.ts';
import { Watch } from './watch.ts';

const NOTHING: ReconcileReport = { repaired: [], removed: [], failed: [] };

describeWith([root], 'the watch', () => {
  async function context(): Promise<EngineContext> {
    const sys = await testSys();
    const host = closing(new Host(sys));
    return { sys, host, pods: new Map(), proxySide: {} } as unknown as EngineContext;
  }

  test('looks from time to time, and tells of what was found and what failed, until it is closed', async () => {
    const found: ReconcileReport = { ...NOTHING, removed: ['a'] };
    const failure = new Error('no look');
    const looks = [NOTHING, found, failure, found];
    let taken = 0;
    const told: unknown[] = [];
    const watch = new Watch(
      await context(),
      () => {
        const next = looks[taken];
        taken += 1;
        return next instanceof Error ? Promise.reject(next) : Promise.resolve(next ?? NOTHING);
      },
      { everyMs: 10, onReconcile: (report) => told.push(report), onError: (error) => told.push(error) },
    );
    expect(watch.closed).toBe(false);
    await expect.poll(() => taken).toBeGreaterThan(4);
    watch.close();
    watch.close();
    expect(watch.closed).toBe(true);
    expect(told).toEqual([found, failure, found]);
    const after = taken;
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(taken).toBe(after);
  });

  test('ends by its signal, also by one that was given before', async () => {
    const look = (): Promise<ReconcileReport> => Promise.resolve(NOTHING);
    const ending = new AbortController();
    const watch = closing(new Watch(await context(), look, { signal: ending.signal }));
    expect(watch.closed).toBe(false);
    ending.abort();
    expect(watch.closed).toBe(true);
    expect(closing(new Watch(await context(), look, { signal: ending.signal })).closed).toBe(true);
  });
});
