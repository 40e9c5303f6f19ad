import { listLinks } from 'netlink-tc';
import type { Deviation, SettingState } from '../node/index.ts';
import { attachStatus, type AttachStatus } from './attach-status.ts';
import { hostInFacts, hostInHook, nodeFacts, type EngineContext } from './context.ts';
import { Hooks } from './hook.ts';
import { hookStatus, type HookStatus } from './hook-status.ts';
import { mapStatus, type MapStatus } from './map-status.ts';
import type { EngineSettings } from './options.ts';
import { HOOK_PROBLEM, OTHER_PROGRAM, podStatus, type PodStatus } from './pod-status.ts';
import { programStatus, type ProgramStatus } from './program-status.ts';
import { PROGRAMS_BUILD } from './programs-build.gen.ts';
import { ProxyPlace } from './proxy-place.ts';
import { PROXY_RECORD, type ProxyRecord, type ProxyState } from './proxy-state.ts';

/** Something that is wanted and not so, or that may become a problem. */
export interface StatusProblem {
  /** A pod's id, `proxy` or `node`. */
  readonly subject: string;
  /** In words. */
  readonly what: string;
}

/** Everything that the engine is responsible for, as it is found now. */
export interface EngineStatus {
  readonly directory: string;
  /** Hash of the code that makes programs: pinned ones of another build are not adopted. */
  readonly build: string;
  /** Whether all is as it is wanted: there are no {@link EngineStatus.problems}. */
  readonly ok: boolean;
  /** All that is wanted and not so. */
  readonly problems: readonly StatusProblem[];
  /** What is as it is wanted, and may not stay so or not suffice. */
  readonly warnings: readonly StatusProblem[];
  /** Its steering says which way is in use, and why. */
  readonly proxy: (ProxyState & { readonly hostIn: HookStatus }) | undefined;
  /** The proxy that this one takes over from: it keeps the connections that it has, and nothing of it is left when they have ended. */
  readonly leaving: LeavingStatus | undefined;
  /** What was asked for as the way of steering. */
  readonly steer: EngineSettings['steer'];
  readonly attach: AttachStatus;
  /** What happens to what would be captured while there is no proxy. */
  readonly withoutProxy: 'drop' | 'pass';
  readonly pods: readonly PodStatus[];
  /** Everything at the proxy's side that is not as the redirection needs it. */
  readonly deviations: readonly Deviation[];
  /** All settings of the node and of the proxy's namespace that are ours, with what is found and what was there before. */
  readonly settings: readonly SettingState[];
  readonly programs: readonly ProgramStatus[];
  readonly maps: readonly MapStatus[];
  /** The host's own addresses. */
  readonly hostAddresses: readonly string[];
}

/** A proxy that another one takes over from. */
export interface LeavingStatus extends Pick<ProxyState, 'netnsInode' | 'hostInterface'> {
  /** Connections that it still has. */
  readonly connections: number;
}

/** Looks at everything and changes nothing. */
export async function readStatus(context: EngineContext): Promise<EngineStatus> {
  const { directory, settings, proxySide, host } = context;
  const links = new Map((await host.socket.request(listLinks())).map(({ index, name }) => [index, name]));
  const pods = await Promise.all([...context.pods.values()].map((pod) => podStatus(context, pod, links)));
  const { state } = proxySide;
  const hook = state && hostInHook(directory.records, state.hostInterface.index);
  const proxy = state && { ...state, hostIn: await hookStatus(context, 'ingress', hook) };
  const deviations = await lookAt(() => proxySide.check());
  const settingsOfProxy = await lookAt(() => proxySide.settings());
  const hostAddresses = addressList(await nodeFacts(host, settings));
  const maps = mapStatus(context);
  const problems = [
    ...proxyProblems(context, proxy),
    ...deviations.found.map(({ what, found, wanted }) => ({
      subject: 'proxy',
      what: `${what} is ${found ?? 'missing'}, not ${wanted}`,
    })),
    ...(deviations.problems.length > 0 ? deviations : settingsOfProxy).problems,
    ...hostProblems(context, hostAddresses),
    ...pods.flatMap((pod) => pod.problems.map((what) => ({ subject: pod.id, what }))),
  ];
  const warnings = [
    ...(proxy?.status === 'listening' ? proxy.missing.map((what) => ({ subject: 'proxy', what })) : []),
    ...maps.flatMap(mapWarnings),
    ...pods.flatMap((pod) => pod.warnings.map((what) => ({ subject: pod.id, what }))),
  ];
  return {
    directory: directory.path,
    build: PROGRAMS_BUILD,
    ok: problems.length === 0,
    problems,
    warnings,
    proxy,
    leaving: await leavingStatus(proxySide),
    steer: settings.steer,
    attach: attachStatus(context),
    withoutProxy: settings.withoutProxy,
    pods,
    deviations: deviations.found,
    settings: settingsOfProxy.found,
    programs: programStatus(context, await usesOf(context, pods, proxy)),
    maps,
    hostAddresses,
  };
}

