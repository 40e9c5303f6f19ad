import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedirectEngine, type EngineStatus } from 'ambient-redirect';
import { openSys, type Sys } from 'netlink-tc';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { statePath } from '../packages/ambient-redirect/test/state.ts';
import type { LabProcess } from '../test/support/lab-process.ts';
import { startProxy } from '../test/support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../test/support/lab.ts';
import { mainCommand } from '../test/support/main-command.ts';
import { describeWith, root } from '../test/support/needs.ts';

const command = (name: string): [string, string] => mainCommand(new URL(`${name}.ts`, import.meta.url));
const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Waits until a process has said something. Compiling takes its time where other tests run as well. */
async function expectText(example: LabProcess, text: string): Promise<void> {
  await expect.poll(() => example.output, { timeout: 60_000, interval: 20 }).toContain(text);
}

describeWith([root], 'examples with a pod and a proxy', () => {
  let sys: Sys;
  let lab: Lab;
  let proxy: LabProcess;
  beforeAll(async () => {
    sys = await openSys();
    lab = await createLab(sys);
    proxy = await startProxy(lab.proxy);
    await lab.server.serveHttp();
  }, 60_000);
  afterAll(() => lab.close());

  /** Starts an example on the lab's node. */
  const start = (name: string, ...args: string[]): LabProcess => {
    const example = lab.node.spawn([...command(name), ...args]);
    onTestFinished(() => example.stop('SIGKILL'));
    return example;
  };
  const options = (directory: string): Parameters<typeof RedirectEngine.open>[0] => ({
    sys,
    directory,
    host: { fd: lab.node.netns.fd },
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
  });
  const speaks = async (): Promise<void> => {
    for (const family of FAMILIES) {
      const { client } = await lab.client.get(lab.server.address(family));
      expect(client.replace('::ffff:', '')).toBe(lab.client.address(family));
    }
  };

  test('enroll-pod enrolls a pod, tells of it, and leaves nothing', { timeout: 180_000 }, async () => {
    const directory = statePath(sys);
    const places = ['--pod', lab.client.path, '--proxy', lab.proxy.path, '--pid', String(proxy.pid)];
    const example = start('enroll-pod', ...places, '--directory', directory);
    await expectText(example, 'Ctrl-C');
    expect(example.output).toContain(`example: enrolled on v-client, ${lab.client.ipv4}, ${lab.client.ipv6}`);
    expect(example.output).toMatch(/ingress app_outbound id \d+ tag [0-9a-f]{16} by (tcx|clsact)/);
    await speaks();
    await example.stop('SIGINT');
    expect(await example.ended()).toBe(0);
    for (const family of FAMILIES) expect(example.output).toMatch(new RegExp(`outbound ${family} captured: \\d+`));
    expect(example.output).toMatch(/nothing of it is left\n$/);
    expect(() => mkdirSync(directory)).not.toThrow();
    await speaks();
  });

  test('the agent follows the files of a directory, and its pods outlive it', { timeout: 180_000 }, async () => {
    const directory = statePath(sys);
    const pods = mkdtempSync(join(tmpdir(), 'ambient-test-'));
    onTestFinished(async () => {
      rmSync(pods, { recursive: true });
      await (await RedirectEngine.open(options(directory))).teardown();
    });
    const write = (name: string, content: object): void =>
      writeFileSync(join(pods, `${name}.json`), JSON.stringify(content));
    const status = async (): Promise<EngineStatus> => {
      await using engine = await RedirectEngine.open(options(directory));
      return await engine.status();
    };
    write('client', { netns: lab.client.path });
    const where = ['--watch', pods, '--proxy', lab.proxy.path, '--directory', directory];
    const first = start('agent', ...where, '--reconcile', '0.2');
    await expectText(first, 'client is enrolled');
    await speaks();
    write('server', { netns: lab.server.path, policy: { inbound: { excludePorts: [9090] } } });
    await expectText(first, 'server is enrolled');
    write('nobody', { netns: '/run/netns/ambient-nobody' });
    await expectText(first, 'nobody: ');
    unlinkSync(join(pods, 'nobody.json'));
    await lab.proxy.exec('ip', 'rule', 'del', 'priority', '20000');
    await expectText(first, 'mended: proxy: ipv4 rule 20000');
    await first.stop();
    expect(await first.ended()).toBe(0);
    expect(first.output).toMatch(/pods stay as they are\n$/);
    await speaks();
    const { pods: left, proxy: known } = await status();
    expect(known?.status).toBe('listening');
    expect(left.map(({ id, status: each }) => [id, each])).toEqual([
      ['client', 'enrolled'],
      ['server', 'enrolled'],
    ]);

    unlinkSync(join(pods, 'server.json'));
    const second = start('agent', ...where);
    await expectText(second, 'server is unenrolled');
    await second.stop();
    expect((await status()).pods.map(({ id }) => id)).toEqual(['client']);
  });

  test('a program of others runs beside ours', { timeout: 180_000 }, async () => {
    await using engine = await RedirectEngine.open(options(statePath(sys)));
    onTestFinished(async () => void (await engine.teardown().catch(() => undefined)));
    await engine.setProxy({ netns: { fd: lab.proxy.netns.fd }, pid: proxy.pid });
    await engine.enroll({ id: 'client', netns: { fd: lab.client.netns.fd } }, { established: 'reset' });
    const before = await engine.metrics();
    const example = start('custom-program', 'v-client');
    await expectText(example, 'app_outbound');
    await speaks();
    await example.stop('SIGINT');
    expect(example.output).toMatch(/0: .*count_opened[^]*1: .*app_outbound/);
    expect(example.output).not.toContain('never reached');
    expect(example.output).toMatch(/port 80: 2 connections opened\n$/);
    const { steered } = await engine.metrics();
    expect(steered.outbound - before.steered.outbound).toBe(2n);
    await engine.teardown();
  });
});

describe('examples with a pod and a proxy, without root', () => {
  test.each(['enroll-pod', 'agent', 'custom-program'])(
    '%s tells an ordinary user to be root',
    { timeout: 60_000 },
    (name) => {
      const isRoot = process.getuid?.() === 0;
      const user = { uid: 65534, gid: 65534, env: { ...process.env, HOME: '/nonexistent' } };
      const [node, main] = command(name);
      const { status, stdout, stderr } = spawnSync(node, [main], {
        encoding: 'utf8',
        ...(isRoot && user),
      });
      expect(stderr).toMatch(/^run it as root: sudo .*\n$/);
      expect(stdout).toBe('');
      expect(status).toBe(1);
    },
  );
});
