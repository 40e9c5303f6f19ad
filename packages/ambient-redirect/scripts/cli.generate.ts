/**
 * docs/cli.md and the man page, from the specs of the commands.
 */
import type { GeneratedFiles } from '../../../scripts/generate.ts';
import { COMMANDS } from '../src/cli/commands/index.ts';
import { cliManual } from './cli-manual.ts';
import { cliPage } from './cli-page.ts';

/** Both documents. */
export function generate(): GeneratedFiles {
  return {
    'docs/cli.md': cliPage(COMMANDS),
    'packages/ambient-redirect/man/ambient-redirect.8': cliManual(COMMANDS),
  };
}