/** What cannot be looked at is told with the rest: it must not hide that. */
async function lookAt<T>(
  look: () => Promise<readonly T[]>,
): Promise<{ readonly found: readonly T[]; readonly problems: readonly StatusProblem[] }> {
  try {
    return { found: await look(), problems: [] };
  } catch (error) {
    return {
      found: [],
      problems: [{ subject: 'proxy', what: error instanceof Error ? error.message : String(error) }],
    };
  }
}

function proxyProblems(context: EngineContext, proxy: EngineStatus['proxy']): StatusProblem[] {
  const { withoutProxy } = context.settings;
  const fate = `what is captured ${withoutProxy === 'drop' ? 'is dropped' : 'passes'}`;
  const of = (what: string): StatusProblem => ({ subject: 'proxy', what });
  if (proxy === undefined) return context.pods.size === 0 ? [] : [of(`there is none: ${fate}`)];
  const { hostIn, status, missing } = proxy;
  const wanted = context.programs.find('ztunnel_host_in', hostInFacts(context, proxy))?.id;
  const hook = hostIn.status === 'ours' ? hostIn.program?.id !== wanted && OTHER_PROGRAM : HOOK_PROBLEM[hostIn.status];
  return [
    ...(status === 'away' ? [of(`is away (${missing.join('; ')}): ${fate}`)] : []),
    ...(hook === false ? [] : [of(`ztunnel_host_in ${hook}`)]),
  ];
}

async function leavingStatus(proxySide: EngineContext['proxySide']): Promise<LeavingStatus | undefined> {
  const { leaving } = proxySide;
  if (leaving === undefined) return undefined;
  const { identity, hostInterface } = leaving;
  return { netnsInode: identity.netns, hostInterface, connections: await proxySide.connectionsLeft() };
}

/** Programs know the host's addresses as they were when it was last reconciled. */
function hostProblems({ node }: EngineContext, now: readonly string[]): StatusProblem[] {
  const known = addressList(node);
  if ([...known].sort().join() === [...now].sort().join()) return [];
  return [
    { subject: 'node', what: `has ${now.join(', ')}, programs know ${known.join(', ')}: reconcile exchanges them` },
  ];
}

function mapWarnings({ name, holds, entries, limit, isNearlyFull }: MapStatus): StatusProblem[] {
  return isNearlyFull
    ? [{ subject: 'node', what: `the map ${name} has ${entries} ${holds}, and room for ${limit}` }]
    : [];
}

/** Where each program runs, by its id. */
async function usesOf(
  context: EngineContext,
  pods: readonly PodStatus[],
  proxy: EngineStatus['proxy'],
): Promise<ReadonlyMap<number, readonly string[]>> {
  const uses = new Map<number, string[]>();
  const add = (id: number | undefined, where: string): void => {
    if (id !== undefined) uses.set(id, [...(uses.get(id) ?? []), where]);
  };
  for (const { hooks, hostInterface } of pods)
    for (const { program, direction } of hooks) add(program?.id, `${hostInterface.name} ${direction}`);
  if (proxy !== undefined) {
    add(proxy.hostIn.program?.id, `${proxy.hostInterface.name} ingress`);
    const { mode } = proxy.steering;
    if (mode === 'sk_lookup') for (const id of steerPrograms(context)) add(id, "sk_lookup of the proxy's namespace");
    else add(await tproxyProgram(context), `${proxy.ownInterface.name} ingress in the proxy's namespace`);
  }
  return uses;
}

/** Programs of links to a namespace: those that steer by `sk_lookup`. */
function steerPrograms({ directory }: EngineContext): number[] {
  return directory.linkNames().flatMap((name) => {
    using link = directory.openLink(name);
    const info = link?.info();
    return info?.netnsInode === undefined || info.netnsInode === 0 ? [] : [info.programId];
  });
}

async function tproxyProgram(context: EngineContext): Promise<number | undefined> {
  const { sys, host, directory, settings } = context;
  const record = directory.records.get<ProxyRecord>(PROXY_RECORD);
  if (record?.steering.hook === undefined) return undefined;
  const { identity, reference, ownInterface, steering } = record;
  using place = await ProxyPlace.reopen(host, identity, { reference, ownInterface: ownInterface.name });
  if (place === undefined) return undefined;
  const { attach: mode, priority } = settings;
  const hooks = new Hooks(sys, place.socket, directory, { netns: place.netns, mode, priority });
  return (await hookStatus({ sys, hooks }, 'ingress', steering.hook)).program?.id;
}

function addressList({ host }: Pick<EngineContext['node'], 'host'>): string[] {
  return [...host.ipv4, ...host.ipv6];
}
