import {
  addFilter,
  addQdisc,
  BPF_DIRECT_ACTION,
  deleteFilter,
  deleteQdisc,
  ETH_P,
  getFilter,
  getLink,
  getQdisc,
  isNetlinkTcError,
  listFilters,
  listLinks,
  replaceFilter,
  type BpfFilterOptions,
  type Filter,
  type FilterSpec,
  type Link,
  type Netns,
  type NetlinkSocket,
} from 'netlink-tc';
import { constants } from 'node:os';
import { AmbientRedirectError } from '../error.ts';
import type { HookProgram, HookRecord, HookState } from './hook.ts';
import type { RecordStore } from './records.ts';

/** A filter of clsact, by what names it there. */
export interface ClsactPlace {
  readonly mode: 'clsact';
  readonly priority: number;
  readonly handle: number;
}

type Hook = Pick<HookRecord, 'device' | 'direction' | 'owner'>;

/** What is recorded of a qdisc: the link by more than its index, which is given out again, and whether it was seen to be made. */
interface QdiscRecord {
  readonly link: string;
  readonly made: boolean;
}

/**
 * Programs by filters of clsact. A `clsact` qdisc that is there is used, and so is an `ingress` one for the ingress.
 *
 * While such a qdisc comes or goes, the kernel deactivates its link (`qdisc_graft` in net/sched/sch_api.c): what is sent to the link by the node's
 * stack is dropped until a grace period of RCU has passed, which takes from 0.2 ms on. So one that we make is noted in the records, and stays when
 * its filters go, until {@link removeQdiscs}.
 */
export class ClsactHooks {
  readonly #socket: NetlinkSocket;
  readonly #records: RecordStore;
  readonly #netns: Netns;
  readonly #priority: number;

  constructor(
    socket: NetlinkSocket,
    records: RecordStore,
    { netns, priority }: { readonly netns: Netns; readonly priority: number },
  ) {
    this.#socket = socket;
    this.#records = records;
    this.#netns = netns;
    this.#priority = priority;
  }

