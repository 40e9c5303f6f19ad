import { skLookup, when } from 'bpf-asm';
import { attachNetns, isNetlinkTcError, loadProgram, NetlinkTcError, type Netns, type Sys } from 'netlink-tc';
import { randomBytes } from 'node:crypto';
import { constants } from 'node:os';
import type { ListenerBank } from '../maps.ts';
import type { Deviation } from '../node/index.ts';
import type { ProxyPorts } from '../ports.ts';
import type { DirectionTags, SteerFacts, TproxyFacts } from '../programs/index.ts';
import type { Host } from '../topology/index.ts';
import type { StateDirectory } from './directory.ts';
import type { HookRecord, Hooks } from './hook.ts';
import { ListenerSlots } from './listener-slots.ts';
import type { ProgramStore, StoredProgram } from './program-store.ts';
import type { Look } from './proxy-look.ts';
import type { ProxyPlace } from './proxy-place.ts';

/** How new connections find the proxy's listeners, and why in this way. */
export interface SteeringState {
  readonly mode: 'sk_lookup' | 'tproxy';
  readonly reason: string;
}

/** What is recorded of the steering. */
export interface SteeringRecord extends SteeringState {
  /** tproxy: what tells the programs where a packet was caught. */
  readonly tags?: DirectionTags;
  /** tproxy: where the program is. */
  readonly hook?: HookRecord;
  /** Which listeners are its own. */
  readonly bank: ListenerBank;
}

const { EINVAL } = constants.errno;

/** Where the link of `ztunnel_steer` is pinned, and that of `ztunnel_tproxy` if it is one: while one proxy takes over from another, both have theirs. */
export const STEER_PINS = ['steer', 'steer-1'] as const;
export const TPROXY_PINS = ['tproxy', 'tproxy-1'] as const;

/** Why `sk_lookup` cannot be had on this kernel, found by trying; undefined where it can. */
export function lookupMissing(sys: Sys): string | undefined {
  const seesInterface = skLookup('ztunnel_probe', { licence: 'Apache-2.0' }, ({ connection, pass, drop }) => {
    when(connection.ingressIfindex.eq(0), pass);
    return drop();
  });
  try {
    loadProgram(sys, seesInterface).close();
    return undefined;
  } catch (error) {
    const isRefused = isNetlinkTcError(error, 'ERR_VERIFIER') || (isNetlinkTcError(error) && error.errno === EINVAL);
    if (!isRefused) throw error;
    return 'this kernel has no sk_lookup programs that see the interface (Linux 5.17)';
  }
}

