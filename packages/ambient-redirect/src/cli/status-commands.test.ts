/** `status` and `chain show` on a real node: with an agent, and without. */
import { exit, mov64 } from 'bpf-asm';
import { addFilter, loadProgram, TC_ACT } from 'netlink-tc';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { programOf } from '../../../netlink-tc/test/program.ts';
import { closing, testSys } from '../../../netlink-tc/test/sys.ts';
import { call, type Outcome } from '../../test/command.ts';
import { statePath } from '../../test/state.ts';
import type { InterfaceChain } from '../chain/index.ts';
import { ControlServer } from '../control/index.ts';
import { RedirectEngine, type EngineOptions } from '../engine/index.ts';
import { Interrupted } from './errors.ts';
import type { StatusDocument } from './run/status.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

interface Node {
  readonly lab: Lab;
  readonly engine: RedirectEngine;
  readonly directory: string;
  readonly socket: string;
  /** Runs the command; what is not said is recorded. */
  readonly run: (args: readonly string[], signal?: AbortSignal) => Promise<Outcome>;
}

/** A node with two pods, `shop/client` and `shop/server`, and a proxy that listens. */
async function node(changes: EngineOptions = {}): Promise<Node> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  const socket = join(tempDir(), 'agent.sock');
  const options = { sys, directory, host: { path: lab.node.path }, podCidrs: Object.values(POD_CIDR), ...changes };
  const engine = await RedirectEngine.open(options);
  onTestFinished(async () => {
    await engine.close();
    if (existsSync(directory)) await (await RedirectEngine.open(options)).teardown();
    await lab.close();
  });
  const proxy = await startProxy(lab.proxy);
  await engine.setProxy({ netns: { path: lab.proxy.path }, pid: proxy.pid });
  const pods = (['client', 'server'] as const).map((name) => ({ id: `shop/${name}`, netns: { path: lab[name].path } }));
  await engine.enroll(pods, { established: 'reset' });
  await lab.server.serveHttp();
  const run: Node['run'] = (args, signal) =>
    call([...args, '--directory', directory, '--socket', socket], signal === undefined ? {} : { signal });
  return { lab, engine, directory, socket, run };
}

function document({ code, out, err }: Outcome, wanted = 0): StatusDocument {
  expect([code, err]).toEqual([wanted, '']);
  return JSON.parse(out) as StatusDocument;
}

function chains({ code, out, err }: Outcome): readonly InterfaceChain[] {
  expect([code, err]).toEqual([0, '']);
  return (JSON.parse(out) as { readonly chains: readonly InterfaceChain[] }).chains;
}

