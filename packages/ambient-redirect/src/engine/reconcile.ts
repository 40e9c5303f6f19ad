import { getNetnsId } from 'netlink-tc';
import { AmbientRedirectError, isAmbientRedirectError } from '../error.ts';
import { POD_FLAG } from '../maps.ts';
import { normalisePolicy } from '../policy.ts';
import type { CaptureMode } from '../programs/index.ts';
import { resolvePod, type Host, type Topology } from '../topology/index.ts';
import { advance, settlePreserved } from './advance.ts';
import { appFacts, hostInFacts, nodeFacts, PLACES_RECORD, proxiesOf, savePod, type EngineContext } from './context.ts';
import { settleHandOver } from './hand-over.ts';
import { beginDrain, settleDrains } from './drain.ts';
import { convergeHostIn, convergePod, type Repair } from './converge.ts';
import { openPodNetns } from './pod-netns.ts';
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
      present.push(now.pod);
      if (now.pod !== pod) {
        repaired.push({
          subject: pod.id,
          found: `had ${addressesOf(pod).join(', ')}, has ${addressesOf(now.pod).join(', ')}`,
        });
        context.podMaps.forget(pod, now.pod, context.node.podCidrs);
        savePod(context, now.pod);
      }
      if (now.refused !== undefined) throw now.refused;
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
  // Who was killed before pods went to the new proxy alone, or before the settings of the old one were put back.
  await attempt('proxy', async () => {
    await settleHandOver(context);
    await context.proxySide.settle();
  });
  places.forget();
  await attempt('qdiscs', () => context.hooks.forgetGone());
  context.directory.records.sweep();
  context.programs.collect(usefulPrograms(context));
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

/** A pod as it is by now. */
interface Look {
  readonly pod: PodRecord;
  /** What was not taken over. */
  readonly refused?: AmbientRedirectError | undefined;
}

/**
 * Looks at a pod's interface again. Its name and its index together say that it is the one that was enrolled, as long as it has the MAC addresses
 * that it had: the kernel gives an index again, but container runtimes give each pod a name of its own. With others it has to lead to the same
 * namespace.
 *
 * It has the addresses that its interface has by now, unless the caller gave them. An address of another pod stays that pod's: whoever may
 * change a pod's interface could else take another's traffic.
 * @returns undefined when it is gone
 */
export async function lookAgain(
  { host, pods }: Pick<EngineContext, 'host' | 'pods'>,
  pod: PodRecord,
): Promise<Look | undefined> {
  let topology: Topology;
  try {
    topology = await resolvePod(host, { hostInterface: pod.hostInterface.index });
  } catch (error) {
    const gone = ['ERR_INTERFACE_NOT_FOUND', 'ERR_NETNS_GONE', 'ERR_NOT_A_VETH', 'ERR_PEER_ELSEWHERE'] as const;
    if (gone.some((code) => isAmbientRedirectError(error, code))) return undefined;
    throw error;
  }
  const { hostInterface, podInterface } = topology;
  if (hostInterface.name !== pod.hostInterface.name || !(await leadsToSame(host, pod, topology))) return undefined;
  const others = new Map<string, string>();
  for (const other of pods.values())
    if (other.id !== pod.id) for (const one of addressesOf(other)) others.set(one, other.id);
  const taken = addressesOf(topology).filter((address) => others.has(address));
  const own = (addresses: readonly string[]): readonly string[] => addresses.filter((address) => !others.has(address));
  const { ipv4, ipv6 } = topology.addresses;
  const addresses = pod.addressesGiven ? pod.addresses : { ipv4: own(ipv4), ipv6: own(ipv6) };
  const now = { ...pod, hostInterface, podInterface, addresses };
  return {
    pod: JSON.stringify(now) === JSON.stringify(pod) ? pod : now,
    refused: pod.addressesGiven || taken.length === 0 ? undefined : ofOthers(pod, taken, others),
  };
}

/** Whether an interface leads to the namespace of a pod: it is asked only where the pair may be another one. */
async function leadsToSame(
  { sys, socket }: Host,
  pod: PodRecord,
  { hostInterface, podInterface, netns: { id } }: Topology,
): Promise<boolean> {
  const hasHost = hostInterface.mac === pod.hostInterface.mac;
  const hasPod = podInterface.mac === pod.podInterface.mac;
  if (hasHost && hasPod) return true;
  using netns = openPodNetns(sys, pod.netns, pod.netnsPath);
  // Nobody knows its namespace: one end may have been given another address, both ends are another pair.
  if (netns === undefined) return hasHost || hasPod;
  return (await socket.request(getNetnsId({ fd: netns.fd }))) === id;
}

function ofOthers(pod: PodRecord, taken: readonly string[], others: ReadonlyMap<string, string>): AmbientRedirectError {
  const whose = taken.map((address) => `${address} of ${others.get(address)}`).join(', ');
  return new AmbientRedirectError('ERR_ADDRESS_OF_ANOTHER_POD', `${pod.podInterface.name} of ${pod.id} has ${whose}`, {
    interface: pod.podInterface.name,
    candidates: taken,
    hint: 'unenroll the other pod first, if it has ended; else the address was set by mistake, or is forged',
  });
}

const MODES: readonly CaptureMode[] = ['observe', 'preserve', 'full', 'drain'];

/**
 * Ids of the programs that our hooks run, and of those that they will run again: at the next pod that comes or goes, and when nobody listens any
 * more. To compile them takes the process some tenths of a second.
 */
function usefulPrograms(context: EngineContext): ReadonlySet<number> {
  const { programs, pods, proxySide, settings } = context;
  const silent = { ...context, telling: undefined };
  const policies = [normalisePolicy({}, settings), ...[...pods.values()].map(({ policy }) => policy)];
  const facts = [
    ...policies.flatMap((policy) => MODES.map((mode) => appFacts(silent, { policy, mode }))),
    ...(context.telling === undefined ? [] : [...pods.values()].map((pod) => appFacts(context, pod))),
  ];
  const found = [
    ...facts.flatMap((of) => [programs.find('app_outbound', of), programs.find('app_inbound', of)]),
    ...proxiesOf(proxySide).flatMap((proxy) =>
      [silent, context].flatMap((of) =>
        [true, false].map((preserving) => programs.find('ztunnel_host_in', { ...hostInFacts(of, proxy), preserving })),
      ),
    ),
  ];
  return new Set([...found.flatMap((program) => program?.id ?? []), ...proxySide.programIds]);
}
