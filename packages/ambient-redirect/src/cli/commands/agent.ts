import type { CommandSpec, OptionSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** In the place of what the configuration says. */
const OVERRIDES: readonly OptionSpec[] = [
  {
    name: 'directory',
    value: 'DIR',
    summary: "where the engine's state is pinned, in a bpffs; as the configuration says if left out",
    completes: 'directory',
  },
  {
    name: 'socket',
    value: 'PATH',
    summary: 'where other commands ask it; as the configuration says if left out',
    completes: 'file',
  },
  ...NODE_OPTIONS.filter(({ name }) => name === 'host'),
];

/** `ambient-redirect agent`. */
export const agent: CommandSpec = {
  name: 'agent',
  summary: 'keep the node as a configuration says, until it is ended',
  description: `Enrolls the pods that the configuration and the files of its directory of pods name, drains those that they do not name any more, names the proxy, and mends what others change. What fails is tried again, and told by status until it succeeds.

Other commands ask it by its socket. It ends at SIGTERM and leaves everything running: the next one takes over, and no connection notices. SIGHUP has it read its files again, which it also does by itself when they change. A service manager is told when it is ready (sd_notify); by HTTP there are /healthz, /readyz and /metrics.

docs/configuration.md has every key. Messages are lines on the standard error; with --json each is an object with time, level and message.`,
  options: [
    {
      name: 'config',
      short: 'c',
      value: 'FILE',
      default: '/etc/ambient-redirect/agent.yaml',
      summary: 'the configuration, YAML or JSON',
      completes: 'file',
    },
    ...OVERRIDES,
    DRY_RUN_OPTION,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'with the configuration of /etc', line: 'ambient-redirect agent' },
    { summary: 'with another one', line: 'ambient-redirect agent --config agent.yaml' },
    {
      summary: 'whether it is right, and what it would do',
      line: 'ambient-redirect agent --config agent.yaml --dry-run',
    },
  ],
  exitCodes: {
    0: 'it was asked to end by SIGTERM or SIGINT, or everything was torn down',
    1: 'it could not begin, or the directory or the socket is in use',
    2: 'the configuration was not understood',
  },
  json: {
    summary: 'With `--dry-run`: what would be done. Without, nothing is printed on the standard output.',
    example: {
      config: '/etc/ambient-redirect/agent.yaml',
      directory: '/sys/fs/bpf/ambient',
      proxy: 'named',
      enroll: ['shop/cart-1'],
      unenroll: [],
      problems: [],
    },
  },
  run: () => import('../run/agent.ts'),
};
