import type { CommandSpec } from '../command-spec.ts';
import { completion } from './completion.ts';

/** Every command, in the order of the help and of the documentation. */
export const COMMANDS: readonly CommandSpec[] = [completion];

/** What commands of two words have in common: the first word, and what it is about. */
export const COMMAND_GROUPS: Readonly<Record<string, string>> = {
  proxy: 'the proxy that the traffic is handed to',
  chain: "the programs on interfaces' hooks",
};
