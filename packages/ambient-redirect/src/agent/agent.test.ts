import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { SLOWNESS } from '../../../../test/support/slowness.ts';
import { agentLab, type AgentLab } from '../../test/agent-lab.ts';
import { call, type Outcome } from '../../test/command.ts';
import { fakeAgent } from '../../test/fake-agent.ts';
import { RemoteEngine } from '../control/index.ts';
import type { RedirectEngine } from '../engine/index.ts';
import type { TrafficEvent } from '../observe/index.ts';

const LONG = { timeout: 120_000 * SLOWNESS };
const SOON = { timeout: 30_000 * SLOWNESS, interval: 20 };
const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Where the agent says that health is told. */
function portOf(said: string): number {
  const [, port] = /health and metrics are at http:\/\/127\.0\.0\.1:(\d+)/.exec(said) ?? [];
  return Number(port);
}

/** Connections that the proxy has got of pods. */
async function outbound(remote: RemoteEngine): Promise<bigint> {
  return (await remote.metrics()).steered.outbound;
}

const speak = async ({ lab }: AgentLab): Promise<void> => {
  for (const family of FAMILIES) await lab.client.get(lab.server.address(family));
};

test('options that cannot be had are not asked for whenever a file changes', async () => {
  const node = fakeAgent();
  node.open.mockImplementation(({ attach }) => {
    if (attach === 'tcx') throw new Error('the kernel has no tcx');
  });
  const { agent, socket } = await node.start();
  const problems = async (): Promise<unknown> => (await (await RemoteEngine.find(socket))?.status())?.agent?.problems;
  node.configure({ attach: 'tcx' });
  await agent.reload();
  const opened = node.open.mock.calls.length;
  expect(await problems()).toMatchObject([{ error: 'the kernel has no tcx' }]);
  await agent.reload();
  await agent.reload();
  expect(node.open.mock.calls).toHaveLength(opened);
  expect(await problems()).toMatchObject([{ error: 'the kernel has no tcx' }]);
  node.configure({ attach: 'clsact' });
  await agent.reload();
  expect(await problems()).toEqual([]);
  expect(node.open).toHaveBeenLastCalledWith(expect.objectContaining({ attach: 'clsact' }));
});

test('a directory of pods that cannot be had keeps nothing else back', async () => {
  const node = fakeAgent();
  node.configure({ podsDirectory: join(node.files, 'x'.repeat(300)) });
  const { agent, said } = await node.start();
  expect(said()).toContain('ENAMETOOLONG');
  mkdirSync(join(node.files, 'pods'));
  node.configure({ podsDirectory: join(node.files, 'pods') });
  await agent.reload();
  expect(said()).toContain('is in force as it is now');
});

test('files are read once for all who ask meanwhile', async () => {
  const setProxy = vi.fn<RedirectEngine['setProxy']>(() => Promise.reject(new Error('it does not listen')));
  const node = fakeAgent({ setProxy });
  // A proxy that fails is named again whenever files are read.
  node.configure({ proxy: { netns: 'nowhere' } });
  const { agent } = await node.start();
  setProxy.mockClear();
  await Promise.all(Array.from({ length: 20 }, () => agent.reload()));
  expect(setProxy.mock.calls.length).toBeGreaterThan(0);
  expect(setProxy.mock.calls.length).toBeLessThan(5);
});

test('what was found when the engine was opened is told', async () => {
  const opening = { repaired: [{ subject: 'a', found: 'app_inbound was gone' }], removed: ['b'], failed: [] };
  const { said } = await fakeAgent({ opening }).start();
  expect(said()).toContain('warn: mended: a: app_inbound was gone\ninfo: b is not there any more\n');
});

test('a teardown that fails is no good end', async () => {
  const { agent, socket } = await fakeAgent({ teardown: () => Promise.reject(new Error('busy')) }).start();
  await expect((await RemoteEngine.find(socket))?.teardown()).rejects.toThrow('busy');
  await expect(agent.ended).rejects.toThrow('busy');
});

