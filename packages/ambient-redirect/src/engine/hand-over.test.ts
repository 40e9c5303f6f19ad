import { expect, test } from 'vitest';
import type { LabHost } from '../../../../test/support/lab-host.ts';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { engineLab, type EngineLab } from '../../test/engine-lab.ts';
import { StateDirectory } from './directory.ts';
import type { RedirectEngine } from './engine.ts';
import type { LeavingProxy } from './leaving-proxy.ts';

const RECORD = 'proxy-leaving';

/** Opens an engine whose pods are enrolled, and a connection by its proxy. */
async function begin(): Promise<EngineLab & { readonly engine: RedirectEngine; readonly echo: Echo }> {
  const all = await engineLab();
  const engine = await all.open();
  await engine.enroll([all.pod('client'), all.pod('server')], { established: 'reset' });
  const echo = await all.connect('ipv4');
  await echo.says('before');
  return { ...all, engine, echo };
}

type Echo = Awaited<ReturnType<EngineLab['connect']>>;

/** Starts another proxy, which takes over. */
async function takeOver(engine: RedirectEngine, host: LabHost): Promise<void> {
  const { pid } = await startProxy(host);
  await engine.setProxy({ netns: { path: host.path }, pid });
}

/** What is recorded of the proxy that leaves. */
function recorded(all: EngineLab, change?: Partial<LeavingProxy>): LeavingProxy | undefined {
  using directory = StateDirectory.open(all.sys, all.directory);
  const leaving = directory.records.get<LeavingProxy>(RECORD);
  if (leaving !== undefined && change !== undefined) directory.records.put(RECORD, { ...leaving, ...change });
  return leaving;
}

describeWith([root], 'a proxy that takes over from one in another namespace', () => {
  test('who was killed between the two stages is gone on with', async () => {
    const all = await begin();
    await takeOver(all.engine, all.lab.outsider);
    await all.engine.close();
    expect(recorded(all, { moved: false })).toMatchObject({ moved: true, hostInterface: { name: 'v-proxy' } });
    const next = await all.reopen();
    expect(next.opening?.failed).toEqual([]);
    expect(await next.status()).toMatchObject({ problems: [], leaving: { connections: 2 } });
    await all.echo.says('after');
    await next.close();
    expect(recorded(all)?.moved).toBe(true);
  });

  test('a third one ends the first, and keeps the second', async () => {
    const all = await begin();
    const { engine, lab, echo } = all;
    await takeOver(engine, lab.outsider);
    const second = await all.connect('ipv6');
    await second.says('by the second');
    await takeOver(engine, lab.outside);
    expect((await engine.status()).leaving).toMatchObject({ hostInterface: { name: 'v-outsider' } });
    await second.says('still by the second');
    await expect(echo.says('by the first')).rejects.toThrow(/nothing came back|ECONNRESET|EPIPE/);
    // What was set for the first goes with the second.
    await second.end();
    await engine.reconcile();
    expect((await engine.status()).leaving).toBeUndefined();
    for (const host of [lab.proxy, lab.outsider])
      expect(await host.exec('ip', 'rule', 'show', 'priority', '20000')).toBe('');
  });

  test.each(['clearProxy', 'teardown'] as const)('%s ends both', async (how) => {
    const { engine, lab } = await begin();
    await takeOver(engine, lab.outsider);
    await engine[how]();
    for (const { hostInterface } of [lab.proxy, lab.outsider])
      expect(await lab.node.exec('bpftool', 'net', 'show', 'dev', hostInterface)).not.toContain('ztunnel_host_in');
    const rules = await Promise.all([lab.proxy, lab.outsider].map((host) => host.exec('ip', 'rule')));
    // Without a proxy nothing may be forwarded there as long as pods are enrolled.
    expect(rules.map((text) => text.includes('20000'))).toEqual(how === 'teardown' ? [false, false] : [true, true]);
  });
});