describeWith([root], 'what the commands tell of a node', () => {
  test('status: in words, as JSON, of one pod, as a page; what programs cost', async () => {
    const { lab, engine, directory, run } = await node();
    const told = await run(['status']);
    expect([told.code, told.err]).toEqual([0, '']);
    expect(told.out).toMatch(/^All is as it is wanted\.\n/);
    const { mode, reason } = (await engine.status()).proxy?.steering ?? {};
    for (const line of [
      new RegExp(`^engine +${directory}, no agent runs$`, 'm'),
      /^proxy +listening, process \d+, v-proxy, 10\.244\.7\.7, fd00:7::7$/m,
      /^listeners +outbound 15001 \(ipv4, ipv6\), /m,
      new RegExp(`^steering +${mode}: ${reason} \\(auto\\)$`, 'm'),
      /^without it +what is captured is dropped$/m,
      /^shop\/client +enrolled +full +v-client #11 +(tcx|clsact) \d+ +(tcx|clsact) \d+ +10\.244\.7\.5 fd00:7::5$/m,
      /^app_outbound +\d+ +[0-9a-f]{16} .* v-client ingress, v-server ingress$/m,
      /^direct +0 +65,536 +0 % +connections past the proxy$/m,
    ])
      expect(told.out).toMatch(line);

    const json = document(await run(['status', '--json']));
    expect(json).toMatchObject({
      ok: true,
      problems: [],
      directory,
      pods: [{ id: 'shop/client' }, { id: 'shop/server' }],
    });
    expect(json.programs.map(({ runs }) => typeof runs)).not.toContain('number');
    expect(document(await run(['status', '--json', '--pod', 'shop/server'])).pods.map(({ id }) => id)).toEqual([
      'shop/server',
    ]);
    const unknown = await run(['status', '--pod', 'shop/none']);
    expect(unknown).toMatchObject({ code: 1, out: '' });
    expect(unknown.err).toContain('shop/none is not enrolled; those that are: shop/client, shop/server');

    const measuring = run(['status', '--stats', '1.5', '--json']);
    // Whatever the machine does meanwhile: there is traffic as long as it is measured.
    const over = new AbortController();
    const traffic = (async (): Promise<void> => {
      while (!over.signal.aborted) await lab.client.get(lab.server.ipv4);
    })();
    const { measured } = document(await measuring);
    over.abort();
    await traffic;
    expect(measured?.seconds).toBeGreaterThanOrEqual(1.5);
    const outbound = measured?.programs.find(({ name, runs }) => name === 'app_outbound' && Number(runs) > 0);
    expect(Number(outbound?.runs)).toBeGreaterThan(3);
    expect(outbound?.averageNs).toBeGreaterThan(0);

    const file = join(tempDir(), 'node.html');
    const page = await run(['status', '--html', file]);
    expect(page).toMatchObject({ code: 0, err: `written to ${file}\n` });
    const text = readFileSync(file, 'utf8');
    for (const what of [
      'shop/client',
      'v-server of the host',
      '1 app_outbound',
      '1 ztunnel_host_in',
      'All is as it is wanted',
    ])
      expect(text).toContain(what);
    expect(text).toMatch(/<text[^>]*class="label t-outbound"[^>]*>\s*[1-9][\d.]*k? out, to it\s*</);
    expect((await run(['status', '--html', '-'])).out).toMatch(/^<!doctype html>/);
    expect(await run(['status', '--html', join(tempDir(), 'none', 'x.html')])).toMatchObject({ code: 1 });
  });

  test('what is wanted and not so is said first, and is a failure', async () => {
    const { lab, engine, directory, run } = await node({ attach: 'clsact' });
    await lab.node.exec('tc', 'filter', 'del', 'dev', 'v-client', 'ingress');
    await lab.node.exec('ip', 'link', 'del', 'v-server');
    lab.proxy.sysctl('ipv4/conf/eth0/forwarding', '1');
    // Nobody mends it in between: what is seen beside an engine is seen without one.
    for (const close of [false, true]) {
      if (close) await engine.close();
      const quiet = await run(['status', '--quiet']);
      expect(quiet).toMatchObject({ code: 1, err: '' });
      expect(quiet.out.split('\n').slice(0, 4)).toEqual([
        '3 things are not as wanted:',
        '  ✕ proxy: net/ipv4/conf/eth0/forwarding of the proxy is 1, not 0',
        '  ✕ shop/client: app_outbound was detached by someone else',
        '  ✕ shop/server: its interface v-server is gone: reconcile unenrolls it',
      ]);
    }
    const told = await run(['status']);
    expect(told.out).toMatch(/^shop\/client +degraded +full +v-client #11 +gone +clsact \d+ /m);
    expect(told.out).toMatch(/^shop\/server +missing /m);
    expect(told.out).toMatch(/^settings +\d+, 1 not as wanted$/m);
    expect(document(await run(['status', '--json']), 1).ok).toBe(false);
    expect(document(await run(['status', '--json', '--pod', 'shop/server']), 1).problems).toHaveLength(1);
    const page = await run(['status', '--html', '-']);
    expect(page.code).toBe(1);
    expect(page.out).toContain('3 things are not as wanted');
    expect(page.out).toContain('✕ app_outbound');

    const none = await call(['status', '--directory', `${directory}_none`, '--json']);
    expect(none).toMatchObject({ code: 1, out: '' });
    expect(JSON.parse(none.err)).toMatchObject({ error: { code: 'ERR_NO_STATE' } });
  });

  test('by an agent it tells what the agent does, and what it could not do', async () => {
    const { engine, directory, socket, run } = await node();
    const agent = { pid: process.pid, config: '/etc/none.yaml', since: '2026-01-01T00:00:00.000Z', problems: [] };
    const wanted = [{ id: 'shop/late', code: 'ERR_NETNS_GONE', error: 'the namespace is not there' }];
    const control = new Proxy(engine, {
      get: (target, name) => {
        if (name === 'status') return async () => ({ ...(await target.status()), agent, wanted });
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    await using _server = await ControlServer.listen(control, { socket, pid: process.pid, directory });
    const told = await run(['status']);
    expect(told).toMatchObject({ code: 1, err: '' });
    expect(told.out).toContain('  ✕ shop/late: is wanted, and not enrolled: the namespace is not there\n');
    expect(told.out).toMatch(/^shop\/late +wanted$/m);
    expect(told.out).toContain(`agent ${process.pid} since 2026-01-01T00:00:00.000Z, /etc/none.yaml`);
    const json = document(await run(['status', '--json']), 1);
    expect(json).toMatchObject({ ok: false, wanted, agent });
    expect(typeof json.programs[0]?.runs).toBe('string');
    expect((await run(['status', '--html', '-'])).out).toContain('shop/late');

    const abort = new AbortController();
    const waiting = run(['status', '--stats', '600'], abort.signal);
    await sleep(500);
    abort.abort(new Interrupted('SIGINT'));
    expect(await waiting).toMatchObject({ code: 130 });
  });

  test('chain show: in true order, ours among others, with or without an engine', async () => {
    const { lab, engine, directory, run } = await node({ attach: 'clsact', steer: 'tproxy' });
    const sys = await testSys();
    const theirs = closing(loadProgram(sys, programOf([mov64('r0', TC_ACT.OK), exit()], { name: 'theirs' })));
    const filter = { device: lab.client.hostIndex, parent: 'ingress', kind: 'bpf', priority: 5 } as const;
    await lab.node.socket.request(addFilter({ ...filter, options: { fd: theirs.fd, name: 'theirs', flags: 1 } }));
    const all = chains(await run(['chain', 'show', '--json']));
    const interfaces = ['host v-proxy', 'host v-client', 'host v-server', 'proxy eth0'];
    expect(all.map(({ where, interface: name, direction }) => `${where} ${name} ${direction}`)).toEqual(
      interfaces.flatMap((name) => [`${name} ingress`, `${name} egress`]),
    );
    const steering = all.find(({ where }) => where === 'proxy');
    expect(steering?.entries).toMatchObject([{ name: 'ztunnel_tproxy', ours: true, reached: 'always' }]);
    const [ingress] = chains(await run(['chain', 'show', 'v-client', '--json']));
    expect(ingress).toMatchObject({
      interface: 'v-client',
      direction: 'ingress',
      passes: 'always',
      entries: [
        {
          layer: 'clsact',
          name: 'theirs',
          ours: false,
          filter: { priority: 5 },
          verdicts: ['pass'],
          reached: 'always',
        },
        {
          layer: 'clsact',
          name: 'app_outbound',
          ours: true,
          filter: { priority: 20_000 },
          reached: 'never',
          shadowedBy: [0],
        },
      ],
    });
    expect(ingress?.entries[1]?.returns).toEqual(expect.arrayContaining(['unspec', 'redirect']));
    const text = (await run(['chain', 'show', 'v-client'])).out;
    expect(text).toMatch(/^v-client #11 ingress: every packet is still there after it$/m);
    expect(text).toMatch(/^ +1 +clsact bpf pref 5 +theirs +\d+ +ok +pass +always$/m);
    expect(text).toMatch(/^ours +2 +clsact bpf pref 20000 +app_outbound +\d+ .* never, after 1$/m);
    expect(await run(['chain', 'show', 'v-none'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('there is no interface v-none') as string,
    });

    const told = await run(['status', '--quiet']);
    expect(told.code).toBe(1);
    expect(told.out).toContain('✕ shop/client: app_outbound is reached by no packet: others end the hook before it');

    await engine.teardown();
    expect(existsSync(directory)).toBe(false);
    const host = ['--host', lab.node.path];
    const [left] = chains(await run(['chain', 'show', 'v-client', '--json', ...host]));
    expect(left?.entries.map(({ name, ours }) => [name, ours])).toEqual([['theirs', false]]);
    expect(await run(['chain', 'show', ...host])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no state of an engine') as string,
    });
  });
});
