import type { UnenrollOptions } from '../../engine/index.ts';
import type { CommandContext, CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { count } from '../output.ts';
import { openToChange } from './node.ts';
import { showPlan } from './plan.ts';

/** How often it is told how many connections are left, while their number stays as it is. */
const TELL_MS = 5_000;

/** `ambient-redirect unenroll`. */
export const run: CommandRun = async (context) => {
  const { args, output, io } = context;
  const ids = args.all('POD');
  if (args.flag('dry-run')) return showPlan({ kind: 'unenroll', ids }, { args, output });
  const seconds = args.flag('now') ? undefined : (args.number('drain') ?? 0);
  await using control = await openToChange(args);
  let were: readonly boolean[];
  try {
    were = await control.unenroll(ids, seconds === undefined ? {} : drainOptions(context, seconds));
  } catch (error) {
    if (seconds !== undefined && io.signal.aborted && error === io.signal.reason)
      output.note(
        `still draining, for ${seconds} s at most; to cut it short: ambient-redirect unenroll ${ids.join(' ')} --now`,
      );
    throw error;
  }
  const unenrolled = ids.map((id, at) => ({ id, wasEnrolled: were[at] === true }));
  output.result({ unenrolled }, () =>
    unenrolled
      .map(({ id, wasEnrolled }) => `${id} ${wasEnrolled ? output.paint('green', 'unenrolled') : 'was not enrolled'}`)
      .join('\n'),
  );
  return EXIT.ok;
};

/** Tells how many connections are left, when it is another number, and from time to time. */
function drainOptions({ output, io }: CommandContext, seconds: number): UnenrollOptions {
  const until = Date.now() + seconds * 1000;
  let told: { readonly left: number; readonly at: number } = { left: 0, at: 0 };
  return {
    drain: { timeoutMs: seconds * 1000 },
    signal: io.signal,
    onProgress: (left) => {
      const now = Date.now();
      if (left === 0 || (left === told.left && now < told.at + TELL_MS)) return;
      told = { left, at: now };
      const rest = Math.max(0, Math.ceil((until - now) / 1000));
      output.note(`${count(left, 'connection')} by the proxy left; cut off in ${rest} s`);
    },
  };
}
