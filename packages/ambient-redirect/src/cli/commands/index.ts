import type { CommandSpec } from '../command-spec.ts';
import { chainShow } from './chain.ts';
import { agent } from './agent.ts';
import { completion } from './completion.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { enroll } from './enroll.ts';
import { metrics } from './metrics.ts';
import { proxyClear, proxySet, proxyShow } from './proxy.ts';
import { reconcile } from './reconcile.ts';
import { status } from './status.ts';
import { teardown } from './teardown.ts';
import { top } from './top.ts';
import { trace } from './trace.ts';
import { unenroll } from './unenroll.ts';
import { upgrade } from './upgrade.ts';

/** Every command, in the order of the help and of the documentation. */
export const COMMANDS: readonly CommandSpec[] = [
  agent,
  // The node.
  proxySet,
  proxyClear,
  proxyShow,
  enroll,
  unenroll,
  // Seeing what happens.
  status,
  chainShow,
  trace,
  top,
  metrics,
  doctor,
  // Keeping it well.
  reconcile,
  upgrade,
  teardown,
  // The rest.
  demo,
  completion,
];

/** What commands of two words have in common: the first word, and what it is about. */
export const COMMAND_GROUPS: Readonly<Record<string, string>> = {
  proxy: 'the proxy that the traffic is handed to',
  chain: "the programs on interfaces' hooks",
};