  async attach(hook: Hook, program: HookProgram): Promise<ClsactPlace> {
    const old = await this.find(hook);
    if (old !== undefined) {
      await this.#checkRecord(hook.device);
      await this.replace(hook, old, program);
      return old;
    }
    const { device } = hook;
    const kind = await this.#qdiscKind(device);
    await this.#checkFree(hook, kind);
    const filter = addFilter(this.#spec(hook, program));
    if (kind === undefined) return placeOf(await this.#makeBoth(device, filter));
    await this.#checkRecord(device);
    return placeOf(await this.#socket.request(filter));
  }

  /** Makes qdisc and filter in one system call: who dies has made both or none. */
  async #makeBoth(device: number, filter: ReturnType<typeof addFilter>): Promise<Filter> {
    const link = linkName(await this.#socket.request(getLink(device)));
    const record = this.#qdiscRecord(device);
    this.#records.put(record, { link, made: false } satisfies QdiscRecord);
    const [qdisc, made] = await Promise.allSettled(this.#socket.send([addQdisc({ device, kind: 'clsact' }), filter]));
    if (qdisc?.status === 'fulfilled') this.#records.put(record, { link, made: true } satisfies QdiscRecord);
    else {
      this.#records.delete(record);
      // Another made one between the look and this: it serves as well.
      if (!isNetlinkTcError(qdisc?.reason, 'ERR_EXISTS')) throw qdisc?.reason;
    }
    if (made?.status === 'fulfilled') return made.value as Filter;
    throw made?.reason;
  }

  /** Forgets a record of a qdisc that another made: who made the record died before it came to that, or its link is gone. */
  async #checkRecord(device: number): Promise<void> {
    const name = this.#qdiscRecord(device);
    const record = this.#records.get<QdiscRecord>(name);
    if (record === undefined) return;
    const link = await ifThere(this.#socket.request(getLink(device)));
    const isThere = link !== undefined && linkName(link) === record.link;
    const isMade = record.made || (await this.#bothSides(device)).some((each) => this.#isOfOurs(each));
    if (!isThere || !isMade) this.#records.delete(name);
    else if (!record.made) this.#records.put(name, { ...record, made: true } satisfies QdiscRecord);
  }

  /** Refuses before anything is changed what the kernel would refuse in other words. */
  async #checkFree({ device, direction, owner }: Hook, kind: string | undefined): Promise<void> {
    if (kind !== undefined && kind !== 'clsact' && direction === 'egress') {
      throw new AmbientRedirectError(
        'ERR_CONFLICT',
        `link ${device} has an ${kind} qdisc, which takes no egress filters`,
        {
          hint: 'it stands in the place of clsact: use tcx (Linux 6.6), or have its owner use clsact',
        },
      );
    }
    const filters = await this.#socket.request(listFilters({ device, parent: direction }));
    const other = filters.find(
      ({ priority, kind: theirs, protocol }) =>
        priority === this.#priority && (theirs !== 'bpf' || protocol !== ETH_P.ALL),
    );
    if (other === undefined) return;
    throw new AmbientRedirectError(
      'ERR_CONFLICT',
      `${owner} finds a ${other.kind} filter of others at its priority ${this.#priority} on ${direction} of link ${device}`,
      { hint: 'choose another priority' },
    );
  }

  /** The filter that a hook has, if it has one. */
  async find({ device, direction, owner }: Hook): Promise<ClsactPlace | undefined> {
    const filters = await this.#socket.request(listFilters({ device, parent: direction }));
    const found = filters.find((each) => this.#isOfOurs(each) && nameOf(each) === owner);
    return found === undefined ? undefined : placeOf(found);
  }

  async replace(hook: Hook, { priority, handle }: ClsactPlace, program: HookProgram): Promise<void> {
    // With the handle: without, it would be a second filter.
    await this.#socket.request(replaceFilter({ ...this.#spec(hook, program), priority, handle }));
  }

  async state(hook: Hook, where: ClsactPlace): Promise<HookState> {
    const filter = await this.#read(hook, where);
    if (filter === undefined) return { status: (await this.#hasDevice(hook.device)) ? 'gone' : 'device-gone' };
    const { id } = filter.options as BpfFilterOptions;
    return {
      status: nameOf(filter) === hook.owner ? 'ours' : 'foreign',
      ...(id === undefined ? {} : { programId: id }),
    };
  }

  async detach(hook: Hook, where: ClsactPlace): Promise<void> {
    const { device, direction } = hook;
    const { status } = await this.state(hook, where);
    if (status === 'ours')
      await ifThere(this.#socket.request(deleteFilter({ ...filterPlace(where), device, parent: direction })));
  }

  /**
   * Removes the qdiscs that we made, and that nobody uses; those that others use are theirs from then on. The kernel cannot look and remove at once: who
   * adds a filter between the look and this loses it.
   */
  async removeQdiscs(): Promise<void> {
    for (const [device, name] of await this.#recordedQdiscs()) {
      await this.#checkRecord(device);
      const filters = await this.#bothSides(device);
      if (filters.some((each) => this.#isOfOurs(each))) continue;
      const isOurs = this.#records.get(name) !== undefined && (await this.#qdiscKind(device)) === 'clsact';
      if (isOurs && filters.length === 0)
        await ifThere(this.#socket.request(deleteQdisc({ device, parent: 'clsact' })));
      this.#records.delete(name);
    }
  }

  /** Forgets qdiscs of links that are gone. */
  async forgetGone(): Promise<void> {
    await this.#recordedQdiscs();
  }

  /** The qdiscs that are recorded of this namespace, those of links that are gone forgotten: link, and name of the record. */
  async #recordedQdiscs(): Promise<readonly (readonly [device: number, record: string])[]> {
    const prefix = this.#qdiscRecord('');
    const names = this.#records.names(prefix);
    if (names.length === 0) return [];
    const links = new Set((await this.#socket.request(listLinks())).map(({ index }) => index));
    const recorded = names.map((name) => [Number(name.slice(prefix.length)), name] as const);
    for (const [device, name] of recorded) if (!links.has(device)) this.#records.delete(name);
    return recorded.filter(([device]) => links.has(device));
  }

  /** All filters of both sides of a link; none where it has no such qdisc, or is gone. */
  async #bothSides(device: number): Promise<readonly Filter[]> {
    const sides = await this.#socket.batch([
      listFilters({ device, parent: 'ingress' }),
      listFilters({ device, parent: 'egress' }),
    ]);
    return sides.flat();
  }

  async #qdiscKind(device: number): Promise<string | undefined> {
    return (await ifThere(this.#socket.request(getQdisc(device, 'clsact'))))?.kind;
  }

  async #hasDevice(device: number): Promise<boolean> {
    return (await ifThere(this.#socket.request(getLink(device)))) !== undefined;
  }

  #read({ device, direction }: Hook, where: ClsactPlace): Promise<Filter | undefined> {
    return ifThere(this.#socket.request(getFilter({ ...filterPlace(where), device, parent: direction })));
  }

  #spec({ device, direction, owner }: Hook, program: HookProgram): FilterSpec<'bpf'> {
    return {
      device,
      parent: direction,
      kind: 'bpf',
      protocol: ETH_P.ALL,
      priority: this.#priority,
      options: { fd: program.fd, name: owner, flags: BPF_DIRECT_ACTION },
    };
  }

  #isOfOurs({ kind, priority }: Filter): boolean {
    return kind === 'bpf' && priority === this.#priority;
  }

  /** Links are told apart by namespace and index. */
  #qdiscRecord(device: number | ''): string {
    return `qdisc/${this.#netns.inode}/${device}`;
  }
}

/** Name and address of a link: with its index, what tells it from one that had the index before. */
function linkName({ name, address = '' }: Link): string {
  return `${name} ${address}`;
}

function placeOf({ priority, handle }: Filter): ClsactPlace {
  return { mode: 'clsact', priority, handle };
}

function filterPlace({ priority, handle }: ClsactPlace): Pick<FilterSpec<'bpf'>, 'kind' | 'protocol'> & {
  readonly priority: number;
  readonly handle: number;
} {
  return { kind: 'bpf', protocol: ETH_P.ALL, priority, handle };
}

function nameOf({ options }: Filter): string | undefined {
  return (options as BpfFilterOptions | undefined)?.name;
}

/** What was asked for; undefined where filter, qdisc or link are gone (EINVAL is what filters of a missing qdisc give). */
async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNetlinkTcError(error) && (error.code === 'ERR_NOT_FOUND' || error.errno === constants.errno.EINVAL))
      return undefined;
    throw error;
  }
}
