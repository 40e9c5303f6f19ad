/** The commands that change a node, where an agent answers: it does what they ask. */
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeWith, root } from '../../../../test/support/needs.ts';
import { tempDir } from '../../../../test/support/temp.ts';
import { call, type CallOptions, type Outcome } from '../../test/command.ts';
import { engineLab } from '../../test/engine-lab.ts';
import { ControlServer, type Control } from '../control/index.ts';
import type { NodePlan } from '../engine/index.ts';
import { Interrupted } from './errors.ts';

// Programs are compiled and a proxy is started for each: a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

interface Asked extends Awaited<ReturnType<typeof engineLab>> {
  readonly control: Control;
  /** Runs a command that asks the agent. */
  run(args: readonly string[], options?: CallOptions): Promise<Outcome>;
}

/** A node whose engine answers at a socket, as an agent's does. @param change what it answers else */
async function asked(change: (control: Control) => Control = (control) => control): Promise<Asked> {
  const all = await engineLab();
  const control = await all.open();
  const { directory } = await control.status();
  const socket = join(tempDir(), 'agent.sock');
  const server = await ControlServer.listen(change(control), { socket, pid: process.pid, directory });
  onTestFinished(() => server.close());
  const where = ['--directory', directory, '--host', all.lab.node.path, '--socket', socket];
  return { ...all, control, run: (args, options) => call([...args, ...where], options) };
}

describeWith([root], 'commands that ask an agent', () => {
  test('it does what they say, and others may look meanwhile', async () => {
    const { lab, control, run, connect } = await asked();
    const enroll = ['enroll', 'client', '--netns', lab.client.path];
    expect(await run([...enroll, '--attach', 'tcx'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('has its own configuration') as string,
    });
    const plan = await run([...enroll, '--dry-run', '--json']);
    expect((JSON.parse(plan.out) as NodePlan).changes.length).toBeGreaterThan(2);
    expect((await control.status()).pods).toEqual([]);
    expect(await run(enroll)).toMatchObject({ code: 0, out: expect.stringContaining('enrolled: v-client') as string });
    expect((await control.status()).pods.map(({ id }) => id)).toEqual(['client']);
    expect(await run(['proxy', 'show'])).toMatchObject({ code: 0 });
    expect(await run(['reconcile'])).toEqual({ code: 0, out: 'all is as it is wanted\n', err: '' });
    expect(JSON.parse((await run(['upgrade', '--json'])).out)).toMatchObject({ replaced: [], failed: [] });

    const connection = await connect('ipv4');
    await connection.says('open');
    const controller = new AbortController();
    const stopped = await run(['unenroll', 'client', '--drain', '600'], {
      signal: controller.signal,
      onError: (text) => {
        if (/by the proxy left/.test(text)) controller.abort(new Interrupted('SIGINT'));
      },
    });
    expect(stopped).toMatchObject({ code: 130, out: '' });
    expect((await control.status()).pods).toMatchObject([{ id: 'client', status: 'draining' }]);
    expect(await run(['unenroll', 'client', '--now'])).toMatchObject({ code: 0 });
    expect((await control.status()).pods).toEqual([]);
    connection.socket.destroy();
  });

  test('an agent of another version is to be started anew', async () => {
    const { run } = await asked((control) => {
      const status = async (): ReturnType<Control['status']> => ({ ...(await control.status()), build: 'another' });
      return { status, close: () => control.close() } as Partial<Control> as Control;
    });
    expect(await run(['upgrade'])).toMatchObject({
      code: 1,
      err: expect.stringContaining('of another version; start it anew') as string,
    });
  });
});
