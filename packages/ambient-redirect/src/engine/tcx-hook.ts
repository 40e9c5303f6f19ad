import { attachTcx, isNetlinkTcError, queryHook, type BpfLink, type Netns, type Order, type Sys } from 'netlink-tc';
import { setTimeout as sleep } from 'node:timers/promises';
import type { StateDirectory } from './directory.ts';
import type { HookPlace, HookProgram, HookRecord, HookState } from './hook.ts';

/** A link of tcx, by the name of its pin. */
export interface TcxPlace {
  readonly mode: 'tcx';
  readonly link: string;
}

/** How long the link of a process that died may take to let go of its program: the kernel frees it some time later. */
const PATIENCE_MS = 1000;

/** Programs by tcx (6.6): each is held by a link, and the link by its pin. */
export class TcxHooks {
  readonly #sys: Sys;
  readonly #directory: StateDirectory;
  readonly #netns: Netns;
  readonly #order: Order | undefined;

  constructor(
    sys: Sys,
    directory: StateDirectory,
    { netns, order }: { readonly netns: Netns; readonly order?: Order },
  ) {
    this.#sys = sys;
    this.#directory = directory;
    this.#netns = netns;
    this.#order = order;
  }

  async attach(place: HookPlace, program: HookProgram): Promise<TcxPlace> {
    const where: TcxPlace = { mode: 'tcx', link: place.pinName };
    using old = this.#directory.openLink(where.link);
    const programId = old === undefined ? undefined : this.#programOf(old, place);
    if (old !== undefined && programId !== undefined) {
      if (programId !== program.id) old.update(program);
      return where;
    }
    this.detach(where.link);
    using link = await this.#create(place, program);
    this.#directory.pinLink(where.link, link);
    return where;
  }

  async #create({ device, direction }: HookPlace, program: HookProgram): Promise<BpfLink> {
    const options = this.#order === undefined ? {} : { order: this.#order };
    for (const deadline = Date.now() + PATIENCE_MS; ;) {
      try {
        // bpf(2) understands the index in the namespace of the thread.
        return this.#netns.run(() => attachTcx(this.#sys, program, device, direction, options));
      } catch (error) {
        if (!isNetlinkTcError(error, 'ERR_EXISTS') || Date.now() > deadline) throw error;
        await sleep(10);
      }
    }
  }

  replace({ link }: TcxPlace, program: HookProgram): void {
    using pinned = this.#directory.openLink(link);
    pinned?.update(program);
  }

  async state(record: Pick<HookRecord, 'device' | 'direction'>, { link }: TcxPlace): Promise<HookState> {
    using pinned = this.#directory.openLink(link);
    try {
      const programId = this.#programOf(pinned, record);
      return programId === undefined ? { status: 'gone' } : { status: 'ours', programId };
    } catch (error) {
      if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return { status: 'device-gone' };
      throw error;
    }
  }

  /** Takes a link off its hook at once, and removes its pin; nothing where there is none. */
  detach(link: string): void {
    using pinned = this.#directory.openLink(link);
    pinned?.detach();
    this.#directory.unpinLink(link);
  }

  /**
   * Id of the program that a link runs at a hook; undefined where it is not there.
   *
   * The hook is asked, not the link: that tells an index, and not of which namespace.
   * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such device
   */
  #programOf(
    link: BpfLink | undefined,
    { device, direction }: Pick<HookRecord, 'device' | 'direction'>,
  ): number | undefined {
    const hook = { target: device, attachType: `tcx_${direction}` } as const;
    const { entries } = this.#netns.run(() => queryHook(this.#sys, hook));
    const id = link?.info().id;
    return entries.find(({ linkId }) => linkId === id)?.programId;
  }
}
