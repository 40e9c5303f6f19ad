import { POD_FLAG } from '../maps.ts';
import { savePod, type EngineContext } from './context.ts';
import { convergeHostIn, convergePod, type Repair } from './converge.ts';
import { flowsOf, mapped, nameOf, openConnections } from './direct-flows.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';
import { openPodNetns } from './pod-netns.ts';

const KNOWN = POD_FLAG.deliver | POD_FLAG.classify;

/** A pod that could not be brought further. */
export interface Stuck {
  readonly pod: PodRecord;
  readonly error: unknown;
}

/**
 * Brings pods that are being enrolled to their end, from wherever they are: each step is recorded before the next, and doing it again is
 * doing it once. Of those whose connections are preserved:
 *
 * 1. `observe`: programs are on, capture nothing, and note each new connection;
 * 2. what is open is noted too: only now, or a connection that begins in between would be lost;
 * 3. `drain`: what is not noted is captured; nothing is that began before, but the answers to what the proxy delivers from now on;
 * 4. what the proxy sends is delivered, and what it gets counts as theirs;
 * 5. `preserve`: new connections are captured;
 * 6. they are guarded.
 *
 * At each step, programs of the one before may be at one hook of a pod and those of the next at the other, for a moment: a connection that
 * begins then is noted by the one and looked up by the other. And both directions of it take the same way through the node, or connection
 * tracking sees one without the other: this is what 3 is for, before 4.
 *
 * The others begin with 4, in `full`.
 */
export async function advance(
  context: EngineContext,
  pods: readonly PodRecord[],
): Promise<{
  readonly on: readonly PodRecord[];
  readonly stuck: readonly Stuck[];
  readonly repairs: readonly Repair[];
}> {
  const { podMaps, node } = context;
  const stuck: Stuck[] = [];
  const repairs: Repair[] = [];
  const each = async (
    some: readonly PodRecord[],
    work: (pod: PodRecord) => Promise<PodRecord>,
  ): Promise<PodRecord[]> => {
    const done: PodRecord[] = [];
    for (const pod of some) {
      try {
        done.push(await work(pod));
      } catch (error) {
        stuck.push({ pod: context.pods.get(pod.id) ?? pod, error });
      }
    }
    return done;
  };
  const converge = async (pod: PodRecord): Promise<PodRecord> => {
    const { pod: now, repairs: found } = await convergePod(context, pod);
    repairs.push(...found);
    return now;
  };
  const observing = pods.filter(({ mode }) => mode === 'observe');
  podMaps.set(observing, node.podCidrs, 0);
  await convergeHostIn(context);
  const watched = await each(observing, converge);
  const noted = await each(watched, (pod) => noteOpen(context, pod));
  const letting = [
    ...noted.map((pod) => savePod(context, { ...pod, mode: 'drain' })),
    ...pods.filter(({ mode }) => mode === 'drain'),
  ];
  const drained = await each(letting, converge);
  const others = pods.filter(({ mode }) => mode !== 'observe' && mode !== 'drain');
  podMaps.set([...drained, ...others], node.podCidrs, KNOWN);
  const capturing = drained.map((pod) => savePod(context, { ...pod, mode: 'preserve' }));
  const on = await each([...capturing, ...others], converge);
  podMaps.set(on, node.podCidrs, KNOWN | POD_FLAG.guard);
  return { on: on.map((pod) => savePod(context, { ...pod, phase: 'enrolled' })), stuck, repairs };
}

/** Notes the connections that a pod has open. Where its namespace cannot be entered, none is known, and they end at their next packet. */
async function noteOpen(context: EngineContext, pod: PodRecord): Promise<PodRecord> {
  using netns = openPodNetns(context.sys, pod.netns, pod.netnsPath);
  if (netns === undefined) return pod;
  const sockets = await openConnections(context.sys, netns);
  for (const open of [true, false]) {
    const some = sockets.filter(({ state }) => (state !== 'syn_sent' && state !== 'syn_recv') === open);
    context.directFlows.note(flowsOf(pod, some), { open });
  }
  return pod;
}

/**
 * Takes out what has ended of the connections that run past the proxy, of pods that drain as well: else there would be no room for new ones some time. And
 * lets pods that have none left, and get no more, be redirected without looking for them.
 * @returns pods that still have some
 */
export async function settlePreserved(context: EngineContext): Promise<readonly string[]> {
  const pods = [...context.pods.values()];
  const preserving = pods.filter(({ mode }) => mode === 'preserve');
  const draining = pods.filter(({ mode }) => mode === 'drain');
  const open = new Map<string, ReadonlySet<string>>();
  for (const pod of [...preserving, ...draining]) {
    using netns = openPodNetns(context.sys, pod.netns, pod.netnsPath);
    if (netns === undefined) continue;
    const flows = flowsOf(pod, await openConnections(context.sys, netns));
    for (const address of addressesOf(pod)) {
      open.set(mapped(address), new Set(flows.filter((flow) => flow.pod === mapped(address)).map(nameOf)));
    }
  }
  const left = context.directFlows.sweep(open, { growing: new Set(draining.flatMap(addressesOf).map(mapped)) });
  const waiting: string[] = [];
  for (const pod of preserving) {
    const counts = addressesOf(pod).map((address) => left.get(mapped(address)));
    if (counts.some((count) => count !== 0)) waiting.push(pod.id);
    else await convergePod(context, savePod(context, { ...pod, mode: 'full' }));
  }
  if (waiting.length < preserving.length) await convergeHostIn(context);
  return waiting;
}
