import type { CommandSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, ENGINE_OPTIONS, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

const PROXY_EXAMPLE = {
  netnsInode: '4026532618',
  pid: 4711,
  hostInterface: { index: 12, name: 'v-ztunnel' },
  ownInterface: { index: 2, name: 'eth0', mac: '0a:58:0a:f4:01:05' },
  addresses: { ipv4: ['10.244.1.5'], ipv6: ['fd00:10:244:1::5'] },
  steering: { mode: 'sk_lookup', reason: 'the kernel has it' },
  listeners: [{ purpose: 'outbound', family: 'ipv4', address: '::', port: 15001 }],
  status: 'listening',
  missing: [],
};

const FIELDS =
  'Its namespace, process, interfaces and addresses; how connections are steered to it, and why so; its listeners; `status` is `listening`, or `away` where one is missing that no mesh can do without; `missing` has all that is missing, in words.';

/** `ambient-redirect proxy set`. */
export const proxySet: CommandSpec = {
  name: 'proxy set',
  summary: 'say who the proxy is',
  description: `What the node needs for it is set, and new connections are steered to its listeners. It must listen: on the ports of Istio's ztunnel, unless the configuration has others.

A path to its namespace is best: by the id of a process it is found again only while a process runs in it.`,
  options: [
    {
      name: 'netns',
      value: 'NETNS',
      summary: 'its network namespace: a path, or a name of `ip netns`; that of --pid if left out',
      completes: 'file',
    },
    {
      name: 'pid',
      value: 'PID',
      number: { from: 1, to: 4_194_304, whole: true },
      summary: 'its process; whoever listens on its ports in its namespace if left out',
    },
    { name: 'interface', value: 'NAME', summary: 'its own interface, where it has several' },
    {
      name: 'handover',
      summary: "new connections come to none but this process's sockets: it takes over from another on the same ports",
    },
    DRY_RUN_OPTION,
    ...ENGINE_OPTIONS,
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'the proxy in a namespace', line: 'ambient-redirect proxy set --netns /run/netns/ztunnel' },
    { summary: 'by its process', line: 'ambient-redirect proxy set --pid 4711' },
    {
      summary: 'a new process takes over',
      line: 'ambient-redirect proxy set --netns /run/netns/ztunnel --pid 4712 --handover',
    },
  ],
  exitCodes: { 1: 'it does not listen, or cannot be steered to' },
  json: { summary: `The proxy. ${FIELDS}`, example: PROXY_EXAMPLE },
  run: () => import('../run/proxy-set.ts'),
};

/** `ambient-redirect proxy clear`. */
export const proxyClear: CommandSpec = {
  name: 'proxy clear',
  summary: 'say that there is no proxy any more',
  description:
    'What would be captured is dropped from then on, or passes, as --without-proxy was said at the beginning. Pods stay enrolled.',
  options: [DRY_RUN_OPTION, ...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [{ summary: 'no proxy', line: 'ambient-redirect proxy clear' }],
  json: { summary: 'The proxy that there was, if there was one.', example: { cleared: 'v-ztunnel' } },
  run: () => import('../run/proxy-clear.ts'),
};

/** `ambient-redirect proxy show`. */
export const proxyShow: CommandSpec = {
  name: 'proxy show',
  summary: 'show the proxy, its listeners, and how connections come to it',
  options: [...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: 'the proxy', line: 'ambient-redirect proxy show' },
    { summary: 'is it listening?', line: "ambient-redirect proxy show --json | jq -r '.proxy.status'" },
  ],
  exitCodes: { 1: 'there is no proxy, or it does not listen' },
  json: { summary: `The proxy, or null. ${FIELDS}`, example: { proxy: PROXY_EXAMPLE } },
  run: () => import('../run/proxy-show.ts'),
};
