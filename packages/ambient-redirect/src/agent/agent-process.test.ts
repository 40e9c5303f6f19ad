import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { LabProcess } from '../../../../test/support/lab-process.ts';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { SLOWNESS } from '../../../../test/support/slowness.ts';
import { agentLab, type AgentLab } from '../../test/agent-lab.ts';
import type { Echo } from '../../test/engine-lab.ts';
import { notifySocket } from '../../test/notify-socket.ts';
import { EngineView } from '../engine/index.ts';

const LONG = { timeout: 120_000 * SLOWNESS };
const SOON = { timeout: 60_000 * SLOWNESS, interval: 20 };

/** Privileges that the unit for systemd leaves to the agent, as setpriv(1) names them. */
const UNIT = readFileSync(join(import.meta.dirname, '../../../../deploy/ambient-redirect.service'), 'utf8');
const CAPABILITIES = (/^CapabilityBoundingSet=(.*)$/m.exec(UNIT)?.[1] ?? '')
  .split(' ')
  .map((name) => name.replace('CAP_', '').toLowerCase());

/** Waits for a word of an agent. Compiling takes its time where other tests run as well. */
async function says(agent: LabProcess, word: string): Promise<void> {
  await expect.poll(() => agent.output, SOON).toContain(word);
}

/** Says a word to the echo server every few milliseconds. @returns ends it, and tells how many came back; fails if one did not */
function talk(connection: Echo): () => Promise<number> {
  const stop = new AbortController();
  let count = 0;
  const talking = (async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await connection.says(`${(count += 1)}`);
      await sleep(5);
    }
  })();
  talking.catch(() => undefined);
  return async () => {
    stop.abort();
    await talking;
    return count;
  };
}

/** What is in the kernel. It keeps this process busy for a while: not while someone talks. */
async function look({ lab, sys, directory }: AgentLab): Promise<Awaited<ReturnType<EngineView['status']>>> {
  await using view = await EngineView.open({ sys, directory, host: { fd: lab.node.netns.fd } });
  return await view.status();
}

describeWith([root], 'the command agent', () => {
  test('may be killed, and the next one takes over, while connections go on', LONG, async () => {
    const node = await agentLab();
    node.podFile('client.yaml', { netns: node.lab.client.path });
    node.podFile('server.yaml', { netns: node.lab.server.path });
    const first = node.spawn();
    await says(first, 'info: ready');
    expect((await (await node.ask()).status()).pods).toHaveLength(2);
    const connection = await node.connect('ipv4');
    const finish = talk(connection);
    await first.stop('SIGKILL');
    await sleep(100);
    expect(existsSync(node.socket)).toBe(true);

    // What is not wanted any more when it comes back is drained then.
    node.podFile('server.yaml', undefined);
    const second = node.spawn();
    await says(second, 'info: ready');
    expect((await (await node.ask()).status()).agent?.pid).toBe(second.pid);
    expect(await finish()).toBeGreaterThan(10);
    expect((await look(node)).pods).toContainEqual(expect.objectContaining({ id: 'client', status: 'enrolled' }));
    await connection.end();
    await says(second, 'server is unenrolled');
    expect((await look(node)).pods.map(({ id }) => id)).toEqual(['client']);
  });

  test('goes on when nobody reads its log any more', LONG, async () => {
    const node = await agentLab();
    const agent = node.spawn('bash', '-c', 'exec "$0" "$@" 2> >(head -n 1)');
    await expect.poll(() => existsSync(node.socket), SOON).toBe(true);
    const problems = async (): Promise<number | undefined> =>
      (await (await node.ask()).status()).agent?.problems.length;
    for (const name of ['one', 'two', 'three']) {
      const before = (await problems()) ?? 0;
      node.podFile(`${name}.yaml`, '[]');
      await expect.poll(problems, SOON).toBe(before + 1);
    }
    await agent.stop();
    expect(await agent.ended()).toBe(0);
  });

  test('ends at SIGTERM, and leaves everything running', LONG, async () => {
    const node = await agentLab();
    node.podFile('client.yaml', { netns: node.lab.client.path });
    // With no more privileges than its unit of systemd gives it.
    const agent = node.spawn('setpriv', '--bounding-set', `-all,${CAPABILITIES.map((one) => `+${one}`).join(',')}`);
    await says(agent, 'info: ready');
    const connection = await node.connect('ipv6');
    const finish = talk(connection);
    const stream = await (await node.ask()).events();
    const events = (async (): Promise<number> => {
      let count = 0;
      for await (const _ of stream) count += 1;
      return count;
    })();
    await sleep(200);
    await agent.stop();
    expect(await agent.ended()).toBe(0);
    expect(agent.output).toMatch(/info: ended; everything stays as it is\n$/);
    expect(existsSync(node.socket)).toBe(false);
    // The stream ended with it.
    expect(await events).toBeGreaterThan(0);
    await sleep(200);
    expect(await finish()).toBeGreaterThan(10);
    expect(await look(node)).toMatchObject({ ok: true, pods: [{ id: 'client', status: 'enrolled' }] });
    await connection.end();
  });

  test('is one at a time: another one is told who has the node', LONG, async () => {
    const node = await agentLab();
    const first = node.spawn();
    await says(first, 'info: ready');
    const second = node.spawn();
    expect(await second.ended()).toBe(1);
    expect(second.output).toContain(`is in use by process ${first.pid}`);
    expect((await (await node.ask()).status()).agent?.pid).toBe(first.pid);
    node.configure({ directory: `${node.directory}_other` });
    const third = node.spawn();
    expect(await third.ended()).toBe(1);
    expect(third.output).toContain(`agent.sock is in use by the agent with process ${first.pid}`);
    rmSync(`${node.directory}_other`, { recursive: true });
    expect((await (await node.ask()).status()).agent?.pid).toBe(first.pid);
  });

  test(
    'tells the service manager, reads its files at SIGHUP, and refuses to begin with ones that it cannot understand',
    LONG,
    async () => {
      const node = await agentLab();
      const name = join(node.files, 'notify');
      const heard = notifySocket(node.sys, name);
      const all: string[] = [];
      const hears = async (pattern: RegExp): Promise<void> => {
        await expect.poll(() => all.push(...heard()) && all.join('\n\n'), SOON).toMatch(pattern);
        all.splice(0);
      };
      node.podFile('client.yaml', { netns: node.lab.client.path });
      const agent = node.spawn('env', `NOTIFY_SOCKET=${name}`, 'WATCHDOG_USEC=200000');
      await hears(/^STATUS=1 pods enrolled[^]*^READY=1$/m);
      await hears(/^WATCHDOG=1$/m);
      process.kill(agent.pid, 'SIGHUP');
      await hears(/^RELOADING=1\nMONOTONIC_USEC=\d+$[^]*^READY=1$/m);
      await agent.stop();
      await hears(/^STOPPING=1$/m);

      node.configure({ attach: 'tcs' });
      const refused = node.spawn();
      expect(await refused.ended()).toBe(2);
      expect(refused.output).toMatch(/agent\.yaml:1:\d+: attach is one of auto, tcx, clsact; it is "tcs"\n$/);
      expect((await look(node)).pods).toHaveLength(1);
    },
  );
});
