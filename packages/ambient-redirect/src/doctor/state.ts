import { isNetlinkTcError } from 'netlink-tc';
import type { EngineStatus } from '../engine/index.ts';
import { isAmbientRedirectError } from '../error.ts';
import { area, type Area, type Finding } from './finding.ts';

/** Codes of what is found of the engine's state. */
export type StateCode =
  | 'state-none'
  | 'state-whole'
  | 'state-schema'
  | 'state-damaged'
  | 'state-unreadable'
  | 'state-pod-degraded'
  | 'state-proxy-none'
  | 'state-proxy-away'
  | 'state-proxy-gone'
  | 'state-proxy-hook'
  | 'state-deviates'
  | 'state-map-filling';

const STATUS = ['ambient-redirect status'];

/** What an engine has made on this node. */
export const STATE: Area<StateCode> = area('state', {
  'state-none': {
    severity: 'info',
    title: 'No engine has run with this directory',
    cause:
      'There is no pinned state, so nothing is redirected. After a reboot it is the same: what is pinned does not outlive the kernel.',
    see: ['ls DIR'],
    remedy: 'Start the agent, or enroll pods. If it runs already, name its directory by `--directory`.',
  },
  'state-whole': {
    severity: 'ok',
    title: 'All that is wanted is found in the kernel',
    cause: 'Programs, links, settings and listeners are as they were recorded.',
    see: STATUS,
    remedy: 'Nothing to do.',
  },
  'state-schema': {
    severity: 'error',
    title: 'The state is laid out by another version',
    cause: 'Maps that programs use now would be read wrongly. Nothing was touched; what runs goes on.',
    see: STATUS,
    remedy: 'Use the version that made it, or see `ambient-redirect upgrade --help`.',
  },
  'state-damaged': {
    severity: 'error',
    title: 'Something of the state was taken away or replaced',
    cause:
      'Pins were removed by others, or a tool cleaned the bpffs up. What is attached may go on running, but nobody can change it by this state any more.',
    see: ['find DIR'],
    remedy: 'Do what the evidence says, then enroll anew.',
  },
  'state-unreadable': {
    severity: 'error',
    title: 'It cannot be looked at',
    cause:
      'Something that the state names is not there any more, such as the network namespace of the host, or the kernel answered what is not expected. The evidence is the error.',
    see: ['find DIR', ...STATUS],
    remedy: 'Do what the error says. If the namespace of the host has another path by now, name it by `--host`.',
  },
  'state-pod-degraded': {
    severity: 'error',
    title: 'A pod of the mesh is not as it should be',
    cause:
      'A program of the pod was taken off its hook or replaced, its interface is gone, or it was made for other facts: by another version, or before the host got another address; or an engine ended while it enrolled or unenrolled the pod. What the pod sends may go past the proxy.',
    see: [...STATUS, 'bpftool net show dev DEV'],
    remedy:
      'Run `ambient-redirect reconcile`, which attaches ours again, goes on with what was not ended, and unenrolls pods that have ended. If it comes back, the chain of the interface says who takes it away.',
  },
  'state-proxy-none': {
    severity: 'warning',
    title: 'Pods are enrolled, and there is no proxy',
    cause: 'What would be captured is dropped, or passes unproxied, as the option `withoutProxy` has it.',
    see: ['ambient-redirect proxy show'],
    remedy: 'Say who the proxy is: `ambient-redirect proxy set`.',
  },
  'state-proxy-away': {
    severity: 'error',
    title: 'The proxy does not listen where it should',
    cause:
      'Its process has ended, or has not opened its ports. What is captured is dropped meanwhile, unless an engine runs with `withoutProxy: pass`.',
    see: ['ambient-redirect proxy show', 'nsenter --net=NETNS ss -ltnp'],
    remedy: 'Start the proxy; the agent finds its listeners by itself, otherwise run `ambient-redirect reconcile`.',
  },
  'state-proxy-gone': {
    severity: 'error',
    title: 'The network namespace of the proxy is gone',
    cause:
      'The pod of the proxy was deleted or replaced. What is captured is sent to an interface that is not there, and dropped.',
    see: ['ambient-redirect proxy show', 'ip -brief link'],
    remedy: 'Name the new one: `ambient-redirect proxy set`.',
  },
  'state-proxy-hook': {
    severity: 'error',
    title: "The program at the proxy's interface is not as it should be",
    cause:
      'Without `ztunnel_host_in` what the proxy sends to a pod in another pod’s name takes the usual way of the node, where that name is a stranger’s: it is captured again, or dropped.',
    see: [...STATUS, 'bpftool net show dev DEV'],
    remedy: 'Run `ambient-redirect reconcile`.',
  },
  'state-deviates': {
    severity: 'error',
    title: 'Something at the proxy is not as redirection needs it',
    cause: 'A link, a slot of a listener, a rule or a route was taken away or changed by others.',
    see: STATUS,
    remedy: 'Run `ambient-redirect reconcile`, and find out who changes it.',
  },
  'state-map-filling': {
    severity: 'warning',
    title: 'A map is nearly full',
    cause: 'When it is full, no more of what it holds can be taken in.',
    see: STATUS,
    remedy: 'Unenroll pods, or spread them over more nodes. The limits are in the README of the package.',
  },
});

