import { isNetlinkTcError, type Direction, type Netns, type NetlinkSocket, type Order, type Sys } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { ClsactHooks, type ClsactPlace } from './clsact-hook.ts';
import type { StateDirectory } from './directory.ts';
import { TcxHooks, type TcxPlace } from './tcx-hook.ts';

/** Where a program is to be. */
export interface HookPlace {
  /** Index of the link. */
  readonly device: number;
  readonly direction: Direction;
  /** What `tc filter show` calls a filter of ours: with our priority, it is what we know it by. */
  readonly owner: string;
  /** Name of the pin of a tcx link. */
  readonly pinName: string;
}

/** One of our programs at one place: all that it takes to find it again, as plain data. */
export interface HookRecord {
  readonly device: number;
  readonly direction: Direction;
  readonly owner: string;
  readonly where: TcxPlace | ClsactPlace;
}

/**
 * What is found at a hook:
 * - `ours`: our program, or another that we put there;
 * - `gone`: nothing of ours: others took it away;
 * - `foreign`: something of others in its very place;
 * - `device-gone`: there is no such link any more.
 */
export interface HookState {
  readonly status: 'ours' | 'gone' | 'foreign' | 'device-gone';
  /** Id of the program that is there. */
  readonly programId?: number;
}

/** A program that is loaded. */
export interface HookProgram {
  readonly fd: number;
  readonly id: number;
}

/** Options of {@link Hooks}. */
export interface HooksOptions {
  /** The namespace of the links and of the socket. */
  readonly netns: Netns;
  /** `auto` takes tcx where the kernel has it. */
  readonly mode: 'auto' | 'tcx' | 'clsact';
  /** clsact: priority of our filters. */
  readonly priority: number;
  /** tcx: where among the programs of others; last where nothing is said. */
  readonly order?: Order;
}

/**
 * Puts programs on the hooks of links, beside those of others, and finds them again after a crash: a tcx link by its pin, a filter of
 * clsact by its owner's name and our priority. Whatever is not ours is left as it is.
 */
export class Hooks {
  readonly #tcx: TcxHooks;
  readonly #clsact: ClsactHooks;
  readonly #mode: HooksOptions['mode'];

  constructor(sys: Sys, socket: NetlinkSocket, directory: StateDirectory, options: HooksOptions) {
    this.#tcx = new TcxHooks(sys, directory, options);
    this.#clsact = new ClsactHooks(socket, directory.records, options);
    this.#mode = options.mode;
  }

  /**
   * Attaches a program. What a process that died left at this place is adopted; what it left there by the other mechanism is taken
   * away once this is on, so that no packet passes unprocessed.
   * @throws AmbientRedirectError `ERR_CONFLICT` when others have our priority, or an `ingress` qdisc where a filter must go on egress
   * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such link; `ERR_UNSUPPORTED` when tcx is asked for and not there
   */
  async attach(place: HookPlace, program: HookProgram): Promise<HookRecord> {
    const { device, direction, owner } = place;
    const where = await this.#attach(place, program);
    return { device, direction, owner, where };
  }

  async #attach(place: HookPlace, program: HookProgram): Promise<TcxPlace | ClsactPlace> {
    if (this.#mode !== 'clsact') {
      try {
        const where = await this.#tcx.attach(place, program);
        const left = await this.#clsact.find(place);
        if (left !== undefined) await this.#clsact.detach(place, left);
        return where;
      } catch (error) {
        if (this.#mode === 'tcx' || !isNetlinkTcError(error, 'ERR_UNSUPPORTED')) throw error;
      }
    }
    const where = await this.#clsact.attach(place, program);
    this.#tcx.detach(place.pinName);
    return where;
  }

  /**
   * Puts another program in place of the one that is there, with no packet unprocessed in between.
   * @returns the record as it is now
   * @throws AmbientRedirectError `ERR_HOOK_LOST` when what is there is not ours any more
   */
  async replace(record: HookRecord, program: HookProgram): Promise<HookRecord> {
    const { status, programId } = await this.state(record);
    if (status !== 'ours') {
      const { device, direction, owner } = record;
      throw new AmbientRedirectError('ERR_HOOK_LOST', `${owner} is not on ${direction} of link ${device} any more`, {
        hint: status === 'device-gone' ? 'the link is gone' : 'others took it off: reconcile attaches it again',
      });
    }
    if (programId === program.id) return record;
    if (record.where.mode === 'tcx') this.#tcx.replace(record.where, program);
    else await this.#clsact.replace(record, record.where, program);
    return record;
  }

  /** What is at the place of a record. Changes nothing. */
  state(record: HookRecord): Promise<HookState> {
    return record.where.mode === 'tcx'
      ? this.#tcx.state(record, record.where)
      : this.#clsact.state(record, record.where);
  }

  /** Takes exactly ours off. What is gone, or was replaced by others, is left as it is; so is a qdisc, even one that we made: see {@link removeQdiscs}. */
  async detach(record: HookRecord): Promise<void> {
    if (record.where.mode === 'tcx') this.#tcx.detach(record.where.link);
    else await this.#clsact.detach(record, record.where);
  }

  /**
   * Removes the qdiscs that we made in this namespace, those that others use by now excepted. Not before all is over: the kernel drops what is sent
   * to a link while its qdisc goes.
   */
  removeQdiscs(): Promise<void> {
    return this.#clsact.removeQdiscs();
  }

  /** Forgets what is recorded of links that are gone. */
  forgetGone(): Promise<void> {
    return this.#clsact.forgetGone();
  }
}
