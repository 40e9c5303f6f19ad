import { exposeMetrics } from '../../metrics/index.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { openToLook } from './node.ts';

/** `ambient-redirect metrics`. */
export const run: CommandRun = async ({ args, output, io }) => {
  await using control = await openToLook(args);
  if (output.json) output.result(await control.metrics(), () => '');
  else io.stdout.write((await exposeMetrics(control)).text);
  return EXIT.ok;
};
