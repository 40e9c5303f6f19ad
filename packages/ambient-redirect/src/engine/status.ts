import { readProgramInfo, openById, type Direction } from 'netlink-tc';
import type { Deviation } from '../node/index.ts';
import type { CaptureMode } from '../programs/index.ts';
import { appFacts, HOST_IN_RECORD, type EngineContext, type HostInRecord } from './context.ts';
import { FOUND } from './converge.ts';
import type { HookRecord, HookState } from './hook.ts';
import { addressesOf, OWNER, type PodPhase, type PodRecord } from './pod-record.ts';
import type { ProxyState } from './proxy-side.ts';
import { describeShadow, shadowsOf } from './shadow.ts';

/** One of our programs on an interface. */
export interface HookStatus {
  readonly direction: Direction;
  /** How it is attached; undefined where it is not. */
  readonly attached: 'tcx' | 'clsact' | undefined;
  readonly status: HookState['status'] | 'missing';
  /** The program that runs there, as `bpftool prog` tells of it. */
  readonly program: { readonly id: number; readonly name: string; readonly tag: string } | undefined;
}

/** A pod as it is wanted, and as it is found in the kernel. */
export interface PodStatus {
  readonly id: string;
  readonly slot: number;
  /** `degraded`: something is not as it should be; {@link PodStatus.problems} says what. */
  readonly status: PodPhase | 'degraded';
  readonly problems: readonly string[];
  /** Who can keep packets from its programs, in words: what others may have reasons for. */
  readonly warnings: readonly string[];
  readonly mode: CaptureMode;
  readonly addresses: readonly string[];
  readonly hostInterface: { readonly index: number; readonly name: string };
  readonly hooks: readonly HookStatus[];
}

/** Everything that the engine is responsible for, as it is found now. */
export interface EngineStatus {
  readonly directory: string;
  /** Whether all is as it is wanted. */
  readonly ok: boolean;
  readonly proxy: (ProxyState & { readonly hostIn: HookStatus }) | undefined;
  /** What happens to what would be captured while there is no proxy. */
  readonly withoutProxy: 'drop' | 'pass';
  readonly pods: readonly PodStatus[];
  /** Settings of the node that are not as the redirection needs them. */
  readonly deviations: readonly Deviation[];
  /** The host's own addresses, as programs know them. */
  readonly hostAddresses: readonly string[];
}

/** Looks at everything and changes nothing. */
export async function readStatus(context: EngineContext): Promise<EngineStatus> {
  const { directory, settings, proxySide, node } = context;
  const pods = await Promise.all([...context.pods.values()].map((pod) => podStatus(context, pod)));
  const { state } = proxySide;
  const hostIn = directory.records.get<HostInRecord>(HOST_IN_RECORD)?.hook;
  const proxy = state && { ...state, hostIn: await hookStatus(context, 'ingress', hostIn) };
  const deviations = await proxySide.check();
  const fine = pods.every(({ status }) => status !== 'degraded');
  const proxyFine = proxy === undefined || (proxy.status === 'listening' && proxy.hostIn.status === 'ours');
  return {
    directory: directory.path,
    ok: fine && proxyFine && deviations.length === 0 && (pods.length === 0 || proxy !== undefined),
    proxy,
    withoutProxy: settings.withoutProxy,
    pods,
    deviations,
    hostAddresses: [...node.host.ipv4, ...node.host.ipv6],
  };
}

const PROBLEM: Readonly<Record<Exclude<HookStatus['status'], 'ours'>, string>> = {
  ...FOUND,
  missing: 'is not attached',
};

async function podStatus(context: EngineContext, pod: PodRecord): Promise<PodStatus> {
  const facts = appFacts(context, pod);
  const wanted = {
    ingress: context.programs.find('app_outbound', facts)?.id,
    egress: context.programs.find('app_inbound', facts)?.id,
  };
  const hooks = [
    await hookStatus(context, 'ingress', pod.hooks.ingress),
    await hookStatus(context, 'egress', pod.hooks.egress),
  ];
  const problems = hooks.flatMap(({ direction, status, program }) => {
    const name = OWNER[direction];
    if (status !== 'ours') return [`${name} ${PROBLEM[status]}`];
    return program?.id === wanted[direction] ? [] : [`${name} is not of this version or of these settings`];
  });
  return {
    id: pod.id,
    slot: pod.slot,
    status: problems.length > 0 ? 'degraded' : pod.phase,
    problems,
    warnings: (await shadowsOf(context, pod)).map(describeShadow),
    mode: pod.mode,
    addresses: addressesOf(pod),
    hostInterface: pod.hostInterface,
    hooks,
  };
}

async function hookStatus(
  { hooks, sys }: EngineContext,
  direction: Direction,
  record: HookRecord | undefined,
): Promise<HookStatus> {
  if (record === undefined) return { direction, attached: undefined, status: 'missing', program: undefined };
  const { status, programId } = await hooks.state(record);
  using object = programId === undefined ? undefined : openById(sys, 'program', programId);
  const info = object && readProgramInfo(sys, object.fd);
  return {
    direction,
    attached: record.where.mode,
    status,
    program: info && { id: info.id, name: info.name, tag: info.tag },
  };
}
