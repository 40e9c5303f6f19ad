import type { Direction } from 'netlink-tc';
import { appFacts, HOST_IN_RECORD, hostInFacts, savePod, type EngineContext, type HostInRecord } from './context.ts';
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

/** Sees to it that the proxy's host-side interface has its program, where there is a proxy; takes it away where there is none. */
export async function convergeHostIn(context: EngineContext): Promise<readonly Repair[]> {
  const { directory, programs, hooks, proxySide } = context;
  const device = proxySide.state?.hostInterface.index;
  let record = directory.records.get<HostInRecord>(HOST_IN_RECORD)?.hook;
  if (record !== undefined && record.device !== device) {
    await hooks.detach(record);
    directory.records.delete(HOST_IN_RECORD);
    record = undefined;
  }
  if (device === undefined) return [];
  const place = { device, direction: 'ingress', owner: 'ztunnel_host_in', pinName: 'host-in' } as const;
  const { hook, found } = await convergeHook(context, record, place, programs.hostIn(hostInFacts(context)));
  if (hook !== record) directory.records.put(HOST_IN_RECORD, { hook });
  return found === undefined ? [] : [{ subject: 'proxy', found: `ztunnel_host_in ${found}` }];
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
