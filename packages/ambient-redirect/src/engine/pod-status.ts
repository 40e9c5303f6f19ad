import { chain, type Direction } from 'netlink-tc';
import type { CaptureMode } from '../programs/index.ts';
import { appFacts, type EngineContext } from './context.ts';
import { FOUND } from './converge.ts';
import { hookStatus, type HookStatus } from './hook-status.ts';
import { addressesOf, OWNER, type PodPhase, type PodRecord } from './pod-record.ts';
import { describeShadow, shadowsOf } from './shadow.ts';

/** A pod as it is wanted, and as it is found in the kernel. */
export interface PodStatus {
  readonly id: string;
  readonly slot: number;
  /**
   * How far it is, or `degraded`: something is not as it should be, or `missing`: its interface is gone. {@link PodStatus.problems} says
   * what.
   */
  readonly status: PodPhase | 'degraded' | 'missing';
  /** What is not as it is wanted, one phrase each. */
  readonly problems: readonly string[];
  /** Who can keep packets from its programs, in words: what others may have reasons for. */
  readonly warnings: readonly string[];
  readonly mode: CaptureMode;
  readonly addresses: readonly string[];
  readonly hostInterface: { readonly index: number; readonly name: string };
  readonly hooks: readonly HookStatus[];
}

/** What became of a program that should be on a hook, in words. */
export const HOOK_PROBLEM: Readonly<Record<Exclude<HookStatus['status'], 'ours'>, string>> = {
  ...FOUND,
  missing: 'is not attached',
};

/** What a hook that has another program than it should have is called. */
export const OTHER_PROGRAM = 'is not of this version or of these settings';

/** How long after its deadline a pod that drains is still being cut off. */
const LATE_MS = 10_000;

/** What a phase that nobody goes on with looks like: beside an engine at work it lasts a moment. */
const UNFINISHED: Readonly<Partial<Record<PodPhase, string>>> = {
  enrolling: 'is not redirected wholly yet: reconcile goes on with its enrolment',
  leaving: 'is not taken away wholly yet: reconcile goes on with it',
};

/**
 * Looks at a pod.
 * @param links names of the host's interfaces by their indices
 */
export async function podStatus(
  context: EngineContext,
  pod: PodRecord,
  links: ReadonlyMap<number, string>,
): Promise<PodStatus> {
  const { index, name } = pod.hostInterface;
  const isThere = links.get(index) === name;
  const hooks = [
    await hookStatus(context, 'ingress', pod.hooks.ingress),
    await hookStatus(context, 'egress', pod.hooks.egress),
  ];
  const late = pod.phase === 'draining' && Date.now() > (pod.drainUntil ?? 0) + LATE_MS;
  const unfinished = late ? 'should have left by now: reconcile cuts it off' : UNFINISHED[pod.phase];
  const shadows = isThere ? await shadowsOf(context, pod) : [];
  const hidden = new Set(shadows.map(({ direction }) => direction));
  const problems = isThere
    ? [
        ...hookProblems(context, pod, hooks),
        ...(await unreached(
          context,
          pod,
          hooks.filter(({ direction }) => hidden.has(direction)),
        )),
        ...(unfinished === undefined ? [] : [unfinished]),
      ]
    : [`its interface ${name} is gone: reconcile unenrolls it`];
  const isDegraded = problems.some((problem) => problem !== unfinished) || late;
  return {
    id: pod.id,
    slot: pod.slot,
    status: !isThere ? 'missing' : isDegraded ? 'degraded' : pod.phase,
    problems,
    warnings: shadows.map(describeShadow),
    mode: pod.mode,
    addresses: addressesOf(pod),
    hostInterface: { index, name },
    hooks,
  };
}

function hookProblems(context: EngineContext, pod: PodRecord, hooks: readonly HookStatus[]): string[] {
  const facts = appFacts(context, pod);
  const wanted: Readonly<Record<Direction, number | undefined>> = {
    ingress: context.programs.find('app_outbound', facts)?.id,
    egress: context.programs.find('app_inbound', facts)?.id,
  };
  // On its way in or out it has them one after the other: that is told as a whole.
  if (pod.phase === 'enrolling' || pod.phase === 'leaving') return [];
  return hooks.flatMap(({ direction, status, program }) => {
    const owner = OWNER[direction];
    if (status !== 'ours') return [`${owner} ${HOOK_PROBLEM[status]}`];
    return program?.id === wanted[direction] ? [] : [`${owner} ${OTHER_PROGRAM}`];
  });
}

/** Programs of ours that stand where no packet gets to. */
async function unreached(
  { sys, host, reader }: EngineContext,
  { hostInterface }: PodRecord,
  hooks: readonly HookStatus[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const { direction, program, status } of hooks) {
    if (status !== 'ours') continue;
    const place = { device: hostInterface.index, direction, netns: host.netns, reader };
    const { entries } = await chain(sys, host.socket, place);
    const ours = entries.find((entry) => entry.program?.id === program?.id);
    if (ours?.reached === 'never')
      problems.push(`${OWNER[direction]} is reached by no packet: others end the hook before it`);
  }
  return problems;
}
