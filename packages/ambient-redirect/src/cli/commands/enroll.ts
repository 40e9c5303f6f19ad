import type { CommandSpec, OptionSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, ENGINE_OPTIONS, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

const OF = { outbound: 'connections that the pod opens', inbound: 'connections that others open to it' } as const;
const END = { outbound: 'destinations', inbound: 'sources' } as const;

/** The policy of a pod: include and exclude, prefixes and ports, for each direction. */
const POLICY_OPTIONS: readonly OptionSpec[] = (['outbound', 'inbound'] as const).flatMap((direction) => [
  {
    name: `${direction}-include-cidr`,
    value: 'CIDR',
    repeat: true,
    summary: `of the ${OF[direction]}, capture only those with ${END[direction]} in this prefix`,
  },
  {
    name: `${direction}-exclude-cidr`,
    value: 'CIDR',
    repeat: true,
    summary: `of the ${OF[direction]}, leave alone those with ${END[direction]} in this prefix`,
  },
  {
    name: `${direction}-include-port`,
    value: 'PORT',
    repeat: true,
    summary: `of the ${OF[direction]}, capture only those to this port or range`,
  },
  {
    name: `${direction}-exclude-port`,
    value: 'PORT',
    repeat: true,
    summary: `of the ${OF[direction]}, leave alone those to this port or range`,
  },
]);

/** `ambient-redirect enroll`. */
export const enroll: CommandSpec = {
  name: 'enroll',
  summary: 'redirect the traffic of a pod, or of several',
  description: `The pod is named by its network namespace (--netns or --pid), or by the host's end of its interface. All its TCP is captured unless the policy says otherwise. One that is enrolled already stays as it is, but for its policy.

With --file, pods come from a YAML or JSON file: a list in the form of docs/configuration.md. Those that cannot be enrolled do not keep the others back.`,
  arguments: [{ name: 'POD', summary: 'its name with the engine, such as namespace/name', optional: true }],
  options: [
    {
      name: 'netns',
      value: 'NETNS',
      summary: 'its network namespace: a path, or a name of `ip netns`',
      completes: 'file',
    },
    { name: 'pid', value: 'PID', number: { from: 1, to: 4_194_304, whole: true }, summary: 'a process of it' },
    {
      name: 'interface',
      value: 'NAME',
      summary: "the host's end of its interface",
      completes: 'interface',
    },
    { name: 'pod-interface', value: 'NAME', summary: 'its own end, where it has several; needs --netns or --pid' },
    {
      name: 'address',
      value: 'ADDRESS',
      repeat: true,
      summary: 'an address of it; those of its interface if none is given',
    },
    { name: 'dns', summary: 'capture DNS over UDP as well' },
    ...POLICY_OPTIONS,
    {
      name: 'established',
      value: 'WHAT',
      choices: ['preserve', 'reset'],
      default: 'preserve',
      summary: 'connections that are open run past the proxy until they end, or end at their next packet',
    },
    {
      name: 'on-shadowed',
      value: 'WHAT',
      choices: ['warn', 'fail'],
      default: 'warn',
      summary: "where others' programs stand before ours and can keep packets from them: say so, or refuse the pod",
    },
    { name: 'file', short: 'f', value: 'FILE', summary: 'a list of pods; - is the standard input', completes: 'file' },
    DRY_RUN_OPTION,
    ...ENGINE_OPTIONS,
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    {
      summary: 'a pod by its network namespace',
      line: 'ambient-redirect enroll shop/cart-1 --netns /run/netns/cni-1234',
    },
    {
      summary: "by the host's end of its interface, all but its metrics",
      line: 'ambient-redirect enroll shop/cart-1 --interface vethcart1 --inbound-exclude-port 9090-9099',
    },
    { summary: 'a list of pods', line: 'ambient-redirect enroll --file pods.yaml' },
    {
      summary: 'what would be done',
      line: 'ambient-redirect enroll shop/cart-1 --pid 4711 --dns --dry-run',
    },
  ],
  exitCodes: { 1: 'a pod could not be enrolled; of several, the others are' },
  json: {
    summary:
      'What was enrolled, in the order of the request: how the programs are attached, whether anything was changed, and who can keep packets from them.',
    example: {
      enrolled: [
        {
          id: 'shop/cart-1',
          hostInterface: 'vethcart1',
          addresses: ['10.244.1.7', 'fd00:10:244:1::7'],
          attached: 'tcx',
          changed: true,
          warnings: [],
        },
      ],
    },
  },
  run: () => import('../run/enroll.ts'),
};
