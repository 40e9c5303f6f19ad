import { invalid, known } from '../policy.ts';
import { resolvePod, type Topology } from '../topology/index.ts';
import { advance } from './advance.ts';
import { savePod, wantsDns, type EngineContext } from './context.ts';
import { convergePod } from './converge.ts';
import { Roster, type Plan, type PodRequest } from './roster.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';
import { describeShadow, refuseShadowed, shadowsOf } from './shadow.ts';
import { removePod } from './unenroll.ts';

/** Options of `RedirectEngine.enroll`. */
export interface EnrollOptions {
  /**
   * What becomes of connections that are open: `preserve`, the default, lets them run past the proxy until they end; with `reset` they end at
   * their next packet.
   */
  readonly established?: 'preserve' | 'reset';
  /**
   * What is done where a program or filter of others stands before ours and can keep packets from it: `warn`, the default, enrolls the pod and
   * says so in {@link Enrolment.warnings}; `fail` refuses it with `ERR_SHADOWED`, and nothing is attached.
   */
  readonly onShadowed?: 'fail' | 'warn';
}

/** An enrolled pod. */
export interface Enrolment {
  readonly id: string;
  readonly hostInterface: string;
  readonly addresses: readonly string[];
  /** How its programs are attached. */
  readonly attached: 'tcx' | 'clsact';
  /** False where it was enrolled before, and nothing was changed. */
  readonly changed: boolean;
  /** Who can keep packets from the pod's programs, in words. */
  readonly warnings: readonly string[];
}

/** A pod that could not be enrolled. */
export interface EnrolmentFailure {
  readonly id: string;
  readonly error: unknown;
}

/** Pods that are looked up at a time. */
const AT_ONCE = 16;

/**
 * Enrolls pods: all are looked up before anything is changed; those that cannot be had do not keep the others back.
 * @returns those that are enrolled, and those that are not
 */
export async function enrollPods(
  context: EngineContext,
  requests: readonly PodRequest[],
  { established = 'preserve', onShadowed = 'warn' }: EnrollOptions = {},
): Promise<{ readonly enrolled: readonly Enrolment[]; readonly failed: readonly EnrolmentFailure[] }> {
  if (established !== 'preserve' && established !== 'reset')
    throw invalid('established', 'is preserve or reset', established);
  if (onShadowed !== 'warn' && onShadowed !== 'fail') throw invalid('onShadowed', 'is warn or fail', onShadowed);
  const failed: EnrolmentFailure[] = [];
  const plans: Plan[] = [];
  const topologies = await resolveAll(context, requests);
  const first = established === 'preserve' ? 'observe' : 'full';
  const roster = new Roster(context.pods, { dns: context.settings.dns, first });
  for (const [index, request] of requests.entries()) {
    try {
      const topology = topologies[index];
      if (topology === undefined || 'error' in topology) throw topology?.error;
      const plan = roster.plan(request, topology);
      if (onShadowed === 'fail') await refuseShadowed(context, plan.pod);
      plans.push(plan);
    } catch (error) {
      failed.push({ id: request.id, error });
    }
  }
  const hadDns = wantsDns(context);
  for (const { pod, before } of plans) if (before === undefined) context.podMaps.resetCounters(pod.slot);
  const coming = plans.filter(({ pod }) => pod.phase === 'enrolling').map(({ pod }) => savePod(context, pod));
  for (const { id } of coming) context.drains.delete(id);
  if (!hadDns && plans.some(({ pod }) => pod.policy.dns)) await context.proxySide.update(context.node, { dns: true });
  const { on, stuck } = await advance(context, coming);
  const enrolled: Enrolment[] = [];
  for (const pod of on) enrolled.push(await enrolment(context, pod, true));
  for (const { pod, error } of stuck) {
    failed.push({ id: pod.id, error });
    await removePod(context, pod);
  }
  for (const { pod, before } of plans) {
    if (before === undefined || pod.phase === 'enrolling') continue;
    try {
      const isChanged = before.policy !== pod.policy;
      const { pod: now } = await convergePod(context, isChanged ? savePod(context, pod) : pod);
      enrolled.push(await enrolment(context, now, isChanged));
    } catch (error) {
      failed.push({ id: pod.id, error });
    }
  }
  const order = new Map(requests.map(({ id }, index) => [id, index]));
  enrolled.sort((a, b) => (order.get(a.id) ?? 0) - (order.get(b.id) ?? 0));
  return { enrolled, failed };
}

async function resolveAll(
  { host }: EngineContext,
  requests: readonly PodRequest[],
): Promise<readonly (Topology | { readonly error: unknown })[]> {
  const results = new Array<Topology | { readonly error: unknown }>(requests.length);
  let next = 0;
  const work = async (): Promise<void> => {
    for (let at = next++; at < requests.length; at = next++) {
      try {
        const request = requests[at] as PodRequest;
        known(request, ['id', 'policy', 'netns', 'hostInterface', 'podInterface', 'addresses'], 'pod');
        results[at] = await resolvePod(host, request);
      } catch (error) {
        results[at] = { error };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, requests.length) }, work));
  return results;
}

async function enrolment(context: EngineContext, pod: PodRecord, changed: boolean): Promise<Enrolment> {
  return {
    id: pod.id,
    hostInterface: pod.hostInterface.name,
    addresses: addressesOf(pod),
    attached: pod.hooks.ingress?.where.mode ?? 'clsact',
    changed,
    warnings: (await shadowsOf(context, pod)).map(describeShadow),
  };
}
