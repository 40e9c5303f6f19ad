import {
  chain,
  isNetlinkTcError,
  listFilters,
  queryHook,
  type BpfFilterOptions,
  type ChainEntry,
  type Direction,
} from 'netlink-tc';
import { constants } from 'node:os';
import { AmbientRedirectError, type ShadowingNeighbour } from '../error.ts';
import type { EngineContext } from './context.ts';
import { OWNER, type PodRecord } from './pod-record.ts';

type Hooked = Pick<PodRecord, 'hostInterface' | 'hooks'>;

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];

/**
 * Who hides our programs at a pod's interface from packets: what stands before them on the hook and can let a packet go on, or send it
 * elsewhere, so that it never meets them. Who only drops does not count: what is dropped goes past no proxy.
 *
 * Of a pod that has no programs yet, the places count that they will have.
 */
export async function shadowsOf(context: EngineContext, pod: Hooked): Promise<readonly ShadowingNeighbour[]> {
  const found: ShadowingNeighbour[] = [];
  try {
    for (const direction of DIRECTIONS) found.push(...(await onHook(context, pod, direction)));
    return found;
  } catch (error) {
    // The link is gone: nobody hides anything.
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return [];
    throw error;
  }
}

/** A neighbour in one sentence. */
export function describeShadow({ layer, direction, what, interface: name }: ShadowingNeighbour): string {
  return `${what} of ${layer} on ${direction} of ${name} can end the hook before ${OWNER[direction]}`;
}

/**
 * Refuses a pod whose programs would be hidden.
 * @throws AmbientRedirectError `ERR_SHADOWED`
 */
export async function refuseShadowed(context: EngineContext, pod: Hooked): Promise<void> {
  const neighbours = await shadowsOf(context, pod);
  if (neighbours.length === 0) return;
  throw new AmbientRedirectError('ERR_SHADOWED', neighbours.map(describeShadow).join('; '), {
    interface: pod.hostInterface.name,
    neighbours,
    hint: 'have it answer "next" (-1) to packets that it does not decide, or put ours before it: options attach, order and priority',
  });
}

async function onHook(
  context: EngineContext,
  { hostInterface: { index: device, name }, hooks: records }: Hooked,
  direction: Direction,
): Promise<readonly ShadowingNeighbour[]> {
  const { sys, host, hooks, settings, reader } = context;
  const record = records[direction];
  const ours = record === undefined ? undefined : (await hooks.state(record)).programId;
  const tcx = tcxPrograms(context, device, direction);
  const mode = record?.where.mode ?? (settings.attach === 'clsact' || tcx === undefined ? 'clsact' : 'tcx');
  const others = [...(tcx ?? []), ...(mode === 'tcx' ? [] : await filterPrograms(context, device, direction))];
  // To read what programs return takes its time, and there is hardly ever another.
  if (others.every((id) => id !== undefined && id === ours)) return [];
  const { entries } = await chain(sys, host.socket, { device, direction, netns: host.netns, reader });
  const at = entries.findIndex(({ layer, program }) => layer === mode && program !== undefined && program.id === ours);
  const before = at >= 0 ? entries.slice(0, at) : entries.slice(0, placeToBe(context, mode, entries));
  return before.filter((entry) => hides(entry, mode)).map((entry) => neighbourOf(entry, name, direction));
}

/** How many entries will be before ours. Beside a program that is not there, or is named by a descriptor, it is at the end. */
export function placeToBe(
  { settings }: Pick<EngineContext, 'settings'>,
  mode: 'tcx' | 'clsact',
  entries: readonly ChainEntry[],
): number {
  const { order, priority } = settings;
  if (mode === 'clsact') {
    return entries.filter(({ layer, filter }) => layer === 'tcx' || (filter?.priority ?? 0) < priority).length;
  }
  const end = entries.filter(({ layer }) => layer === 'tcx').length;
  if (order === 'head') return 0;
  if (order === undefined || order === 'tail') return end;
  const isBefore = 'before' in order;
  const anchor = isBefore ? order.before : order.after;
  const at = entries.findIndex(({ program, linkId }) =>
    'program' in anchor ? program?.id === anchor.program : linkId === anchor.link,
  );
  return at < 0 ? end : isBefore ? at : at + 1;
}

/** Whether an entry that stands before ours can let a packet go on, or send it elsewhere, so that ours does not see it. */
export function hides({ verdicts, layer, reached }: ChainEntry, mode: 'tcx' | 'clsact'): boolean {
  if (reached === 'never') return false;
  return verdicts.some((verdict) => {
    // What leaves tcx goes on to the filters of clsact.
    if (verdict === 'leave') return layer === mode;
    return verdict !== 'next' && verdict !== 'drop';
  });
}

function neighbourOf({ layer, program, filter }: ChainEntry, name: string, direction: Direction): ShadowingNeighbour {
  const its = program === undefined ? '' : `program ${program.name ?? '?'} (id ${program.id})`;
  const place = filter === undefined ? '' : `${filter.kind} filter at priority ${filter.priority}`;
  return {
    interface: name,
    direction,
    layer,
    what: [place, its].filter((part) => part !== '').join(', '),
    programId: program?.id,
    programName: program?.name,
    priority: filter?.priority,
  };
}

/** Ids of the programs of tcx; undefined where the kernel has none. */
function tcxPrograms({ sys, host }: EngineContext, target: number, direction: Direction): number[] | undefined {
  try {
    const { entries } = host.netns.run(() => queryHook(sys, { target, attachType: `tcx_${direction}` }));
    return entries.map(({ programId }) => programId);
  } catch (error) {
    if (isNetlinkTcError(error) && error.errno === constants.errno.EINVAL) return undefined;
    throw error;
  }
}

/** Ids of the programs of filters; undefined of those that have none. */
async function filterPrograms(
  { host }: EngineContext,
  device: number,
  parent: Direction,
): Promise<(number | undefined)[]> {
  try {
    const filters = await host.socket.request(listFilters({ device, parent }));
    return filters.map(({ kind, options }) => (kind === 'bpf' ? (options as BpfFilterOptions | undefined)?.id : -1));
  } catch (error) {
    const { EINVAL, EOPNOTSUPP } = constants.errno;
    // An `ingress` qdisc has no egress.
    if (isNetlinkTcError(error) && [EINVAL, EOPNOTSUPP].some((errno) => errno === error.errno)) return [];
    throw error;
  }
}
