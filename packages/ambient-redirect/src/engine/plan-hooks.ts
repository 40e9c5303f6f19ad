import {
  chain,
  ETH_P,
  getQdisc,
  isNetlinkTcError,
  listFilters,
  listLinks,
  type ChainEntry,
  type Direction,
  type Filter,
  type NetlinkSocket,
  type Netns,
} from 'netlink-tc';
import { constants } from 'node:os';
import { attachStatus } from './attach-status.ts';
import { VERSION } from './directory.ts';
import type { HookRecord, Hooks } from './hook.ts';
import type { Ground } from './plan-ground.ts';
import type { PlannedChange } from './planned-change.ts';
import { placeToBe } from './shadow.ts';

/** A namespace with hooks, and how its changes are called. */
export interface HookSpace {
  readonly netns: Netns;
  readonly socket: NetlinkSocket;
  /** Undefined where there is no state: then there are no records to look at. */
  readonly hooks: Hooks | undefined;
}

/** A program that is to be on a hook. */
export interface WantedHook {
  readonly device: number;
  /** Where its changes are told. */
  readonly where: string;
  readonly direction: Direction;
  readonly owner: string;
  readonly pinName: string;
  /** What kind of it: the mode of the pod. */
  readonly variant?: string;
  /** Id of the program, where it is loaded by now. */
  readonly programId: number | undefined;
}

/** Tells how hooks change: what has to be attached, replaced or taken off so that they have what is wanted. */
export class HookPlanner {
  readonly #ground: Ground;
  /** Links that get a qdisc: the second filter finds it. */
  readonly #qdiscs: Set<string> = new Set<string>();

  constructor(ground: Ground) {
    this.#ground = ground;
  }

  /** What changes so that a hook has its program. @param record where it is by now */
  async want(space: HookSpace, record: HookRecord | undefined, wanted: WantedHook): Promise<readonly PlannedChange[]> {
    const state = record && (await space.hooks?.state(record));
    if (record !== undefined && state?.status === 'ours') {
      if (state.programId === wanted.programId) return [];
      return [
        {
          action: 'replace',
          where: wanted.where,
          kind: 'hook',
          what: nameOf(wanted),
          how: `by ${record.where.mode}, in its place`,
          before: `program ${state.programId}`,
          after: programText(wanted),
        },
      ];
    }
    // Nothing can be put on an interface that is gone.
    if (state?.status === 'device-gone') return [];
    const lost = record === undefined ? [] : await this.remove(space, record, wanted.where);
    return [...lost, ...(await this.#make(space, wanted))];
  }

  async #make(space: HookSpace, wanted: WantedHook): Promise<readonly PlannedChange[]> {
    const { sys, host, settings } = this.#ground;
    const { device, direction, where } = wanted;
    const { mode } = attachStatus({ sys, host, settings });
    const { entries } = await chain(sys, space.socket, { device, direction, netns: space.netns });
    const at = placeToBe({ settings }, mode, entries);
    const how = `by ${mode}${mode === 'clsact' ? ` at priority ${settings.priority}` : ''}, ${placeText(entries, at)}`;
    const change: PlannedChange = {
      action: 'make',
      where,
      kind: 'hook',
      what: nameOf(wanted),
      after: programText(wanted),
      how,
    };
    if (mode === 'tcx') return [{ ...change, pin: `${VERSION}/links/${wanted.pinName}` }];
    const kind = await qdiscKind(space.socket, device);
    if (kind !== undefined) return [{ ...change, how: `${how}, in the ${kind} qdisc that is there` }];
    const key = `${space.netns.inode}/${device}`;
    if (this.#qdiscs.has(key)) return [change];
    this.#qdiscs.add(key);
    return [{ action: 'make', where, kind: 'qdisc', what: 'clsact qdisc' }, change];
  }

  /** What changes when a program is taken off. Nothing where it is gone, but for its pin. */
  async remove({ hooks }: HookSpace, record: HookRecord, where: string): Promise<readonly PlannedChange[]> {
    const state = await hooks?.state(record);
    const mode = record.where.mode;
    const what = `${record.owner} on ${record.direction}`;
    const pin = record.where.mode === 'tcx' ? { pin: `${VERSION}/links/${record.where.link}` } : {};
    if (state?.status === 'ours')
      return [
        {
          action: 'remove',
          where,
          kind: 'hook',
          what,
          how: `by ${mode}`,
          before: `program ${state.programId}`,
          ...pin,
        },
      ];
    const isPinned = record.where.mode === 'tcx' && this.#isPinned(record.where.link);
    return isPinned
      ? [{ action: 'remove', where, kind: 'pin', what: `the link of ${what}, which is off already`, ...pin }]
      : [];
  }

  #isPinned(link: string): boolean {
    return this.#ground.context?.directory.linkNames().includes(link) === true;
  }

  /** The qdiscs that go when everything goes: those that were made, and have no filters of others. */
  async qdiscsToRemove({ socket, netns }: HookSpace): Promise<readonly PlannedChange[]> {
    const { context, settings } = this.#ground;
    const prefix = `qdisc/${netns.inode}/`;
    const names = context?.directory.records.names(prefix) ?? [];
    const links = names.length === 0 ? [] : await socket.request(listLinks());
    const changes: PlannedChange[] = [];
    for (const name of names) {
      const link = links.find(({ index }) => index === Number(name.slice(prefix.length)));
      if (link === undefined || (await qdiscKind(socket, link.index)) !== 'clsact') continue;
      const filters = [
        ...(await filtersOf(socket, link.index, 'ingress')),
        ...(await filtersOf(socket, link.index, 'egress')),
      ];
      const isOthers = filters.some(
        ({ kind, priority, protocol }) => kind !== 'bpf' || priority !== settings.priority || protocol !== ETH_P.ALL,
      );
      if (!isOthers) changes.push({ action: 'remove', where: link.name, kind: 'qdisc', what: 'clsact qdisc' });
    }
    return changes;
  }
}

function nameOf({ owner, direction, variant }: WantedHook): string {
  return `${owner} on ${direction}${variant === undefined ? '' : ` (${variant})`}`;
}

function programText({ programId }: WantedHook): string {
  return programId === undefined ? 'a new program' : `program ${programId}`;
}

/** `second of 3, after cil_from_container, before bandwidth`. */
function placeText(entries: readonly ChainEntry[], at: number): string {
  const of = `${at + 1} of ${entries.length + 1}`;
  const [before, after] = [entries[at - 1], entries[at]];
  return [of, ...(before ? [`after ${entryText(before)}`] : []), ...(after ? [`before ${entryText(after)}`] : [])].join(
    ', ',
  );
}

function entryText({ program, filter, layer }: ChainEntry): string {
  return (
    program?.name ??
    (filter === undefined ? `a program of ${layer}` : `the ${filter.kind} filter at ${filter.priority}`)
  );
}

async function qdiscKind(socket: NetlinkSocket, device: number): Promise<string | undefined> {
  try {
    return (await socket.request(getQdisc(device, 'clsact')))?.kind;
  } catch (error) {
    if (isNone(error)) return undefined;
    throw error;
  }
}

async function filtersOf(socket: NetlinkSocket, device: number, parent: Direction): Promise<readonly Filter[]> {
  try {
    return await socket.request(listFilters({ device, parent }));
  } catch (error) {
    if (isNone(error)) return [];
    throw error;
  }
}

/** EINVAL is what is asked of a qdisc that is not there. */
function isNone(error: unknown): boolean {
  return isNetlinkTcError(error) && (error.code === 'ERR_NOT_FOUND' || error.errno === constants.errno.EINVAL);
}
