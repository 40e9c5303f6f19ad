import { once } from 'node:events';
import { fstatSync } from 'node:fs';
import { resolve } from 'node:path';
import { Agent, lineLog, planOf, type AgentLog, type AgentOptions } from '../../agent/index.ts';
import { exposeMetrics } from '../../metrics/index.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandIo, CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import type { Output } from '../output.ts';
import { netnsOf } from './node.ts';

/** `ambient-redirect agent`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const options = optionsOf(args);
  if (args.flag('dry-run')) return dryRun(options, output);
  const log = logOf(args, io);
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = io.env;
  let agent: Agent | undefined;
  // One that comes before it has begun asks for what it does anyway.
  const onHangup = (): void => void agent?.reload();
  process.on('SIGHUP', onHangup);
  try {
    agent = await Agent.start({
      ...options,
      log,
      notify: { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID },
      metrics: exposeMetrics,
    });
    const asked = io.signal.aborted ? Promise.resolve() : once(io.signal, 'abort');
    const why = await Promise.race([
      asked.then(() => 'everything stays as it is'),
      agent.ended.then(() => 'nothing is left to do'),
    ]);
    await agent.close();
    log.info(`ended; ${why}`);
    return EXIT.ok;
  } finally {
    process.off('SIGHUP', onHangup);
    await agent?.close();
  }
};

function optionsOf(args: Arguments): Pick<AgentOptions, 'config' | 'directory' | 'socket' | 'host'> {
  const [directory, socket, host] = [args.text('directory'), args.text('socket'), args.text('host')];
  return {
    config: resolve(args.need('config')),
    ...(directory === undefined ? {} : { directory: resolve(directory) }),
    ...(socket === undefined ? {} : { socket: resolve(socket) }),
    ...(host === undefined ? {} : { host: netnsOf(host) }),
  };
}

async function dryRun(options: ReturnType<typeof optionsOf>, output: Output): Promise<number> {
  const plan = await planOf(options);
  output.result(plan, () =>
    [
      `the configuration ${plan.config} is right; nothing was changed`,
      ...(plan.proxy === undefined ? [] : [`the proxy would be ${plan.proxy}`]),
      ...plan.enroll.map((id) => `${id} would be enrolled`),
      ...plan.unenroll.map((id) => `${id} would be drained, and unenrolled`),
      ...plan.problems.map((problem) => output.paint('red', problem)),
    ].join('\n'),
  );
  return plan.problems.length === 0 ? EXIT.ok : EXIT.usage;
}

function logOf(args: Arguments, { stderr, env }: CommandIo): AgentLog {
  const format = args.flag('json') ? 'json' : isJournal(env['JOURNAL_STREAM']) ? 'journal' : 'plain';
  const log = lineLog((text) => stderr.write(text), { format });
  return args.flag('quiet') ? { ...log, info: () => undefined } : log;
}

/** Whether the standard error goes to the journal: JOURNAL_STREAM has its device and inode (systemd.exec(5)). */
function isJournal(stream: string | undefined): boolean {
  if (stream === undefined) return false;
  const { dev, ino } = fstatSync(2, { bigint: true });
  return stream === `${dev}:${ino}`;
}
