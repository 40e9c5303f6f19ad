import { constants } from 'node:os';
import { hasOrderedHook } from '../bpf/attach.ts';
import { attachTcx, type Attachable, type BpfLink, type Direction, type Order } from '../bpf/index.ts';
import { isNetlinkTcError, NetlinkTcError } from '../error.ts';
import type { NetlinkSocket } from '../netlink/index.ts';
import type { Netns } from '../netns/index.ts';
import type { Sys } from '../sys/index.ts';
import { addFilter, deleteFilter, ETH_P, getFilter, listFilters, replaceFilter, type Filter } from './filter.ts';
import { BPF_DIRECT_ACTION, type BpfFilterOptions } from './options.ts';
import { addQdisc, deleteQdisc, getQdisc } from './qdisc.ts';

const { EINVAL } = constants.errno;

/** Options of {@link attach}. */
export interface AttachOptions {
  /** Index of the link. */
  readonly device: number;
  readonly direction: Direction;
  /** The namespace of the link and of the socket, where that is not the thread's. */
  readonly netns?: Netns;
  /** `auto`, the default, takes tcx where the kernel has it, found out by trying, and else a filter of clsact. */
  readonly mode?: 'auto' | 'tcx' | 'clsact';
  /** tcx: where among its programs; last where nothing is said. */
  readonly order?: Order;
  /** clsact: the lower is asked first; where nothing is said the kernel takes one below 49152, before those it chose earlier. */
  readonly priority?: number;
  /** clsact: number of the filter among those of its priority; the kernel finds one if left out. */
  readonly handle?: number;
  /** clsact: what `tc filter show` calls the filter: its owner's name. */
  readonly name: string;
}

/** A classifier on a hook that {@link attach} put there. */
export interface TcAttachment extends Disposable {
  readonly mode: 'tcx' | 'clsact';
  /** The tcx link: pin it to let it outlive the process. */
  readonly link: BpfLink | undefined;
  /** The filter of clsact as it stands now. */
  readonly filter: Filter | undefined;
  /**
   * Puts another program in place of this one, with no packet unprocessed in between.
   * @throws NetlinkTcError `ERR_STALE` when the filter is not ours any more, `ERR_DETACHED` when the link is off
   */
  update(program: Attachable): Promise<void>;
  /**
   * Takes exactly what was attached off the hook: also the clsact qdisc, where attaching made it and no other filter came. What is
   * gone, or was replaced by others, is left as it is.
   */
  detach(): Promise<void>;
  /** Lets go without detaching: filters stay, a tcx link stays where it is pinned. A second call does nothing. */
  close(): void;
}

/**
 * Attaches a `sched_cls` program to the ingress or egress of a link, beside whatever others have there.
 *
 * By tcx it needs no qdisc. By clsact, a `clsact` qdisc that is there is used; an `ingress` qdisc (as the CNI plugin `bandwidth`
 * makes it) serves the ingress; else one is made, and others who want an `ingress` qdisc are refused by the kernel while it is there.
 * Filters run with direct action.
 * @throws NetlinkTcError `ERR_UNSUPPORTED` where `tcx` is asked for and the kernel has none; `ERR_INCOMPATIBLE` where an `ingress` qdisc
 * stands in the way of an egress filter; `ERR_EXISTS` when priority and handle are taken, or the program is on the tcx hook already
 * @example
 * ```ts
 * const attachment = await attach(sys, socket, program, { device: 4, direction: 'ingress', name: 'mesh' });
 * await attachment.update(newer);
 * await attachment.detach();
 * ```
 */
export async function attach(
  sys: Sys,
  socket: NetlinkSocket,
  program: Attachable,
  options: AttachOptions,
): Promise<TcAttachment> {
  const { mode = 'auto' } = options;
  if (mode !== 'clsact') {
    try {
      return new TcxAttachment(attachByTcx(sys, program, options));
    } catch (error) {
      if (mode === 'tcx' || !mayLackTcx(sys, error)) throw error;
    }
  }
  return attachByFilter(socket, program, options);
}

/** Whether an error says that the kernel has no tcx, or, where the process may not ask whether it has, could mean it. */
function mayLackTcx(sys: Sys, error: unknown): boolean {
  if (isNetlinkTcError(error, 'ERR_UNSUPPORTED')) return true;
  return isNetlinkTcError(error) && error.errno === EINVAL && typeof hasOrderedHook(sys, 'tcx_ingress') === 'number';
}

function attachByTcx(sys: Sys, program: Attachable, { device, direction, order, netns }: AttachOptions): BpfLink {
  // bpf(2) understands the index in the namespace of the thread.
  const run = (): BpfLink => attachTcx(sys, program, device, direction, order === undefined ? {} : { order });
  return netns === undefined ? run() : netns.run(run);
}

class TcxAttachment implements TcAttachment {
  readonly mode = 'tcx';
  readonly link: BpfLink;
  readonly filter: undefined;

