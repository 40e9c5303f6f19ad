import { describe, expect, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { purposes } from '../../test/proxy-lab.ts';
import type { RedirectEngine } from './engine.ts';
import type { PodRecord } from './pod-record.ts';

const FAMILIES = ['ipv4', 'ipv6'] as const;

async function modes(engine: RedirectEngine): Promise<readonly (readonly [string, string, string])[]> {
  const { pods } = await engine.status();
  return pods.map(({ id, status, mode }) => [id, status, mode] as const);
}

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 60_000 });

describeWith([root], 'pods on their way into the mesh', () => {
  test.each([['client'], ['server'], ['client', 'server']] as const)(
    'connections that are open run past the proxy until they end, and then nothing is looked up any more: %s %s',
    async (...names) => {
      const { open, pod, connect, proxy } = await engineLab();
      const engine = await open();
      const before = await Promise.all(FAMILIES.map(connect));
      await engine.enroll(names.map(pod));
      for (const echo of before) await echo.says('still there');
      expect(purposes(proxy)).toEqual([]);
      const after = await Promise.all(FAMILIES.map(connect));
      for (const echo of [...before, ...after]) await echo.says('and now');
      expect(purposes(proxy)).toHaveLength(2);
      expect(await modes(engine)).toEqual(names.map((name) => [name, 'enrolled', 'preserve']));
      const [first, ...others] = before;
      await first?.end();
      for (let i = 0; i < 3; i += 1) await engine.reconcile();
      expect((await modes(engine)).map(([, , mode]) => mode)).toEqual(names.map(() => 'preserve'));
      for (const echo of others) await echo.end();
      // The second look decides.
      for (let i = 0; i < 3; i += 1) await engine.reconcile();
      expect(await modes(engine)).toEqual(names.map((name) => [name, 'enrolled', 'full']));
      for (const echo of after) await echo.says('once more');
      for (const echo of after) await echo.end();
    },
  );

  test('connections that are open end where that is asked for', async () => {
    const { open, pod, connect } = await engineLab();
    const engine = await open();
    const before = await connect('ipv4');
    await engine.enroll(pod('client'), { established: 'reset' });
    await expect(before.says('still there')).rejects.toThrow('ECONNRESET');
    expect(await modes(engine)).toEqual([['client', 'enrolled', 'full']]);
    const after = await connect('ipv4');
    await after.says('new');
    await after.end();
  });

  describe.each(['observe', 'drain', 'preserve', 'full'] satisfies PodRecord['mode'][])('%s', (mode) => {
    test('an enrolment that ended there is finished by the next engine, and open connections live on', async () => {
      const { open, pod, connect, rewrite, proxy } = await engineLab();
      const first = await open();
      const before = await connect('ipv6');
      await first.enroll(pod('client'));
      await first.close();
      rewrite('client', { phase: 'enrolling', mode });
      const second = await open();
      expect(await modes(second)).toEqual([['client', 'enrolled', mode === 'full' ? 'full' : 'preserve']]);
      const outcome = await before.says('still there').then(
        () => 'lives on',
        (error: Error) => error.message,
      );
      expect(outcome).toMatch(mode === 'full' ? 'ECONNRESET' : 'lives on');
      const after = await connect('ipv6');
      await after.says('new');
      expect(purposes(proxy)).toEqual(['outbound']);
      await after.end();
      before.socket.destroy();
      expect(await second.status()).toMatchObject({ ok: true });
    });
  });
});