/** Whether an error is of the engine or of the kernel, of a file that is gone by now too, and not a fault of this program. */
export function isOfNode(error: unknown): error is Error & { readonly code?: string } {
  if (isAmbientRedirectError(error) || isNetlinkTcError(error)) return true;
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).errno === 'number';
}

/** The finding that an error of the engine or of the kernel is; undefined where it is a fault of this program. */
export function stateError(error: unknown, subject: string): Finding | undefined {
  if (!isOfNode(error)) return undefined;
  const codes: Readonly<Partial<Record<string, StateCode>>> = {
    ERR_NO_STATE: 'state-none',
    ERR_SCHEMA: 'state-schema',
    ERR_DAMAGED: 'state-damaged',
  };
  return STATE.finding(codes[error.code ?? ''] ?? 'state-unreadable', subject, [error.message]);
}

/** Compares what is wanted with what is found. Settings are looked at by `checkSysctls`, hooks of others by `checkChains`. */
export function checkState(status: EngineStatus): Finding[] {
  const { pods, proxy, directory } = status;
  const found = [
    ...pods
      .filter(({ problems }) => problems.length > 0)
      .map((pod) => STATE.finding('state-pod-degraded', `${pod.id} at ${pod.hostInterface.name}`, pod.problems)),
    ...checkProxy(status),
    ...of(status.warnings, 'node').map((what) => STATE.finding('state-map-filling', directory, [what])),
  ];
  if (found.length > 0) return found;
  const told =
    proxy === undefined
      ? 'no proxy'
      : `the proxy at ${proxy.hostInterface.name}, steered to by ${proxy.steering.mode}: ${proxy.steering.reason}`;
  return [STATE.finding('state-whole', directory, [`${pods.length} pods, ${told}`])];
}

function checkProxy(status: EngineStatus): Finding[] {
  const { pods, proxy, withoutProxy, deviations } = status;
  if (proxy === undefined) {
    if (pods.length === 0) return [];
    return [STATE.finding('state-proxy-none', `${pods.length} pods`, [`withoutProxy: ${withoutProxy}`])];
  }
  const { hostInterface, missing, netnsInode } = proxy;
  if (deviations.some(({ what }) => what === NETNS))
    return [STATE.finding('state-proxy-gone', `net:[${netnsInode}]`, [`it was at ${hostInterface.name}`, ...missing])];
  const problems = of(status.problems, 'proxy');
  const found: Finding[] = [];
  if (proxy.status === 'away') found.push(STATE.finding('state-proxy-away', hostInterface.name, missing));
  const hook = problems.filter((what) => what.startsWith('ztunnel_host_in '));
  if (hook.length > 0) found.push(STATE.finding('state-proxy-hook', hostInterface.name, hook));
  // Settings are told by their own codes, listeners above.
  const isTold = (what: string): boolean =>
    what.startsWith('net/') || what.startsWith('is away ') || missing.some((each) => what.startsWith(each));
  const others = problems.filter((what) => !hook.includes(what) && !isTold(what));
  if (others.length > 0) found.push(STATE.finding('state-deviates', 'the proxy', others));
  return found;
}

/** What a deviation calls the proxy's namespace. */
const NETNS = "the proxy's network namespace";

function of(problems: EngineStatus['problems'], subject: string): readonly string[] {
  return problems.filter((each) => each.subject === subject).map(({ what }) => what);
}
