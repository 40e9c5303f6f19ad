/** The commands that change a node, on a real one: by an engine of the command's own, without an agent. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startProxy } from '../../../../test/support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../../../../test/support/lab.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { testSys } from '../../../netlink-tc/test/sys.ts';
import { call, spawnCommand, type CallOptions, type Outcome } from '../../test/command.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { statePath } from '../../test/state.ts';
import type { NodePlan, ProxyState } from '../engine/index.ts';
import { Interrupted } from './errors.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

type Run = (args: readonly string[], options?: CallOptions) => Promise<Outcome>;

interface Node {
  readonly lab: Lab;
  readonly directory: string;
  readonly run: Run;
}

/** A node with a proxy that listens, and the command for it. */
async function node(): Promise<Node> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  // Made here: what the last hook of a test makes nobody removes.
  const socket = join(tempDir(), 'none.sock');
  const run: Run = (args, options) =>
    call([...args, '--directory', directory, '--host', lab.node.path, '--socket', socket], options);
  onTestFinished(async () => {
    if (existsSync(directory)) await run(['teardown', '--yes']);
    await lab.close();
  });
  await startProxy(lab.proxy);
  return { lab, directory, run };
}

/** What leaves the node as it is, but for what the command is to show. */
const good = (outcome: Outcome): string => {
  expect(outcome).toMatchObject({ code: 0, err: '' });
  return outcome.out;
};

