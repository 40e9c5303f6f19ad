import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { PassThrough } from 'node:stream';
import { isAmbientRedirectError } from '../../error.ts';
import type { CommandIo, CommandRun } from '../command-spec.ts';
import { CliError, EXIT } from '../errors.ts';
import { count } from '../output.ts';
import { nodeOf, openToChange, openToLook } from './node.ts';
import { showPlan } from './plan.ts';

/** `ambient-redirect teardown`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const { directory } = nodeOf(args);
  let pods: readonly string[];
  try {
    await using view = await openToLook(args);
    pods = (await view.status()).pods.map(({ id }) => id);
  } catch (error) {
    if (!isAmbientRedirectError(error, 'ERR_NO_STATE')) throw error;
    output.result({ pods: [], left: [] }, () => `there is nothing in ${directory}`);
    return EXIT.ok;
  }
  if (args.flag('dry-run')) return showPlan({ kind: 'teardown' }, { args, output });
  if (!args.flag('yes')) {
    const question = `Take away everything in ${directory}, with ${count(pods.length, 'enrolled pod')}?`;
    if (!(await isAgreed(question, io))) {
      output.note('nothing was changed');
      return EXIT.failed;
    }
  }
  await using control = await openToChange(args);
  const left = await control.teardown();
  output.result({ pods, left }, () =>
    [
      `all of ${directory} ${output.paint('green', 'taken away')}, with ${count(pods.length, 'pod')}`,
      ...left.map(
        ({ what, found, wanted }) =>
          `left ${what}: it is ${found}, was ${wanted} before us, and someone else has changed it`,
      ),
    ].join('\n'),
  );
  return EXIT.ok;
};

/** Asks a person. @throws CliError where there is none */
async function isAgreed(question: string, { stdin, stderr, signal }: CommandIo): Promise<boolean> {
  if (stdin.isTTY !== true) {
    throw new CliError('nobody can be asked whether everything is to be taken away', {
      hint: 'give --yes, or --dry-run to see what it would be',
    });
  }
  stderr.write(`${question} [y/N] `);
  const lines = createInterface({ input: stdin, output: new PassThrough().resume() });
  try {
    // Ctrl-D is no answer, and none comes after it.
    const gone = once(lines, 'close').then(() => '');
    const answer = await Promise.race([lines.question('', { signal }), gone]);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    lines.close();
  }
}