  constructor(link: BpfLink) {
    this.link = link;
  }

  async update(program: Attachable): Promise<void> {
    this.link.update(program);
  }

  async detach(): Promise<void> {
    this.link.detach();
    this.close();
  }

  close(): void {
    this.link.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

async function attachByFilter(
  socket: NetlinkSocket,
  program: Attachable,
  options: AttachOptions,
): Promise<TcAttachment> {
  const { device, direction, priority, handle, name } = options;
  const made = await ensureQdisc(socket, device, direction);
  try {
    const filter = await socket.request(
      addFilter({
        device,
        parent: direction,
        kind: 'bpf',
        protocol: ETH_P.ALL,
        ...(priority === undefined ? {} : { priority }),
        ...(handle === undefined ? {} : { handle }),
        options: { fd: program.fd, name, flags: BPF_DIRECT_ACTION },
      }),
    );
    return new FilterAttachment(socket, filter, direction, made);
  } catch (error) {
    if (made) await removeQdisc(socket, device);
    throw error;
  }
}

/** Sees to a qdisc that takes filters of this direction, and says whether it was made for this. */
async function ensureQdisc(socket: NetlinkSocket, device: number, direction: Direction): Promise<boolean> {
  // Twice: between the look and the making, another may make one.
  for (let attempt = 0; ; attempt += 1) {
    try {
      const { kind } = await socket.request(getQdisc(device, 'clsact'));
      if (kind === 'clsact' || direction === 'ingress') return false;
      throw new NetlinkTcError(
        'ERR_INCOMPATIBLE',
        `link ${device} has an ${kind} qdisc, which takes no egress filters`,
        {
          hint: 'it stands in the place of clsact: use tcx (6.6), or have its owner use clsact',
        },
      );
    } catch (error) {
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
    }
    try {
      await socket.request(addQdisc({ device, kind: 'clsact' }));
      return true;
    } catch (error) {
      if (attempt > 0 || !isNetlinkTcError(error, 'ERR_EXISTS')) throw error;
    }
  }
}

/** Removes the clsact qdisc where no filter is left on either side. The kernel cannot do both at once: who adds one just then loses it. */
async function removeQdisc(socket: NetlinkSocket, device: number): Promise<void> {
  const [ingress, egress] = await socket.batch([
    listFilters({ device, parent: 'ingress' }),
    listFilters({ device, parent: 'egress' }),
  ]);
  if (ingress.length === 0 && egress.length === 0) await socket.request(deleteQdisc({ device, parent: 'clsact' }));
}

class FilterAttachment implements TcAttachment {
  readonly mode = 'clsact';
  readonly link: undefined;
  readonly #socket: NetlinkSocket;
  readonly #parent: Direction;
  readonly #madeQdisc: boolean;
  #filter: Filter;

  constructor(socket: NetlinkSocket, filter: Filter, parent: Direction, madeQdisc: boolean) {
    this.#socket = socket;
    this.#filter = filter;
    this.#parent = parent;
    this.#madeQdisc = madeQdisc;
  }

  get filter(): Filter {
    return this.#filter;
  }

  async update(program: Attachable): Promise<void> {
    if (!(await this.#isOurs())) {
      throw new NetlinkTcError(
        'ERR_STALE',
        `the filter of priority ${this.#filter.priority} on link ${this.#filter.device} is not ours any more`,
        {
          hint: 'another replaced or deleted it: attach again',
        },
      );
    }
    const { name } = this.#filter.options as BpfFilterOptions;
    const options = { fd: program.fd, name, flags: BPF_DIRECT_ACTION };
    this.#filter = await this.#socket.request(
      replaceFilter({ ...this.#filter, parent: this.#parent, kind: 'bpf', options }),
    );
  }

  async detach(): Promise<void> {
    const { device } = this.#filter;
    if (!(await this.#isOurs())) return;
    await ignoringAbsence(this.#socket.request(deleteFilter({ ...this.#filter, parent: this.#parent })));
    if (this.#madeQdisc) await ignoringAbsence(removeQdisc(this.#socket, device));
  }

  close(): void {
    // The filter holds its program by itself.
  }

  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether the filter in our place still runs our program. */
  async #isOurs(): Promise<boolean> {
    const ours = this.#filter.options as BpfFilterOptions;
    const found = await ignoringAbsence(this.#socket.request(getFilter({ ...this.#filter, parent: this.#parent })));
    const theirs = found?.options as BpfFilterOptions | undefined;
    return theirs !== undefined && theirs.id === ours.id && theirs.name === ours.name;
  }
}

/** What was to be done; undefined where filter, qdisc or link are gone (EINVAL is what filters of a missing qdisc give). */
async function ignoringAbsence<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (isNetlinkTcError(error) && (error.code === 'ERR_NOT_FOUND' || error.errno === EINVAL)) return undefined;
    throw error;
  }
}