/** Tags for the packets of one node that nobody can guess: locally administered addresses, and no multicast. */
function makeTags(): DirectionTags {
  const random = [...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
  return { outbound: `02:${random}`, inbound: `06:${random}` };
}

/** The link of `ztunnel_steer` to a proxy's namespace. */
class LookupLink {
  readonly #sys: Sys;
  readonly #directory: StateDirectory;
  readonly #pin: string;

  constructor(sys: Sys, directory: StateDirectory, bank: ListenerBank) {
    this.#sys = sys;
    this.#directory = directory;
    this.#pin = STEER_PINS[bank];
  }

  /** What it does not do as it should; undefined where all is well. */
  check(netns: string, program: StoredProgram | undefined): Deviation | undefined {
    using link = this.#directory.openLink(this.#pin);
    const what = 'ztunnel_steer of the proxy';
    if (link === undefined) return { what, found: undefined, wanted: 'attached' };
    const { netnsInode, programId } = link.info();
    // 0 is the number of a namespace that is gone, and of a link that was detached.
    if (netnsInode === 0) return { what, found: 'detached', wanted: 'attached' };
    if (String(netnsInode) !== netns)
      return { what, found: `in namespace ${netnsInode}`, wanted: `in namespace ${netns}` };
    if (program !== undefined && programId !== program.id)
      return { what, found: `program ${programId}`, wanted: `program ${program.id}` };
    return undefined;
  }

  /** Attaches it, or puts the program in place of the one that it has; a link to another namespace is taken away. */
  attach(netns: Netns, program: StoredProgram): void {
    using old = this.#directory.openLink(this.#pin);
    const info = old?.info();
    if (old !== undefined && info !== undefined && BigInt(info.netnsInode ?? 0) === netns.inode) {
      if (info.programId !== program.id) old.update(program);
      return;
    }
    this.detach();
    using link = attachNetns(this.#sys, program, netns);
    this.#directory.pinLink(this.#pin, link);
  }

  /** Takes it away, if it is there. */
  detach(): void {
    using link = this.#directory.openLink(this.#pin);
    if (link === undefined) return;
    link.detach();
    this.#directory.unpinLink(this.#pin);
  }
}

/** Where a proxy's listeners are: where they were, else not where those of the one before it are. */
export function bankOf(there: SteeringRecord | undefined, before: SteeringRecord | undefined): ListenerBank {
  return there?.bank ?? (before?.bank === 0 ? 1 : 0);
}

/** What one of two proxies has for itself. */
interface Bank {
  readonly slots: ListenerSlots;
  readonly link: LookupLink;
}

/** What {@link Steering} works with. */
export interface SteeringTools {
  readonly sys: Sys;
  readonly directory: StateDirectory;
  readonly programs: Pick<ProgramStore, 'steer' | 'tproxy'>;
  /** Hooks of a namespace. */
  readonly hooksIn: (place: Pick<ProxyPlace, 'netns' | 'socket'>) => Hooks;
  /** The host's namespace. */
  readonly host: Host;
  /** What is wanted: `auto` takes `sk_lookup` where it can be had. */
  readonly wanted: 'auto' | 'sk_lookup' | 'tproxy';
  /** The mark of packets that `ztunnel_tproxy` gives to a socket. */
  readonly mark: TproxyFacts['mark'];
}

/** What the programs of the proxy's side are made of. */
export interface SteeringFacts extends Pick<SteerFacts, 'node' | 'dns' | 'handover'> {
  readonly ports: ProxyPorts;
}

/** Sees to it that new connections that reach the proxy's namespace find its listeners. */
export class Steering {
  readonly #tools: SteeringTools;
  readonly #banks: readonly [Bank, Bank];
  #program: StoredProgram | undefined;
  /** What the kernel was found to lack; undefined before it was tried. */
  #missing: { readonly reason: string | undefined } | undefined;

  constructor(tools: SteeringTools) {
    this.#tools = tools;
    const { sys, directory } = tools;
    const bank = (which: ListenerBank): Bank => ({
      slots: new ListenerSlots(directory.maps.listeners, which),
      link: new LookupLink(sys, directory, which),
    });
    this.#banks = [bank(0), bank(1)];
  }

  /** The slots of a proxy's listeners. */
  slots({ bank }: Pick<SteeringRecord, 'bank'>): ListenerSlots {
    return this.#banks[bank].slots;
  }

  /** Ids of the programs that steer now. */
  get programIds(): readonly number[] {
    return this.#program === undefined ? [] : [this.#program.id];
  }

  /**
   * How it is to be steered on this kernel.
   * @throws NetlinkTcError `ERR_UNSUPPORTED` where `sk_lookup` is wanted and there is none
   */
  choose(): SteeringState {
    const { wanted, sys } = this.#tools;
    if (wanted === 'tproxy') return { mode: 'tproxy', reason: 'it is asked for' };
    const missing = (this.#missing ??= { reason: lookupMissing(sys) }).reason;
    if (missing === undefined)
      return { mode: 'sk_lookup', reason: wanted === 'auto' ? 'the kernel has it' : 'it is asked for' };
    if (wanted === 'auto') return { mode: 'tproxy', reason: missing };
    throw new NetlinkTcError('ERR_UNSUPPORTED', missing, { hint: 'steer by tproxy' });
  }

  /** What there is to do when `sk_lookup` was chosen and the listeners cannot be had. @throws the error, where nothing else is allowed */
  without(error: unknown): SteeringState {
    if (this.#tools.wanted === 'auto' && isNetlinkTcError(error, 'ERR_PERMISSION'))
      return { mode: 'tproxy', reason: error.message };
    throw error;
  }

  /**
   * Fills the slots and puts the program in place; what steered in the other way is taken away after that. What is right is left alone.
   * @param state `bank`: where its listeners are
   * @param before what is recorded of the steering in this place
   * @returns what is to be recorded
   */
  async attach(
    place: ProxyPlace,
    state: SteeringState & Pick<SteeringRecord, 'bank'>,
    {
      facts,
      look,
      before,
    }: { readonly facts: SteeringFacts; readonly look: Look; readonly before: SteeringRecord | undefined },
  ): Promise<SteeringRecord> {
    const { programs, hooksIn, mark } = this.#tools;
    const { ports, node, dns, handover } = facts;
    const { index } = place.topology.podInterface;
    const addresses = await place.ownAddresses();
    const { bank } = state;
    const { link, slots } = this.#banks[bank];
    if (state.mode === 'sk_lookup') {
      this.fill(look, state);
      const proxy = { ifindex: index, addresses };
      this.#program = programs.steer({ node, proxy, hbone: ports.hbone, dns, handover, bank });
      link.attach(place.netns, this.#program);
      if (before?.hook !== undefined) await hooksIn(place).detach(before.hook);
      return state;
    }
    const tags = before?.tags ?? makeTags();
    this.#program = programs.tproxy({ ports, proxy: { addresses }, tags, dns, mark });
    const hook = await attachTproxy(
      hooksIn(place),
      { device: index, pinName: TPROXY_PINS[bank] },
      this.#program,
      before?.hook,
    );
    link.detach();
    slots.clear();
    return { ...state, tags, hook };
  }

  /** Puts listeners into their slots, where programs take them from there. */
  fill({ choices, owner }: Look, record: Pick<SteeringRecord, 'bank'>): void {
    this.slots(record).fill(choices.chosen, (inode) => owner.take(inode));
  }

  /** What does not steer as it should. */
  async check(place: ProxyPlace, record: SteeringRecord): Promise<Deviation[]> {
    const found =
      record.mode === 'sk_lookup'
        ? this.#banks[record.bank].link.check(String(place.netns.inode), this.#program)
        : await checkTproxy(this.#tools.hooksIn(place), record.hook, this.#program);
    return found === undefined ? [] : [found];
  }

  /** Steers nothing new to a proxy that leaves. What it has needs no steering by `sk_lookup`; `ztunnel_tproxy` finds that too, so it stays. */
  release({ bank }: Pick<SteeringRecord, 'bank'>): void {
    const { link, slots } = this.#banks[bank];
    link.detach();
    slots.clear();
  }

  /** Takes everything of one proxy away. @param place where it is; undefined when that is gone */
  async detach(place: ProxyPlace | undefined, record: SteeringRecord): Promise<void> {
    const { hooksIn, host } = this.#tools;
    this.release(record);
    const hooks = hooksIn(place ?? host);
    // A filter is gone with its namespace; a link is pinned all the same.
    if (record.hook !== undefined && (place !== undefined || record.hook.where.mode === 'tcx'))
      await hooks.detach(record.hook);
    if (place !== undefined) await hooks.removeQdiscs();
  }
}

/**
 * Puts `ztunnel_tproxy` on the proxy's own interface, or in place of the one that is there.
 * @param hooks of the proxy's namespace
 * @param at index of the interface there, and the name of a link
 */
async function attachTproxy(
  hooks: Hooks,
  at: { readonly device: number; readonly pinName: string },
  program: StoredProgram,
  before: HookRecord | undefined,
): Promise<HookRecord> {
  if (before !== undefined) {
    const { status, programId } = await hooks.state(before);
    if (status === 'ours') return programId === program.id ? before : hooks.replace(before, program);
    await hooks.detach(before);
  }
  return hooks.attach({ ...at, direction: 'ingress', owner: 'ztunnel_tproxy' }, program);
}

/** What `ztunnel_tproxy` does not do as it should; undefined where all is well. */
async function checkTproxy(
  hooks: Hooks,
  hook: HookRecord | undefined,
  program: StoredProgram | undefined,
): Promise<Deviation | undefined> {
  const what = 'ztunnel_tproxy of the proxy';
  if (hook === undefined) return { what, found: undefined, wanted: 'attached' };
  const { status, programId } = await hooks.state(hook);
  if (status !== 'ours') return { what, found: status, wanted: 'attached' };
  if (program === undefined || programId === program.id) return undefined;
  return { what, found: `program ${programId}`, wanted: `program ${program.id}` };
}