describeWith([root], 'an agent', () => {
  test('says what it would do, and does not do it', LONG, async () => {
    const node = await agentLab();
    const dryRun = async (...more: readonly string[]): Promise<Outcome> =>
      call(['agent', '--dry-run', '--config', node.config, '--host', node.lab.node.path, ...more]);
    node.podFile('client.yaml', { netns: node.lab.client.path });
    expect(await dryRun()).toMatchObject({
      code: 0,
      out: `the configuration ${node.config} is right; nothing was changed\nthe proxy would be named\nclient would be enrolled\n`,
    });
    expect(existsSync(node.directory)).toBe(false);
    expect(existsSync(node.socket)).toBe(false);
    await (await node.start()).agent.close();
    node.podFile('client.yaml', undefined);
    node.podFile('server.yaml', { netns: node.lab.server.path });
    node.podFile('broken.yaml', '');
    const { code, out } = await dryRun('--json');
    expect(code).toBe(2);
    expect(JSON.parse(out)).toEqual({
      config: node.config,
      directory: node.directory,
      proxy: 'named again',
      enroll: ['server'],
      unenroll: [],
      problems: [expect.stringMatching(/broken\.yaml:1:1: is an object; it is empty$/)],
    });
    // The file that was not understood could have named it.
    node.podFile('broken.yaml', undefined);
    expect(JSON.parse((await dryRun('--json')).out)).toMatchObject({ unenroll: ['client'], problems: [] });
    node.configure({ pod: [] });
    expect(await dryRun()).toMatchObject({ code: 2, out: '', err: /:1:\d+: pod is no key .*; did you mean pods\?\n$/ });
  });

  test('follows the files of its directory, and tells what is wanted and is not so', LONG, async () => {
    const node = await agentLab();
    await node.lab.server.serveHttp();
    node.configure({ agent: { listen: '127.0.0.1:0' } });
    node.podFile('client.yaml', { netns: node.lab.client.path });
    const { said } = await node.start();
    const remote = await node.ask();
    const ask = async (path: string): Promise<string> => {
      // The agent of this process listens in its namespace.
      const answer = await fetch(`http://127.0.0.1:${portOf(said())}${path}`);
      return `${answer.status} ${await answer.text()}`;
    };
    expect(await remote.status()).toMatchObject({
      ok: true,
      wanted: [],
      agent: { pid: process.pid, config: node.config, problems: [] },
      pods: [{ id: 'client', status: 'enrolled' }],
      proxy: { status: 'listening' },
    });
    expect(await ask('/healthz')).toBe('200 alive\n');
    expect(await ask('/readyz')).toBe('200 ready\n');
    expect(await ask('/metrics')).toMatch(/^200 [^]*^ambient_redirect_pods\{status="enrolled"\} 1$/m);
    const before = await outbound(remote);
    await speak(node);
    expect((await outbound(remote)) - before).toBe(2n);

    node.podFile('nobody.yaml', { netns: '/run/netns/ambient-nobody' });
    node.podFile('broken.json', '{"netn": "x"}');
    await expect.poll(async () => (await remote.status()).agent?.problems.length, SOON).toBe(1);
    await expect
      .poll(async () => (await remote.status()).wanted, SOON)
      .toMatchObject([{ id: 'nobody', code: 'ERR_NETNS_GONE' }]);
    const { ok, agent } = await remote.status();
    expect(ok).toBe(false);
    expect(agent?.problems[0]?.error).toMatch(
      /broken\.json:1:2: netn is no key that is known here; did you mean netns/,
    );
    expect(await ask('/readyz')).toMatch(
      /^503 nobody: the pod's network namespace .*\n.*broken\.json:1:2: netn is no key/,
    );
    expect(await ask('/other')).toMatch(/^404/);

    // What cannot be understood any more wants what it wanted.
    node.podFile('client.yaml', 'netns: [');
    await expect.poll(async () => (await remote.status()).agent?.problems.length, SOON).toBe(2);
    expect((await remote.status()).pods).toMatchObject([{ id: 'client', status: 'enrolled' }]);
    node.podFile('client.yaml', { netns: node.lab.client.path, policy: { outbound: { excludePorts: [80] } } });
    await expect.poll(said, SOON).toContain('client is enrolled as its file says now');
    const excluded = await outbound(remote);
    await speak(node);
    expect(await outbound(remote)).toBe(excluded);

    for (const name of ['nobody.yaml', 'broken.json', 'client.yaml']) node.podFile(name, undefined);
    await expect.poll(said, SOON).toContain('client is unenrolled');
    expect(await remote.status()).toMatchObject({ ok: true, pods: [], wanted: [], agent: { problems: [] } });
  });

  test('keeps what it has when its configuration cannot be understood, and follows it when it can', LONG, async () => {
    const node = await agentLab();
    await node.lab.server.serveHttp();
    const pods = [{ id: 'client', netns: node.lab.client.path }];
    node.configure({ pods });
    const { agent, said } = await node.start();
    const remote = await node.ask();
    const connection = await node.connect('ipv4');
    await connection.says('one');
    writeFileSync(node.config, '{"pods": [{"id": "client"}]}');
    await expect.poll(said, SOON).toContain('agent.yaml:1:11: pods[0] has none of netns, pid and interface');
    expect(await remote.status()).toMatchObject({ ok: false, pods: [{ id: 'client', status: 'enrolled' }] });
    node.configure({ pods, bypass: [`${node.lab.server.ipv6}/128`] });
    await expect.poll(said, SOON).toContain('is in force as it is now');
    // The engine was exchanged. In the kernel nothing ended, and its programs are others.
    await connection.says('two');
    const before = await outbound(remote);
    await speak(node);
    expect((await outbound(remote)) - before).toBe(1n);
    node.configure({ pods, agent: { socket: `${node.socket}2` } });
    await agent.reload();
    expect((await remote.status()).agent?.problems).toMatchObject([{ error: /agent\.socket has changed: restart/ }]);
    await connection.end();
  });

  test(
    'tries what fails again: a proxy that comes late, a pod that is another one by the same name',
    LONG,
    async () => {
      const node = await agentLab();
      const { lab } = node;
      await node.proxy.stop('SIGKILL');
      node.configure({ proxy: { netns: lab.proxy.path } });
      node.podFile('pod.yaml', { netns: lab.client.path });
      const { said } = await node.start();
      const remote = await node.ask();
      expect((await remote.status()).agent?.problems).toMatchObject([{ subject: 'proxy' }]);
      expect((await remote.status()).pods).toMatchObject([{ id: 'pod', status: 'enrolled' }]);
      await startProxy(lab.proxy);
      await expect.poll(async () => (await remote.status()).ok, SOON).toBe(true);
      node.podFile('pod.yaml', { netns: lab.server.path });
      await expect.poll(said, SOON).toMatch(/info: pod is enrolled\n[^]*info: pod is enrolled\n/);
      expect((await remote.status()).pods).toMatchObject([{ id: 'pod', hostInterface: { name: 'v-server' } }]);
    },
  );

  test('does for others by its socket what an engine does', LONG, async () => {
    const node = await agentLab();
    const { lab } = node;
    await lab.server.serveHttp();
    node.podFile('server.yaml', { netns: lab.server.path });
    const { agent } = await node.start();
    const remote = await node.ask();
    const ended = agent.ended.then(() => 'ended');

    expect(await remote.enroll(node.pod('client'))).toMatchObject({ id: 'client', changed: true });
    expect(await remote.enroll([node.pod('client')])).toMatchObject([{ id: 'client', changed: false }]);
    await expect(remote.enroll({ id: 'x', netns: { path: '/nonexistent' } })).rejects.toMatchObject({
      code: 'ERR_NETNS_GONE',
    });
    await expect(remote.enroll([node.pod('client'), { id: 'x', netns: { name: 'ambient-no' } }])).rejects.toMatchObject(
      {
        code: 'ERR_ENROLMENT',
        failures: [{ id: 'x', error: { code: 'ERR_NETNS_GONE' } }],
      },
    );
    await expect(remote.unenroll('server')).rejects.toMatchObject({ code: 'ERR_CONFLICT', message: /server\.yaml/ });
    expect(await remote.reconcile()).toMatchObject({ failed: [] });

    const stream = await remote.events();
    await expect(remote.events()).rejects.toMatchObject({ code: 'ERR_CONFLICT' });
    const seen: TrafficEvent[] = [];
    const reading = (async (): Promise<void> => {
      for await (const one of stream) {
        seen.push(one);
        if (one.pod === 'client' && one.verdict === 'captured') break;
      }
    })();
    await speak(node);
    await reading;
    expect(seen.at(-1)).toMatchObject({ direction: 'outbound', destinationPort: 80, source: lab.client.ipv4 });
    expect(typeof seen.at(-1)?.time).toBe('bigint');
    // The one reader has gone: there can be another.
    await expect.poll(async () => (await remote.events()).close(), SOON).toBe(undefined);
    expect((await remote.metrics()).pods.map(({ id }) => id).toSorted()).toEqual(['client', 'server']);

    const connection = await node.connect('ipv6');
    await connection.says('before');
    const stop = new AbortController();
    const left: number[] = [];
    const drained = remote.unenroll('client', {
      drain: { timeoutMs: 30_000 },
      signal: stop.signal,
      onProgress: (count) => {
        left.push(count);
        stop.abort(new Error('enough'));
      },
    });
    await expect(drained).rejects.toThrow('enough');
    expect(left[0]).toBeGreaterThan(0);
    expect((await remote.status()).pods).toContainEqual(expect.objectContaining({ id: 'client', status: 'draining' }));
    await connection.says('after');
    expect(await remote.unenroll(['client', 'nobody'])).toEqual([true, false]);
    connection.socket.destroy();

    await remote.clearProxy();
    expect((await remote.status()).proxy).toBe(undefined);
    const named = await remote.setProxy({ netns: { fd: lab.proxy.netns.fd }, pid: () => node.proxy.pid });
    expect(named.status).toBe('listening');

    expect(await remote.teardown()).toEqual([]);
    expect(await ended).toBe('ended');
    await agent.close();
    expect(await RemoteEngine.find(node.socket)).toBe(undefined);
  });
});