describeWith([root], 'the commands on a node', () => {
  test('from nothing to nothing', async () => {
    const { lab, directory, run } = await node();
    expect(await run(['proxy', 'show'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no state of an engine') as string,
    });

    const pods = ['--pod-cidr', POD_CIDR.ipv4, '--pod-cidr', POD_CIDR.ipv6];
    const dry = good(await run(['proxy', 'set', '--netns', lab.proxy.path, ...pods, '--dry-run']));
    expect(dry).toMatch(/^v-proxy\n {2}\+ make/);
    expect(dry).toContain('v1/maps/records');
    expect(existsSync(directory)).toBe(false);

    const set = await run(['proxy', 'set', '--netns', lab.proxy.path, ...pods, '--json']);
    const proxy = JSON.parse(good(set)) as ProxyState;
    expect(proxy).toMatchObject({ status: 'listening', hostInterface: { name: 'v-proxy' } });
    expect(good(await run(['proxy', 'show']))).toContain(`steered by  ${proxy.steering.mode}`);

    expect(good(await run(['enroll', 'demo/client', '--netns', lab.client.path]))).toMatch(
      /^demo\/client enrolled: v-client, 10\.244\.7\.5, fd00:7::5, by (tcx|clsact)\n$/,
    );
    for (const line of ['unenroll demo/client', 'proxy clear', 'reconcile', 'upgrade', 'teardown']) {
      const plan = JSON.parse(good(await run([...line.split(' '), '--dry-run', '--json']))) as NodePlan;
      expect({ line, changes: plan.changes.length > 0 }).toEqual({ line, changes: true });
    }
    expect(good(await run(['enroll', 'demo/client', '--netns', lab.client.path]))).toContain('is enrolled');
    const file = join(tempDir(), 'pods.yaml');
    writeFileSync(file, `- id: demo/server\n  interface: v-server\n- { id: demo/none, interface: v-none }\n`);
    const some = await run(['enroll', '--file', file, '--json']);
    expect(some.code).toBe(1);
    expect(JSON.parse(some.err)).toMatchObject({
      error: { code: 'ERR_ENROLMENT', failures: [{ id: 'demo/none', error: { code: 'ERR_INTERFACE_NOT_FOUND' } }] },
    });

    expect(good(await run(['reconcile']))).toBe('all is as it is wanted\n');
    expect(JSON.parse(good(await run(['unenroll', 'demo/server', 'demo/other', '--json'])))).toEqual({
      unenrolled: [
        { id: 'demo/server', wasEnrolled: true },
        { id: 'demo/other', wasEnrolled: false },
      ],
    });

    const cleared = await run(['proxy', 'clear', '--json']);
    expect(JSON.parse(cleared.out)).toEqual({ cleared: 'v-proxy' });
    expect(cleared.err).toContain('what is captured of 1 pod is dropped');
    const without = await run(['enroll', 'demo/server', '--interface', 'v-server', '--dns']);
    expect(without).toMatchObject({ code: 0, err: expect.stringContaining('there is no proxy yet') as string });

    expect(await run(['teardown'])).toMatchObject({ code: 2, err: expect.stringContaining('--yes') as string });
    expect(JSON.parse(good(await run(['teardown', '--yes', '--json'])))).toEqual({
      pods: ['demo/client', 'demo/server'],
      left: [],
    });
    expect(existsSync(directory)).toBe(false);
    expect(good(await run(['teardown']))).toContain('there is nothing');
    expect(await run(['unenroll', 'demo/client'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('no state of an engine') as string,
    });
    expect(existsSync(directory)).toBe(false);
  });

  test('reconcile and upgrade tell what was amiss when they were begun', async () => {
    const { lab, run } = await node();
    good(await run(['proxy', 'set', '--netns', lab.proxy.path, '--attach', 'clsact']));
    good(await run(['enroll', 'demo/client', '--netns', lab.client.path]));
    const remove = ['tc', 'filter', 'del', 'dev', 'v-client', 'ingress'] as const;
    await lab.node.exec(...remove);
    expect(good(await run(['reconcile']))).toContain('demo/client: app_outbound was detached by someone else');
    expect(good(await run(['reconcile']))).toBe('all is as it is wanted\n');
    await lab.node.exec(...remove);
    expect(JSON.parse(good(await run(['upgrade', '--json'])))).toMatchObject({
      repaired: [{ subject: 'demo/client' }],
      failed: [],
    });
    await lab.node.exec('ip', 'link', 'del', 'v-client');
    expect(JSON.parse(good(await run(['reconcile', '--json'])))).toMatchObject({ removed: ['demo/client'] });
  });

  test('SIGINT ends the waiting, and the pod goes on draining', async () => {
    const { lab, open, pod, connect } = await engineLab();
    const engine = await open();
    await engine.enroll([pod('client'), pod('server')]);
    const connection = await connect('ipv4');
    await connection.says('open');
    const { directory } = await engine.status();
    await engine.close();
    const where = ['--directory', directory, '--host', lab.node.path, '--socket', join(tempDir(), 'none.sock')];
    const controller = new AbortController();
    const stopped = await call(['unenroll', 'client', '--drain', '600', ...where], {
      signal: controller.signal,
      onError: (text) => {
        if (/connections? by the proxy left/.test(text)) controller.abort(new Interrupted('SIGINT'));
      },
    });
    expect(stopped).toMatchObject({ code: 130, out: '' });
    expect(stopped.err).toContain('ambient-redirect unenroll client --now');
    await connection.says('still');
    expect(await call(['unenroll', 'client', '--now', ...where])).toMatchObject({ code: 0, err: '' });
    connection.socket.destroy();
  });

  test('teardown asks who can be asked', async () => {
    const { lab, directory, run } = await node();
    good(await run(['proxy', 'set', '--netns', lab.proxy.path]));
    const asked = (answer: string): Promise<Outcome> => {
      const terminal = Object.assign(new PassThrough(), { isTTY: true });
      return run(['teardown'], {
        stdin: terminal,
        onError: (text) => {
          if (text.includes('[y/N]')) terminal.write(`${answer}\n`);
        },
      });
    };
    expect(await asked('')).toMatchObject({ code: 1, err: expect.stringContaining('nothing was changed') as string });
    expect(existsSync(directory)).toBe(true);
    // Ctrl-D: whoever was asked has gone.
    const leaving = Object.assign(new PassThrough(), { isTTY: true });
    const left = await run(['teardown'], { stdin: leaving, onError: () => void leaving.end() });
    expect(left).toMatchObject({ code: 1, err: expect.stringContaining('nothing was changed') as string });
    expect(existsSync(directory)).toBe(true);
    expect(await asked('yes')).toMatchObject({ code: 0 });
    expect(existsSync(directory)).toBe(false);
  });
});

describeWith([root], 'without privileges', () => {
  test.each(['enroll a --interface lo', 'proxy set --pid 1', 'proxy show', 'demo'])('%s: one line, and 77', (line) => {
    const args = line.split(' ');
    const { code, out, err } = spawnCommand(args, { uid: 65_534 });
    expect({ code, out }).toEqual({ code: 77, out: '' });
    expect(err).toMatch(/^ambient-redirect: [^\n]+\n$/);
    expect(err).toContain('CAP_BPF');
  });
});

test('what does not fit together is refused before anything is looked at', async () => {
  const wrong = async (...args: string[]): Promise<string> => {
    const { code, err } = await call(args);
    expect(code).toBe(2);
    return err;
  };
  expect(await wrong('enroll')).toContain('which pod?');
  expect(await wrong('enroll', 'a')).toContain('give --netns, --pid or --interface');
  expect(await wrong('enroll', 'a', '--netns', 'x', '--pid', '1')).toContain('both name the namespace');
  expect(await wrong('enroll', 'a', '--file', '-', '--dns')).toContain('a, --dns, a policy has no place');
  expect(await wrong('enroll', '--file', '/nonexistent')).toContain('/nonexistent cannot be read: ENOENT');
  expect(await wrong('enroll', 'a', '--pid', '0')).toContain('It is a whole number from 1');
  expect(await wrong('proxy', 'set')).toContain('give --netns or --pid');
  const list = await call(['enroll', '--file', '-'], { input: '- { id: a, netn: x }' });
  expect(list).toMatchObject({ code: 2, err: expect.stringContaining('standard input:1:') as string });
});
