import type { Direction } from 'netlink-tc';
import {
  appFacts,
  HOST_IN_RECORDS,
  hostInFacts,
  hostInHook,
  hostInRecord,
  proxiesOf,
  savePod,
  type EngineContext,
  type HostInRecord,
} from './context.ts';
import type { HookRecord, HookState } from './hook.ts';
import { OWNER, type PodRecord } from './pod-record.ts';
import type { StoredProgram } from './program-store.ts';

/** What was not as it should be, and was mended. */
export interface Repair {
  /** What it is about: a pod's id, or `proxy`. */
  readonly subject: string;
  /** What was found, in words. */
  readonly found: string;
}

/** What leaves the pod comes in at the host's end. Capturing begins there: what it opens meets the proxy before what others open to it. */
const ORDER: readonly Direction[] = ['ingress', 'egress'];

/** What became of a program of ours, in words. */
export const FOUND: Readonly<Record<Exclude<HookState['status'], 'ours'>, string>> = {
  gone: 'was detached by someone else',
  foreign: 'was replaced by someone else',
  'device-gone': 'was on an interface that is gone',
};

/**
 * Sees to it that a pod's programs are those that it should have: attaches, replaces in place, or leaves alone.
 * @returns the pod with its hooks as they are now, and what was found amiss
 */
export async function convergePod(
  context: EngineContext,
  pod: PodRecord,
): Promise<{ readonly pod: PodRecord; readonly repairs: readonly Repair[] }> {
  const { programs } = context;
  const facts = appFacts(context, pod);
  const wanted = { ingress: programs.outbound(facts), egress: programs.inbound(facts) };
  const repairs: Repair[] = [];
  let now = pod;
  for (const direction of ORDER) {
    const place = {
      device: pod.hostInterface.index,
      direction,
      owner: OWNER[direction],
      pinName: `pod-${pod.slot}-${direction}`,
    };
    const { hook, found } = await convergeHook(context, now.hooks[direction], place, wanted[direction]);
    if (found !== undefined) repairs.push({ subject: pod.id, found: `${OWNER[direction]} ${found}` });
    if (hook === now.hooks[direction]) continue;
    now = savePod(context, { ...now, hooks: { ...now.hooks, [direction]: hook } });
  }
  return { pod: now, repairs };
}

/** Sees to it that the host's end of each proxy's interface has its program, and no other has. */
export async function convergeHostIn(context: EngineContext): Promise<readonly Repair[]> {
  const { directory, programs, hooks, proxySide } = context;
  const { records } = directory;
  const proxies = proxiesOf(proxySide);
  for (const name of records.names(HOST_IN_RECORDS)) {
    if (proxies.some(({ hostInterface }) => name === hostInRecord(hostInterface.index))) continue;
    const record = records.get<HostInRecord>(name);
    if (record !== undefined) await hooks.detach(record.hook);
    records.delete(name);
  }
  const repairs: Repair[] = [];
  for (const proxy of proxies) {
    const { index: device } = proxy.hostInterface;
    const record = hostInHook(records, device);
    const place = { device, direction: 'ingress', owner: 'ztunnel_host_in', pinName: `host-in-${device}` } as const;
    const program = programs.hostIn(hostInFacts(context, proxy));
    const { hook, found } = await convergeHook(context, record, place, program);
    if (hook !== record) records.put(hostInRecord(device), { hook });
    if (found !== undefined) repairs.push({ subject: 'proxy', found: `ztunnel_host_in ${found}` });
  }
  return repairs;
}

/** Puts the programs of all pods, and of the proxies' interfaces, in line with what is known now. */
export async function convergeAll(context: EngineContext): Promise<void> {
  await convergeHostIn(context);
  for (const pod of context.pods.values()) if (pod.phase !== 'leaving') await convergePod(context, pod);
}

/** Where a hook of ours is to be. */
interface Place {
  readonly device: number;
  readonly direction: Direction;
  readonly owner: string;
  readonly pinName: string;
}

async function convergeHook(
  { hooks }: EngineContext,
  record: HookRecord | undefined,
  place: Place,
  program: StoredProgram,
): Promise<{ readonly hook: HookRecord; readonly found?: string | undefined }> {
  if (record === undefined) return { hook: await hooks.attach(place, program) };
  const { status, programId } = await hooks.state(record);
  if (status === 'ours') {
    return { hook: programId === program.id ? record : await hooks.replace(record, program) };
  }
  const found = FOUND[status];
  if (status === 'device-gone') return { hook: record, found };
  await hooks.detach(record);
  return { hook: await hooks.attach(place, program), found };
}
