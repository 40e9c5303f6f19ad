import type { CommandRun } from '../command-spec.ts';
import { COMMANDS } from '../commands/index.ts';
import { completionScript, type Shell } from '../completion-script.ts';

/** `ambient-redirect completion`. */
export const run: CommandRun = async ({ args, output }) => {
  const shell = args.need('SHELL') as Shell;
  const script = completionScript(shell, COMMANDS);
  output.result({ shell, script }, () => script.trimEnd());
};
