import type { ProgramReader, Sys } from 'netlink-tc';
import type { AppFacts, HostInFacts, NodeFacts, ProxyEnd, ProxyFacts } from '../programs/index.ts';
import { hostAddresses, type Host } from '../topology/index.ts';
import type { StateDirectory } from './directory.ts';
import type { DirectFlows } from './direct-flows.ts';
import type { HookRecord, Hooks } from './hook.ts';
import type { EngineSettings } from './options.ts';
import type { PodMaps } from './pod-maps.ts';
import { POD_RECORDS, podRecordName, type PodRecord } from './pod-record.ts';
import type { ProgramStore } from './program-store.ts';
import type { ProxySide, ProxyState } from './proxy-side.ts';
import type { ReconcileReport } from './reconcile.ts';
import type { RecordStore } from './records.ts';
import { tellDelivered, tellFacts, type Telling } from './telling.ts';

/** Name of the record that says what the pods' entries were placed by. */
export const PLACES_RECORD = 'places';
/** What the names of the records of programs at a proxy's host-side interface begin with; the interface's index follows. */
export const HOST_IN_RECORDS = 'host-in/';

/** Where `ztunnel_host_in` is, and for which interface it was attached. */
export interface HostInRecord {
  readonly hook: HookRecord;
}

/** Name of the record of the program at a proxy's host-side interface. */
export function hostInRecord(device: number): string {
  return `${HOST_IN_RECORDS}${device}`;
}

/** Where `ztunnel_host_in` of an interface is. */
export function hostInHook(records: RecordStore, device: number): HookRecord | undefined {
  return records.get<HostInRecord>(hostInRecord(device))?.hook;
}

/** What the parts of the engine work with: the kernel's objects, and what is known of them. */
export interface EngineContext {
  readonly sys: Sys;
  readonly settings: EngineSettings;
  readonly host: Host;
  readonly directory: StateDirectory;
  readonly programs: ProgramStore;
  readonly hooks: Hooks;
  readonly podMaps: PodMaps;
  readonly directFlows: DirectFlows;
  readonly proxySide: ProxySide;
  /** Reads programs of others on the hooks, each once. */
  readonly reader: ProgramReader;
  /** Pods by their ids: what is recorded of each. Changed by {@link savePod} and {@link forgetPod}. */
  readonly pods: Map<string, PodRecord>;
  /** Of each pod that drains, the proxy's connections (their cookies) that are waited for. */
  readonly drains: Map<string, ReadonlySet<bigint>>;
  /** What is the same for all pods; the host's addresses are those of the last look. */
  node: NodeFacts;
  /** What is told of packets; undefined where nobody listens. */
  telling: Telling | undefined;
  /** What was found and mended when it was opened; undefined where there was nothing to look at. */
  opening: ReconcileReport | undefined;
}

/** What of it programs are made of. */
export type FactsContext = Pick<EngineContext, 'settings' | 'node' | 'telling'> & {
  readonly pods: ReadonlyMap<string, PodRecord>;
  readonly proxySide: Pick<ProxySide, 'state' | 'leaving'>;
};

/** The pods that the last engine left. */
export function recordedPods(records: RecordStore): Map<string, PodRecord> {
  const pods = records.names(POD_RECORDS).map((name) => records.get<PodRecord>(name));
  return new Map(pods.flatMap((pod) => (pod === undefined ? [] : [[pod.id, pod]])));
}

/** Records a pod as it is now. */
export function savePod(context: EngineContext, pod: PodRecord): PodRecord {
  context.directory.records.put(podRecordName(pod.id), pod);
  context.pods.set(pod.id, pod);
  return pod;
}

/** Forgets a pod, of which nothing is left. */
export function forgetPod(context: EngineContext, { id }: PodRecord): void {
  context.directory.records.delete(podRecordName(id));
  context.pods.delete(id);
  context.drains.delete(id);
}

/** Looks which addresses the host has by now. */
export async function nodeFacts(host: Host, { podCidrs, bypass }: EngineSettings): Promise<NodeFacts> {
  return { podCidrs, bypass, host: await hostAddresses(host) };
}

/** Whether DNS of some pod is captured, so that the proxy is to be given it. */
export function wantsDns({ settings, pods }: Pick<FactsContext, 'settings' | 'pods'>): boolean {
  return settings.dns || [...pods.values()].some(({ policy }) => policy.dns);
}

/** Where captured packets go. */
function proxyFacts({ proxySide, settings }: FactsContext): ProxyFacts {
  const { state } = proxySide;
  const isAway = state === undefined || (state.status === 'away' && settings.withoutProxy === 'pass');
  if (isAway) return { away: settings.withoutProxy };
  const { leaving } = proxySide;
  if (leaving === undefined) return endOf(state);
  const old = endOf({ ...leaving, tags: leaving.steering.tags });
  if (!leaving.moved) return { ...old, other: { ...endOf(state), netnsId: leaving.successorNetnsId } };
  return { ...endOf(state), other: { ...old, netnsId: leaving.netnsId } };
}

function endOf({
  hostInterface,
  ownInterface,
  tags,
}: Pick<ProxyState, 'hostInterface' | 'ownInterface' | 'tags'>): ProxyEnd {
  return { ifindex: hostInterface.index, mac: ownInterface.mac, ...(tags === undefined ? {} : { tags }) };
}

/** The proxy, and the one that leaves: what comes in by their interfaces is from a proxy. */
export function proxiesOf({ state, leaving }: Pick<ProxySide, 'state' | 'leaving'>): readonly SomeProxy[] {
  return [state, leaving].flatMap((proxy) => proxy ?? []);
}

/** A proxy, whether it is the one of now or one that leaves. */
type SomeProxy = Pick<ProxyState, 'hostInterface' | 'addresses'>;

/** What a pod's programs are made of. @param pod without an id, those of one that nobody listens to */
export function appFacts(
  context: FactsContext,
  { policy, mode, id }: Pick<PodRecord, 'policy' | 'mode'> & { readonly id?: string },
): AppFacts {
  const { node, telling } = context;
  return { node, policy, mode, proxy: proxyFacts(context), ...tellFacts(telling, id) };
}

/** What the program at a proxy's host-side interface is made of. */
export function hostInFacts(
  { node, pods, telling }: FactsContext,
  { addresses }: Pick<SomeProxy, 'addresses'>,
): HostInFacts {
  const preserving = [...pods.values()].some(({ mode }) => mode !== 'full');
  return { node, proxy: { addresses }, preserving, ...tellDelivered(telling) };
}
