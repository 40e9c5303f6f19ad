import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect status`. */
export const status: CommandSpec = {
  name: 'status',
  summary: 'tell what is wanted, what is found in the kernel, and what is not as it should be',
  description: `It looks at every pod that is wanted: its interface, its programs on both hooks, and who else is there; at the proxy, its listeners, and how connections find them; at the settings of the node; at the programs and at the room in the maps. It changes nothing, and needs no agent: without one it reads what is pinned.

What is wanted and not so comes first, and makes the command fail. A pod is enrolled; degraded, if something of it is not as it should be; missing, if its interface is gone; or on its way: enrolling, draining, leaving.`,
  options: [
    { name: 'pod', value: 'POD', repeat: true, summary: 'tell of this pod alone' },
    {
      name: 'stats',
      value: 'SECONDS',
      number: { from: 0.1, to: 3600, whole: false },
      bare: '1',
      summary: 'have the kernel count runs and run time of programs for so long, and tell them',
    },
    {
      name: 'html',
      value: 'FILE',
      summary:
        'write a page with a drawing of the node, the chains of its hooks, and where packets go: one file that needs no network; - is the standard output',
      completes: 'file',
    },
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'how the node is', line: 'ambient-redirect status' },
    { summary: 'what is amiss, and nothing else', line: 'ambient-redirect status --quiet' },
    { summary: 'what programs cost, over three seconds', line: 'ambient-redirect status --stats 3' },
    { summary: 'a page to look at, or to hand on', line: 'ambient-redirect status --html node.html' },
    {
      summary: 'pods that are not as they should be',
      line: `ambient-redirect status --json | jq -r '.problems[] | "\\(.subject): \\(.what)"'`,
    },
  ],
  exitCodes: { 0: 'all is as it is wanted', 1: 'something is wanted and not so, or there is no state' },
  json: {
    summary:
      'All that the API calls `EngineStatus`, with `agent` and `wanted` where an agent runs (pods of its configuration that are not enrolled, with why), and `measured` with `--stats`. `ok` is false where `problems` has something. `runs` and `runTimeNs` of a program count since it was loaded, while the statistics of the kernel were on.',
    example: {
      directory: '/sys/fs/bpf/ambient',
      build: '705e8c4de8f3f4a4ae03a63de0b2c28f',
      ok: false,
      problems: [{ subject: 'shop/cart-1', what: 'app_outbound was detached by someone else' }],
      warnings: [],
      proxy: {
        netnsInode: '4026532573',
        pid: 4711,
        hostInterface: { index: 9, name: 'vethproxy' },
        ownInterface: { index: 2, name: 'eth0', mac: '0a:58:0a:f4:01:04' },
        addresses: { ipv4: ['10.244.1.4'], ipv6: [] },
        steering: { mode: 'sk_lookup', reason: 'the kernel has it' },
        listeners: [{ purpose: 'outbound', family: 'ipv4', address: '0.0.0.0', port: 15001 }],
        status: 'listening',
        missing: [],
        hostIn: {
          direction: 'ingress',
          attached: 'tcx',
          status: 'ours',
          program: { id: 415, name: 'ztunnel_host_in', tag: '88aa0f3214e59e89' },
        },
      },
      steer: 'auto',
      attach: { wanted: 'auto', mode: 'tcx', reason: 'the kernel has it' },
      withoutProxy: 'drop',
      pods: [
        {
          id: 'shop/cart-1',
          slot: 1,
          status: 'degraded',
          problems: ['app_outbound was detached by someone else'],
          warnings: [],
          mode: 'full',
          addresses: ['10.244.1.7'],
          hostInterface: { index: 11, name: 'vethcart1' },
          hooks: [
            { direction: 'ingress', attached: 'tcx', status: 'gone' },
            {
              direction: 'egress',
              attached: 'tcx',
              status: 'ours',
              program: { id: 411, name: 'app_inbound', tag: '515f0a3214e59e89' },
            },
          ],
        },
      ],
      deviations: [],
      settings: [{ what: 'net/ipv4/conf/all/rp_filter of the host', found: '0', wanted: '0', before: '2' }],
      programs: [
        {
          id: 411,
          name: 'app_inbound',
          tag: '515f0a3214e59e89',
          digest: '0123456789abcdef0123456789abcdef',
          loaded: '2026-02-26T08:30:00.000Z',
          hooks: ['vethcart1 egress'],
          verifiedInstructions: 1204,
          machineCode: 3300,
          runs: '1234567',
          runTimeNs: '14814804',
        },
      ],
      maps: [
        {
          name: 'direct',
          holds: 'connections past the proxy',
          entries: 12,
          limit: 65536,
          evicts: false,
          isNearlyFull: false,
        },
      ],
      hostAddresses: ['172.18.0.3', '10.244.1.1'],
    },
  },
  run: () => import('../run/status.ts'),
};
