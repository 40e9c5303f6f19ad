import { AmbientRedirectError } from '../error.ts';
import { MAX_PODS } from '../maps.ts';
import { normalisePolicy, type PodPolicy } from '../policy.ts';
import type { CaptureMode } from '../programs/index.ts';
import type { PodReference, Topology } from '../topology/index.ts';
import { pathOfNetns } from './pod-netns.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';

/** A pod to be enrolled. */
export interface PodRequest extends PodReference {
  /** Its name with the engine: any text of up to 253 characters that no other pod has, such as `namespace/name`. */
  readonly id: string;
  /** What of its traffic is captured: all TCP if left out. */
  readonly policy?: PodPolicy;
}

/** What is to become of a request. */
export interface Plan {
  /** The pod as it is to be. */
  readonly pod: PodRecord;
  /** The pod as it was, if it is known. */
  readonly before: PodRecord | undefined;
}

/** Who has which name, interface, address and slot. */
export class Roster {
  readonly #dns: boolean;
  /** The mode that a new pod begins in. */
  readonly #first: CaptureMode;
  readonly #pods = new Map<string, PodRecord>();
  readonly #byDevice = new Map<number, string>();
  readonly #byAddress = new Map<string, string>();
  readonly #slots = new Set<number>();

  /**
   * @param pods those that are known
   * @param options `dns`: whether it is captured where a policy does not say; `first`: the mode that a new pod begins in
   */
  constructor(
    pods: ReadonlyMap<string, PodRecord>,
    { dns, first }: { readonly dns: boolean; readonly first: CaptureMode },
  ) {
    this.#first = first;
    this.#dns = dns;
    for (const pod of pods.values()) this.#take(pod);
  }

  #take(pod: PodRecord): void {
    this.#pods.set(pod.id, pod);
    this.#byDevice.set(pod.hostInterface.index, pod.id);
    for (const address of addressesOf(pod)) this.#byAddress.set(address, pod.id);
    this.#slots.add(pod.slot);
  }

  /**
   * Finds a place for a pod, or the one that it has. One that drains is enrolled anew where it stands.
   * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT`, `ERR_ADDRESS_NOT_ON_INTERFACE`, `ERR_ADDRESS_OF_ANOTHER_POD`, `ERR_POD_EXISTS`,
   * `ERR_TOO_MANY_PODS`
   */
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
      if (before.phase !== 'draining') return { before, pod: { ...before, policy: kept } };
      const { drainUntil: _over, ...rest } = before;
      return { before, pod: { ...rest, policy: kept, phase: 'enrolling' } };
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
      addressesGiven: request.addresses !== undefined,
      netns: netns.inode === undefined ? undefined : String(netns.inode),
      netnsPath: pathOfNetns(request.netns),
      policy,
      hooks: {},
    };
    this.#take(pod);
    return { before, pod };
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
