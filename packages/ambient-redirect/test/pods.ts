/** Pods as programs find them, put where the engine puts them. */
import type { Vm } from 'bpf-asm';
import { AddressKey, Pod, POD_FLAG } from '../src/maps.ts';
import { podPlace, type NodeFacts } from '../src/programs/index.ts';

/** What an entry of a pod holds. */
export interface PodEntry {
  readonly ifindex: number;
  readonly slot: number;
  readonly flags: number;
}

/** All flags: a pod that is not draining. */
export const ENROLLED: number = POD_FLAG.deliver | POD_FLAG.classify | POD_FLAG.guard;

/** Where a map of either kind is written to: by bytes. */
export interface ByteMap {
  set(key: Uint8Array, value: Uint8Array): unknown;
}

/** Puts the entry of a pod for one of its addresses into the maps that a program looks at. */
export function putPod(
  maps: (name: 'pod_array' | 'pod_hash') => ByteMap,
  podCidrs: NodeFacts['podCidrs'],
  address: string,
  entry: PodEntry,
): void {
  const place = podPlace(podCidrs, address);
  if ('hash' in place) maps('pod_hash').set(AddressKey.encode({ address: place.hash }), Pod.encode(entry));
  else maps('pod_array').set(new Uint8Array(Uint32Array.of(place.array).buffer), Pod.encode(entry));
}

/** The maps of an interpreter, for {@link putPod}. */
export const mapsOf =
  (vm: Vm) =>
  (name: string): ByteMap =>
    vm.map(name);
