import { listFilters } from 'netlink-tc';
import { existsSync, readdirSync } from 'node:fs';
import { expect, onTestFinished, test } from 'vitest';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { statePath } from '../../test/state.ts';
import { EngineView, recordedOptions, RedirectEngine, type EngineOptions } from './index.ts';

async function scene(): Promise<{
  readonly lab: Lab;
  readonly options: EngineOptions & Required<Pick<EngineOptions, 'sys' | 'directory'>>;
}> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const options = {
    sys,
    directory: statePath(sys),
    host: { path: lab.node.path },
    attach: 'clsact',
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
  } as const;
  onTestFinished(async () => {
    if (existsSync(options.directory)) await (await RedirectEngine.open(options)).teardown();
    await lab.close();
  });
  return { lab, options };
}

describeWith([root], 'a view of the engine', () => {
  test('tells what the engine tells, beside it and after it, and changes nothing', async () => {
    const { lab, options } = await scene();
    const { sys, directory } = options;
    const proxy = await startProxy(lab.proxy);
    const engine = await RedirectEngine.open(options);
    await engine.setProxy({ netns: { path: lab.proxy.path }, pid: proxy.pid });
    await engine.enroll([{ id: 'client', netns: { path: lab.client.path } }], { established: 'reset' });
    const told = await engine.status();
    expect(told).toMatchObject({ ok: true, pods: [{ status: 'enrolled' }] });
    const names = (): readonly string[] => readdirSync(directory, { recursive: true, encoding: 'utf8' }).toSorted();
    const before = names();

    // No more is said than which state it is: the rest was recorded.
    await using beside = await EngineView.open({ sys, directory });
    expect(await beside.status()).toEqual(told);
    expect(await beside.metrics()).toEqual({ ...(await engine.metrics()), reconciles: undefined });
    expect(beside.options).toEqual({
      directory,
      host: options.host,
      attach: 'clsact',
      podCidrs: options.podCidrs,
    });

    await engine.close();
    const [hook] = told.pods[0]?.hooks ?? [];
    expect(hook?.program?.name).toBe('app_outbound');
    await lab.node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'ingress');
    await using after = await EngineView.open({ sys, directory });
    expect(await after.status()).toMatchObject({
      ok: false,
      pods: [{ status: 'degraded', problems: ['app_outbound was detached by someone else'] }],
    });
    // It was not put back, as an engine would do that opens.
    const { index: device } = told.pods[0]?.hostInterface ?? { index: 0 };
    const filters = await lab.node.socket.request(listFilters({ device, parent: 'ingress' }));
    expect(filters).toEqual([]);
    expect(names()).toEqual(before);
    const next = await RedirectEngine.open({ ...(await recordedOptions({ sys, directory })), sys, directory });
    expect((await next.status()).ok).toBe(true);
    await next.close();
  });

  test('programs that this build would make otherwise are told of, and not made', async () => {
    const { lab, options } = await scene();
    const { sys, directory } = options;
    const engine = await RedirectEngine.open(options);
    await engine.enroll([{ id: 'client', netns: { path: lab.client.path } }], { established: 'reset' });
    await engine.close();
    const programs = (): readonly string[] => readdirSync(`${directory}/v1/programs`);
    const before = programs();
    await lab.node.exec('ip', 'address', 'add', '172.30.0.77/32', 'dev', 'lo');
    await using view = await EngineView.open({ sys, directory });
    expect((await view.status()).pods[0]?.problems).toEqual([
      'app_outbound is not of this version or of these settings',
      'app_inbound is not of this version or of these settings',
    ]);
    expect(programs()).toEqual(before);
  });

  test('where no engine was, there is nothing to see', async () => {
    const { options } = await scene();
    const { sys, directory } = options;
    await expect(EngineView.open({ sys, directory })).rejects.toMatchObject({ code: 'ERR_NO_STATE' });
    expect(await recordedOptions({ sys, directory })).toBeUndefined();
    expect(existsSync(directory)).toBe(false);
  });

  test('what means nothing to another process is not recorded', async () => {
    const { lab, options } = await scene();
    const { sys, directory } = options;
    const changes = {
      host: { fd: lab.node.netns.fd },
      order: { before: { program: { fd: 5 } } },
      withoutProxy: 'pass',
    } as const;
    const engine = await RedirectEngine.open({ ...options, ...changes });
    await engine.close();
    expect(await recordedOptions({ sys, directory })).toEqual({
      attach: 'clsact',
      podCidrs: options.podCidrs,
      withoutProxy: 'pass',
    });
  });
});
