import { possibleCpus } from 'netlink-tc';
import { counters as counterMap, MAX_PODS } from '../maps.ts';
import { podPlace, type NodeFacts, type PodPlace } from '../programs/index.ts';
import type { OpenMaps } from './directory.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';

/** Counters of a pod. */
const SPAN = counterMap.definition.maxEntries / MAX_PODS;
const ZERO = { packets: 0n, bytes: 0n };
const NO_POD = { ifindex: 0, slot: 0, flags: 0 };

type Entry = readonly [place: PodPlace, pod: typeof NO_POD];

/** The pods as programs see them. */
export class PodMaps {
  readonly #maps: OpenMaps;

  constructor(maps: OpenMaps) {
    this.#maps = maps;
  }

  /**
   * Writes pods, all with the same flags, in as few calls as the kernel allows.
   * @param flags bits of `POD_FLAG`
   */
  set(pods: readonly PodRecord[], podCidrs: NodeFacts['podCidrs'], flags: number): void {
    const entries = pods.flatMap((pod) =>
      addressesOf(pod).map((address): Entry => {
        const { slot, hostInterface } = pod;
        return [podPlace(podCidrs, address), { ifindex: hostInterface.index, slot, flags }];
      }),
    );
    this.#write(entries);
    this.#maps.interfaces.updateMany(pods.map(({ hostInterface, slot }) => [hostInterface.index, slot]));
  }

  /** Takes pods out. */
  remove(pods: readonly PodRecord[], podCidrs: NodeFacts['podCidrs']): void {
    const places = pods.flatMap((pod) => addressesOf(pod).map((address) => podPlace(podCidrs, address)));
    this.#clear(places);
    this.#maps.interfaces.deleteMany(pods.map(({ hostInterface }) => hostInterface.index));
  }

  /** Takes out the entries of addresses that a pod had and has no more. */
  forget(before: PodRecord, now: PodRecord, podCidrs: NodeFacts['podCidrs']): void {
    const kept = new Set(addressesOf(now));
    this.#clear(
      addressesOf(before)
        .filter((address) => !kept.has(address))
        .map((address) => podPlace(podCidrs, address)),
    );
  }

  /** Takes out the entries that programs do not look at any more, since the node's prefixes are others. */
  move(pods: readonly PodRecord[], before: NodeFacts['podCidrs'], now: NodeFacts['podCidrs']): void {
    const places = (podCidrs: NodeFacts['podCidrs']): PodPlace[] =>
      pods.flatMap((pod) => addressesOf(pod).map((address) => podPlace(podCidrs, address)));
    const kept = new Set(places(now).map((place) => JSON.stringify(place)));
    this.#clear(places(before).filter((place) => !kept.has(JSON.stringify(place))));
  }

  /** Puts a slot's counters to zero, for the pod that gets it. */
  resetCounters(slot: number): void {
    const zero = Array.from({ length: possibleCpus() }, () => ZERO);
    this.#maps.counters.updateMany(Array.from({ length: SPAN }, (_, at) => [slot * SPAN + at, zero] as const));
  }

  #clear(places: readonly PodPlace[]): void {
    this.#write(places.flatMap((place) => ('array' in place ? [[place, NO_POD] as const] : [])));
    this.#maps.pod_hash.deleteMany(places.flatMap((place) => ('hash' in place ? [{ address: place.hash }] : [])));
  }

  #write(entries: readonly Entry[]): void {
    this.#maps.pod_array.updateMany(
      entries.flatMap(([place, pod]) => ('array' in place ? [[place.array, pod] as const] : [])),
    );
    this.#maps.pod_hash.updateMany(
      entries.flatMap(([place, pod]) => ('hash' in place ? [[{ address: place.hash }, pod] as const] : [])),
    );
  }
}
