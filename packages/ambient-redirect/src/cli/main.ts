/**
 * The command `ambient-redirect`. It has nothing to export: this file runs it.
 */
import { Interrupted, OutputClosed } from './errors.ts';
import { run } from './run.ts';

const controller = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  // The first asks for an end in good order; by the second the process ends as if nobody listened.
  process.once(signal, () => controller.abort(new Interrupted(signal)));
}

// A pipe whose reader has gone, or a terminal that is no more.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error;
  controller.abort(new OutputClosed());
});
// Nobody need hear the rest: an agent outlives whoever reads its log.
process.stderr.on('error', () => undefined);

const { stdin, stdout, stderr, env } = process;
process.exitCode = await run(process.argv.slice(2), { stdin, stdout, stderr, env, signal: controller.signal });
