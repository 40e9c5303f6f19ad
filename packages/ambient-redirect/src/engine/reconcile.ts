import { isAmbientRedirectError } from '../error.ts';
import { POD_FLAG } from '../maps.ts';
import { resolvePod } from '../topology/index.ts';
import { advance, settlePreserved } from './advance.ts';
import { appFacts, hostInFacts, nodeFacts, PLACES_RECORD, savePod, type EngineContext } from './context.ts';
import { beginDrain, settleDrains } from './drain.ts';
import { convergeHostIn, convergePod, type Repair } from './converge.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';
import { removePod } from './unenroll.ts';

/** What `RedirectEngine.reconcile` found and did. */
export interface ReconcileReport {
  /** What was not as it should be, and is again. */
  readonly repaired: readonly Repair[];
  /** Pods that are gone, and were unenrolled. */
  readonly removed: readonly string[];
  /** What could not be mended. */
  readonly failed: readonly { readonly subject: string; readonly error: unknown }[];
}

const WHOLE = POD_FLAG.deliver | POD_FLAG.classify | POD_FLAG.guard;

/**
 * Compares what is wanted with the kernel and mends what differs; finishes what a crash cut short. Doing it twice is doing it once.
 *
 * Pods whose interface is gone are unenrolled: there is nothing left of them to redirect.
 */
export async function reconcile(context: EngineContext): Promise<ReconcileReport> {
  const repaired: Repair[] = [];
  const removed: string[] = [];
  const failed: { subject: string; error: unknown }[] = [];
  const attempt = async (subject: string, work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      failed.push({ subject, error });
    }
  };
  context.node = await nodeFacts(context.host, context.settings);
  await attempt('proxy', async () => {
    for (const { what, found = 'missing', wanted } of await context.proxySide.reconcile(context.node)) {
      repaired.push({ subject: 'proxy', found: `${what} was ${found}, not ${wanted}` });
    }
  });
  const places = movedPlaces(context);
  const present: PodRecord[] = [];
  for (const pod of context.pods.values()) {
    await attempt(pod.id, async () => {
      const now = pod.phase === 'leaving' ? undefined : await lookAgain(context, pod);
      if (now === undefined) {
        await removePod(context, pod);
        removed.push(pod.id);
        return;
      }
      if (now !== pod) {
        repaired.push({
          subject: pod.id,
          found: `had ${addressesOf(pod).join(', ')}, has ${addressesOf(now).join(', ')}`,
        });
        context.podMaps.forget(pod, now, context.node.podCidrs);
        savePod(context, now);
      }
      present.push(now);
    });
  }
  const enrolled = present.filter(({ phase }) => phase === 'enrolled');
  context.podMaps.set(enrolled, context.node.podCidrs, WHOLE);
  await attempt('proxy', async () => void repaired.push(...(await convergeHostIn(context))));
  for (const pod of enrolled) {
    await attempt(pod.id, async () => void repaired.push(...(await convergePod(context, pod)).repairs));
  }
  const { stuck, repairs } = await advance(
    context,
    present.filter(({ phase }) => phase === 'enrolling'),
  );
  repaired.push(...repairs);
  for (const { pod, error } of stuck) failed.push({ subject: pod.id, error });
  await attempt('preserved connections', async () => void (await settlePreserved(context)));
  await attempt('draining pods', async () => {
    for (const pod of present.filter(({ phase }) => phase === 'draining')) {
      await beginDrain(context, pod, pod.drainUntil ?? 0);
    }
    await settleDrains(context);
  });
  places.forget();
  context.directory.records.sweep();
  context.programs.collect(wantedPrograms(context));
  return { repaired, removed, failed };
}

/** Pods whose entries were placed by other prefixes than the node's of now: what to take away once programs look elsewhere. */
function movedPlaces(context: EngineContext): { forget(): void } {
  const { records } = context.directory;
  const { podCidrs } = context.node;
  const before = records.get<typeof podCidrs>(PLACES_RECORD) ?? podCidrs;
  const moved = JSON.stringify(before) !== JSON.stringify(podCidrs);
  const pods = [...context.pods.values()];
  return {
    forget: () => {
      if (moved) context.podMaps.move(pods, before, podCidrs);
      records.put(PLACES_RECORD, podCidrs);
    },
  };
}

/**
 * Looks at a pod's interface again. Its name and its index together say that it is the one that was enrolled: the kernel gives an index
 * again, but container runtimes give each pod a name of its own.
 * @returns the pod with the addresses that it has by now; undefined when it is gone
 */
async function lookAgain({ host }: EngineContext, pod: PodRecord): Promise<PodRecord | undefined> {
  try {
    const topology = await resolvePod(host, { hostInterface: pod.hostInterface.index });
    const { hostInterface, podInterface, addresses } = topology;
    if (hostInterface.name !== pod.hostInterface.name) return undefined;
    const isSame = JSON.stringify({ hostInterface, podInterface, addresses });
    const { hostInterface: host0, podInterface: pod0, addresses: addresses0 } = pod;
    if (isSame === JSON.stringify({ hostInterface: host0, podInterface: pod0, addresses: addresses0 })) return pod;
    return { ...pod, hostInterface, podInterface, addresses };
  } catch (error) {
    const gone = ['ERR_INTERFACE_NOT_FOUND', 'ERR_NETNS_GONE', 'ERR_NOT_A_VETH', 'ERR_PEER_ELSEWHERE'] as const;
    if (gone.some((code) => isAmbientRedirectError(error, code))) return undefined;
    throw error;
  }
}

/** Ids of the programs that our hooks run now. */
function wantedPrograms(context: EngineContext): ReadonlySet<number> {
  const { programs, pods, proxySide } = context;
  const ids = [...pods.values()].flatMap((pod) => {
    const facts = appFacts(context, pod);
    return [programs.outbound(facts).id, programs.inbound(facts).id];
  });
  if (proxySide.state !== undefined) ids.push(programs.hostIn(hostInFacts(context)).id, ...proxySide.programIds);
  return new Set(ids);
}
