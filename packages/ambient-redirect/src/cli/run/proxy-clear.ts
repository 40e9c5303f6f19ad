import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { count } from '../output.ts';
import { openToChange } from './node.ts';
import { showPlan } from './plan.ts';

/** `ambient-redirect proxy clear`. */
export const run: CommandRun = async ({ args, output }) => {
  if (args.flag('dry-run')) return showPlan({ kind: 'clear-proxy' }, { args, output });
  await using control = await openToChange(args);
  const { proxy, pods, withoutProxy } = await control.status();
  await control.clearProxy();
  const cleared = proxy?.hostInterface.name;
  output.result({ cleared }, () =>
    cleared === undefined ? 'there was no proxy' : `the proxy at ${cleared} ${output.paint('green', 'cleared')}`,
  );
  if (pods.length > 0)
    output.warn(
      `what is captured of ${count(pods.length, 'pod')} ${withoutProxy === 'drop' ? 'is dropped' : 'passes'}`,
    );
  return EXIT.ok;
};
