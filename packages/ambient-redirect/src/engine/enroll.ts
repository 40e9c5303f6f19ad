import { AmbientRedirectError } from '../error.ts';
import { MAX_PODS } from '../maps.ts';
import { invalid, known, normalisePolicy, type PodPolicy } from '../policy.ts';
import { resolvePod, type PodReference, type Topology } from '../topology/index.ts';
import type { CaptureMode } from '../programs/index.ts';
import { advance } from './advance.ts';
import { savePod, wantsDns, type EngineContext } from './context.ts';
import { convergePod } from './converge.ts';
import { pathOfNetns } from './pod-netns.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';
import { describeShadow, refuseShadowed, shadowsOf } from './shadow.ts';
import { removePod } from './unenroll.ts';

/** A pod to be enrolled. */
export interface PodRequest extends PodReference {
  /** Its name with the engine: any text of up to 253 characters that no other pod has, such as `namespace/name`. */
  readonly id: string;
  /** What of its traffic is captured: all TCP if left out. */
  readonly policy?: PodPolicy;
}

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

interface Plan {
  readonly request: PodRequest;
  readonly pod: PodRecord;
  readonly before: PodRecord | undefined;
}

/**
 * Enrolls pods: all are looked up before anything is changed; those that cannot be had do not keep the others back.
 * @returns those that are enrolled, and those that are not
 */
export async function enrollPods(
  context: EngineContext,
  requests: readonly PodRequest[],
  { established = 'preserve', onShadowed = 'warn' }: EnrollOptions = {},
): Promise<{ readonly enrolled: readonly Enrolment[]; readonly failed: readonly EnrolmentFailure[] }> {
  if (onShadowed !== 'warn' && onShadowed !== 'fail') throw invalid('onShadowed', 'is warn or fail', onShadowed);
  const failed: EnrolmentFailure[] = [];
  const plans: Plan[] = [];
  const topologies = await resolveAll(context, requests);
  const board = new Board(context, established === 'preserve' ? 'observe' : 'full');
  for (const [index, request] of requests.entries()) {
    try {
      const topology = topologies[index];
      if (topology === undefined || 'error' in topology) throw topology?.error;
      const plan = board.plan(request, topology);
      if (onShadowed === 'fail') await refuseShadowed(context, plan.pod);
      plans.push(plan);
    } catch (error) {
      failed.push({ id: request.id, error });
    }
  }
  const hadDns = wantsDns(context);
  const fresh = plans.filter(({ before }) => before === undefined).map(({ pod }) => savePod(context, pod));
  for (const { slot } of fresh) context.podMaps.resetCounters(slot);
  if (!hadDns && plans.some(({ pod }) => pod.policy.dns)) await context.proxySide.update(context.node, { dns: true });
  const { on, stuck } = await advance(context, fresh);
  const enrolled: Enrolment[] = [];
  for (const pod of on) enrolled.push(await enrolment(context, pod, true));
  for (const { pod, error } of stuck) {
    failed.push({ id: pod.id, error });
    await removePod(context, pod);
  }
  for (const { pod, before } of plans) {
    if (before === undefined) continue;
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

/** Who has which name, interface, address and slot. */
class Board {
  readonly #dns: boolean;
  /** The mode that a new pod begins in. */
  readonly #first: CaptureMode;
  readonly #pods: Map<string, PodRecord>;
  readonly #byDevice = new Map<number, string>();
  readonly #byAddress = new Map<string, string>();
  readonly #slots = new Set<number>();

  constructor({ pods, settings }: EngineContext, first: CaptureMode) {
    this.#first = first;
    this.#dns = settings.dns;
    this.#pods = new Map(pods);
    for (const pod of pods.values()) this.#take(pod);
  }

  #take(pod: PodRecord): void {
    this.#pods.set(pod.id, pod);
    this.#byDevice.set(pod.hostInterface.index, pod.id);
    for (const address of addressesOf(pod)) this.#byAddress.set(address, pod.id);
    this.#slots.add(pod.slot);
  }

  /** Finds a place for a pod, or the one that it has. */
  plan(request: PodRequest, topology: Topology): Plan {
    const { id } = request;
    if (typeof id !== 'string' || id.length < 1 || id.length > 253) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', 'a pod has an id of 1 to 253 characters');
    }
    const policy = normalisePolicy(request.policy ?? {}, { dns: this.#dns });
    const before = this.#pods.get(id);
    const { hostInterface, podInterface, addresses, kind, netns } = topology;
    const all = addressesOf({ addresses });
    if (all.length === 0) {
      throw new AmbientRedirectError('ERR_ADDRESS_NOT_ON_INTERFACE', `${podInterface.name} of ${id} has no address`, {
        interface: podInterface.name,
        hint: 'enroll it once its network has been set up',
      });
    }
    const holder = this.#byDevice.get(hostInterface.index);
    if (holder !== undefined && holder !== id) throw taken(`${hostInterface.name} belongs to pod ${holder}`, holder);
    for (const address of all) {
      const other = this.#byAddress.get(address);
      if (other === undefined || other === id) continue;
      throw new AmbientRedirectError('ERR_ADDRESS_OF_ANOTHER_POD', `${address} of ${id} belongs to ${other}`, {
        address,
        hint: 'unenroll that pod first, if it has ended',
      });
    }
    if (before !== undefined) {
      const isSame =
        before.hostInterface.index === hostInterface.index &&
        before.phase !== 'leaving' &&
        String(addressesOf(before)) === String(all);
      if (!isSame) throw taken(`there is a pod ${id} already, on ${before.hostInterface.name}`, id);
      const kept = JSON.stringify(before.policy) === JSON.stringify(policy) ? before.policy : policy;
      return { request, before, pod: { ...before, policy: kept } };
    }
    const pod: PodRecord = {
      id,
      slot: this.#freeSlot(),
      phase: 'enrolling',
      mode: this.#first,
      kind,
      hostInterface,
      podInterface,
      addresses,
      netns: netns.inode === undefined ? undefined : String(netns.inode),
      netnsPath: pathOfNetns(request.netns),
      policy,
      hooks: {},
    };
    this.#take(pod);
    return { request, before, pod };
  }

  #freeSlot(): number {
    for (let slot = 1; slot < MAX_PODS; slot += 1) if (!this.#slots.has(slot)) return slot;
    throw new AmbientRedirectError('ERR_TOO_MANY_PODS', `${MAX_PODS - 1} pods are enrolled already`, {
      hint: 'unenroll those that have ended: reconcile() does it',
    });
  }
}

function taken(message: string, id: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_POD_EXISTS', message, { hint: `unenroll ${id} first, if it has ended` });
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
