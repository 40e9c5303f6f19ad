import { inBulk } from './bulk.ts';
import { savePod, type EngineContext } from './context.ts';
import { convergeHostIn, convergePod } from './converge.ts';
import { mapped, openConnections } from './direct-flows.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';
import type { LeavingProxy } from './leaving-proxy.ts';
import { openPodNetns } from './pod-netns.ts';
import { letPass, removePod } from './unenroll.ts';

/**
 * Lets a pod's new connections go past the proxy, while those that go by it run on.
 * @param until when those that are left then are cut off, milliseconds since 1970
 */
export async function beginDrain(context: EngineContext, pod: PodRecord, until: number): Promise<void> {
  const draining = await letPass(context, savePod(context, { ...pod, phase: 'draining', drainUntil: until }));
  // A program that someone took away is put back.
  await convergePod(context, draining);
}

/**
 * Looks how far pods are that drain, and takes away those that have nothing left at the proxy, or no time.
 *
 * What counts are the proxy's connections of when the draining was looked at first: later ones were opened by other pods that are redirected, and
 * live on when this one is not.
 * @returns how many connections are left of each that still drains
 */
export async function settleDrains(context: EngineContext): Promise<ReadonlyMap<string, number>> {
  const left = new Map<string, number>();
  const draining = [...context.pods.values()].filter(({ phase }) => phase === 'draining');
  if (draining.length === 0) return left;
  const cookies = await proxiedBy(context);
  const done: PodRecord[] = [];
  for (const pod of draining) {
    const now = addressesOf(pod).flatMap((address) => cookies.get(mapped(address)) ?? []);
    const waited = context.drains.get(pod.id) ?? new Set(now);
    context.drains.set(pod.id, waited);
    const count = now.filter((cookie) => waited.has(cookie)).length;
    if (count > 0 && Date.now() < (pod.drainUntil ?? 0)) left.set(pod.id, count);
    else done.push(pod);
  }
  await inBulk(context.directory.records, done.length, async () => {
    for (const pod of done) await removePod(context, pod);
  });
  if (left.size < draining.length) await convergeHostIn(context);
  return left;
}

/** The connections that the proxy has, and one that leaves, by the addresses at both their ends. */
async function proxiedBy({ sys, proxySide }: EngineContext): Promise<ReadonlyMap<string, readonly bigint[]>> {
  const byAddress = new Map<string, bigint[]>();
  const { state, leaving } = proxySide;
  if (state === undefined) return byAddress;
  const path = state.pid === undefined ? undefined : `/proc/${state.pid}/ns/net`;
  const namespaces = [
    { inode: state.netnsInode, path },
    ...(leaving ? [{ inode: leaving.identity.netns, path: pathOf(leaving) }] : []),
  ];
  for (const { inode, path: at } of namespaces) {
    using netns = openPodNetns(sys, inode, at);
    if (netns === undefined) continue;
    for (const { local, remote, cookie } of await openConnections(sys, netns)) {
      for (const address of new Set([mapped(local.address), mapped(remote.address)])) {
        const cookies = byAddress.get(address);
        if (cookies === undefined) byAddress.set(address, [cookie]);
        else cookies.push(cookie);
      }
    }
  }
  return byAddress;
}

/** Where the namespace of a proxy that leaves is found first. */
function pathOf({ reference }: LeavingProxy): string | undefined {
  return reference !== undefined && 'path' in reference ? reference.path : undefined;
}
