import type { OptionSpec } from './command-spec.ts';

/** Which engine a command is about: every command that looks at a node or changes it has these. */
export const NODE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'directory',
    value: 'DIR',
    default: '/sys/fs/bpf/ambient',
    summary: "where the engine's state is pinned, in a bpffs",
    completes: 'directory',
  },
  {
    name: 'socket',
    value: 'PATH',
    default: '/run/ambient-redirect/agent.sock',
    summary: 'the control socket of the agent; where one answers for that directory, it is asked',
    completes: 'file',
  },
  {
    name: 'host',
    value: 'NETNS',
    summary:
      "the network namespace with the host's ends of the pods' interfaces: a path, or the id of a process in it; that of this process if left out",
    completes: 'file',
  },
];

/** How a command prints: every command has these. */
export const OUTPUT_OPTIONS: readonly OptionSpec[] = [
  { name: 'json', summary: 'print JSON: one document, or a line for each record' },
  { name: 'quiet', short: 'q', summary: 'print results and errors only, no progress' },
];

/** Of every command that changes something. */
export const DRY_RUN_OPTION: OptionSpec = {
  name: 'dry-run',
  summary: 'print what would be made, replaced and removed, and change nothing',
};

/** How the engine works: of commands that can be the first on a node. What is left out is as it was recorded, or as in docs/configuration.md. */
export const ENGINE_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'attach',
    value: 'HOW',
    choices: ['auto', 'tcx', 'clsact'],
    summary: 'how programs are attached; auto takes tcx where the kernel has it',
  },
  {
    name: 'steer',
    value: 'HOW',
    choices: ['auto', 'sk_lookup', 'tproxy'],
    summary: "how connections find the proxy's listeners; auto takes sk_lookup where it can be had",
  },
  {
    name: 'pod-cidr',
    value: 'CIDR',
    repeat: true,
    summary: "the node's pod prefix, one a family: its pods are found faster",
  },
  { name: 'bypass', value: 'CIDR', repeat: true, summary: 'a prefix that is left alone for all pods' },
  {
    name: 'without-proxy',
    value: 'WHAT',
    choices: ['drop', 'pass'],
    summary: 'what happens to what would be captured while there is no proxy',
  },
];
