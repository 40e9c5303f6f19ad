import { expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { purposes } from '../../test/proxy-lab.ts';
import type { PodRecord } from './pod-record.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;
const LONG = { drain: { timeoutMs: 60_000 } };

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 });

describeWith([root], 'pods that drain', () => {
  test.each([['client'], ['server'], ['client', 'server']] as const)(
    'what goes by the proxy runs to its end, what is new goes past it: %s %s',
    async (...names) => {
      const { open, pod, connect, proxy } = await engineLab();
      const engine = await open();
      await engine.enroll(names.map(pod));
      const before = await Promise.all(FAMILIES.map(connect));
      for (const echo of before) await echo.says('by the proxy');
      expect(purposes(proxy)).toHaveLength(2);
      const left: number[] = [];
      const gone = engine.unenroll([...names], { ...LONG, onProgress: (now) => left.push(now) });
      await expect.poll(() => left.length).toBeGreaterThan(1);
      expect((await engine.status()).pods.map(({ status, mode }) => [status, mode])).toEqual(
        names.map(() => ['draining', 'drain']),
      );
      const after = await Promise.all(FAMILIES.map(connect));
      for (const echo of [...before, ...after]) await echo.says('both ways');
      expect(purposes(proxy)).toHaveLength(2);
      // Each has one connection to the pod and one of the pod, at the proxy: of both pods, where both drain.
      expect(new Set(left)).toEqual(new Set([4 * names.length]));
      for (const echo of before) await echo.end();
      expect(await gone).toEqual(names.map(() => true));
      expect(left.at(-1)).toBe(0);
      expect((await engine.status()).pods).toEqual([]);
      for (const echo of after) await echo.says('still there');
      for (const echo of after) await echo.end();
    },
  );

  test('what has ended is not noted any more, and the end comes though nobody waits for it', async () => {
    const { open, pod, connect, noted } = await engineLab();
    const engine = await open();
    await engine.enroll(pod('client'));
    const before = await connect('ipv4');
    await before.says('by the proxy');
    await expect(engine.unenroll('client', { ...LONG, signal: AbortSignal.timeout(200) })).rejects.toThrow(/timeout/);
    const some = await Promise.all(FAMILIES.map(connect));
    expect(noted()).toBe(some.length);
    for (const echo of some) await echo.end();
    const last = await connect('ipv6');
    await expect.poll(noted, { timeout: 15_000 }).toBe(1);
    await last.says('still there');
    expect((await engine.status()).pods.map(({ status }) => status)).toEqual(['draining']);
    await before.end();
    await expect.poll(async () => (await engine.status()).pods, { timeout: 15_000 }).toEqual([]);
    await last.says('and now');
    await last.end();
  });

  test('what is left is cut off when time is over, or when someone does not want to wait', async () => {
    const { open, pod, connect } = await engineLab();
    const engine = await open();
    await engine.enroll([pod('client'), pod('server')]);
    const before = await connect('ipv4');
    await before.says('by the proxy');
    const started = Date.now();
    expect(await engine.unenroll('server', { drain: { timeoutMs: 300 } })).toBe(true);
    expect(Date.now() - started).toBeGreaterThanOrEqual(300);
    // The client's end of it is at the proxy still.
    await expect(engine.unenroll('client', { ...LONG, signal: AbortSignal.timeout(300) })).rejects.toThrow(/timeout/);
    expect((await engine.status()).pods.map(({ id, status }) => [id, status])).toEqual([['client', 'draining']]);
    expect(await engine.unenroll('client')).toBe(true);
    expect((await engine.status()).pods).toEqual([]);
    await expect(before.says('cut off')).rejects.toThrow(/ECONNRESET|nothing came back/);
    before.socket.destroy();
  });

  test.each(['full', 'preserve', 'drain'] satisfies PodRecord['mode'][])(
    'the next engine goes on with it, wherever the last one was: %s',
    async (mode) => {
      const { open, pod, connect, rewrite } = await engineLab();
      const first = await open();
      await first.enroll(pod('client'));
      const before = await connect('ipv6');
      await before.says('by the proxy');
      await first.close();
      rewrite('client', { phase: 'draining', mode, drainUntil: Date.now() + 60_000 });
      const second = await open();
      expect((await second.status()).pods.map(({ status, mode: now }) => [status, now])).toEqual([
        ['draining', 'drain'],
      ]);
      await before.says('still by the proxy');
      const gone = second.unenroll('client', LONG);
      await before.end();
      expect(await gone).toBe(true);
    },
  );
});
