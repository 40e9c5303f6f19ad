import type { CommandRun } from '../command-spec.ts';
import { openToChange } from './node.ts';

/** `ambient-redirect proxy clear`. */
export const run: CommandRun = async ({ args, output }) => {
  await using control = await openToChange(args);
  const { proxy, pods, withoutProxy } = await control.status();
  await control.clearProxy();
  const cleared = proxy?.hostInterface.name;
  output.result({ cleared }, () =>
    cleared === undefined ? 'there was no proxy' : `the proxy at ${cleared} ${output.paint('green', 'cleared')}`,
  );
  if (pods.length > 0)
    output.warn(`what is captured of ${pods.length} pods ${withoutProxy === 'drop' ? 'is dropped' : 'passes'}`);
};
