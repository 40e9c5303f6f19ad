import { showDemo, type ShowOptions } from '../../demo/show.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';

/** `ambient-redirect demo`. */
export const run: CommandRun = async ({ args, output, io }) => {
  const options: ShowOptions = {
    json: output.json,
    keep: args.flag('keep'),
    attach: args.need('attach') as ShowOptions['attach'],
    steer: args.need('steer') as ShowOptions['steer'],
  };
  return (await showDemo(options, io)) ? EXIT.ok : EXIT.failed;
};
