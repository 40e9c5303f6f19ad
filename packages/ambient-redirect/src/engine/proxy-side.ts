import { Hooks } from './hook.ts';
import type { Deviation, SettingState } from '../node/index.ts';
import type { NodeFacts } from '../programs/index.ts';
import { LeavingProxies, type LeavingProxy } from './leaving-proxy.ts';
import { checkListeners, lookForListeners, type Look } from './proxy-look.ts';
import { isSame, ProxyPlace } from './proxy-place.ts';
import { ProxySettings } from './proxy-settings.ts';
import {
  PROXY_RECORD,
  away,
  recordOf,
  stateOf,
  type NamedProxy,
  type ProxyRecord,
  type ProxyReference,
  type ProxySideOptions,
  type ProxyState,
  type SeenProxy,
  type SteerOptions,
} from './proxy-state.ts';
import { ProxyWatch } from './proxy-watch.ts';
import { bankOf, Steering, type SteeringRecord, type SteeringState } from './steering.ts';

export type { ProxyReference, ProxySideOptions, ProxyState, SteerOptions } from './proxy-state.ts';

/** What is wanted of the proxy's side, beyond what is recorded. */
type Wanted = Pick<ProxyReference, 'pid' | 'listeners'>;

/**
 * Everything at the proxy: the settings that bring it what is redirected to it, the steering of new connections to its listeners, and the
 * watch over its process. Its methods wait for each other.
 */
export class ProxySide implements Disposable {
  readonly #options: ProxySideOptions;
  readonly #settings: ProxySettings;
  readonly #steering: Steering;
  readonly #watch: ProxyWatch;
  readonly #leaving: LeavingProxies;
  #record: ProxyRecord | undefined;
  #state: ProxyState | undefined;
  #wanted: Wanted = {};
  /** What this proxy lacks for good, as far as could be seen: it was waited for. */
  #lacks: ReadonlySet<string> = new Set();
  #closed = false;
  #queue: Promise<unknown> = Promise.resolve();

  private constructor(options: ProxySideOptions) {
    const { sys, host, directory, programs, settings } = options;
    const { attach: mode, priority, order, steer: wanted, mark } = settings;
    const hooksIn = ({ netns, socket }: Pick<ProxyPlace, 'netns' | 'socket'>): Hooks =>
      new Hooks(sys, socket, directory, { netns, mode, priority, ...(order && { order }) });
    this.#options = options;
    this.#record = directory.records.get<ProxyRecord>(PROXY_RECORD);
    this.#steering = new Steering({ sys, directory, programs, hooksIn, host, wanted, mark });
    const { records } = directory;
    this.#leaving = new LeavingProxies({ sys, host, records, steering: this.#steering }, this.#record?.identity);
    const unfiltered = (): string | undefined => this.leaving?.hostInterface.name;
    this.#settings = new ProxySettings(host, records, settings.routing, unfiltered);
    this.#watch = new ProxyWatch(sys, {
      onEnd: (pid) => void this.#ended(pid),
      look: () => this.#lookAgain(),
      onPatienceEnd: () => {
        this.#lacks = new Set(this.#state?.missing);
      },
    });
  }

  /** Takes over what the process before has recorded, as far as it is there still. Changes nothing but the slots of listeners. */
  static async open(options: ProxySideOptions): Promise<ProxySide> {
    const side = new ProxySide(options);
    const record = side.#record;
    if (record === undefined) return side;
    side.#wanted = record.pid === undefined ? {} : { pid: record.pid };
    await side.refill();
    return side;
  }

  /** The proxy as it was when it was looked at last; undefined while there is none. */
  get state(): ProxyState | undefined {
    return this.#state;
  }

  /** The proxy that this one takes over from, as long as that has connections. */
  get leaving(): LeavingProxy | undefined {
    const leaving = this.#leaving.current;
    // Not before its successor is steered to.
    return leaving?.hostInterface.index === this.#state?.hostInterface.index ? undefined : leaving;
  }

  /** Ids of the programs that steer now. */
  get programIds(): readonly number[] {
    return this.#steering.programIds;
  }

  /**
   * Says who the proxy is: sees to the settings that it needs, then steers to its listeners. Doing it twice is doing it once. Where it is in
   * another namespace than the one before, that one leaves: call {@link ProxySide.settle} when hooks lead to the new one.
   * @throws AmbientRedirectError `ERR_PROXY_NOT_LISTENING`, with nothing changed, for one that was not the proxy before and does not listen;
   * `ERR_NETNS_GONE` and what else `resolvePod` throws; `ERR_CONFLICT` when its routing table or rule priority is used for something else
   * @throws NetlinkTcError `ERR_PERMISSION` when its listeners cannot be taken and `sk_lookup` is asked for
   */
  set(reference: ProxyReference, node: NodeFacts, options: SteerOptions = {}): Promise<ProxyState> {
    return this.#inTurn(async () => {
      const { host, settings } = this.#options;
      const { netns, pid, listeners, ports = settings.ports } = reference;
      const wanted: Wanted = { ...(pid !== undefined && { pid }), ...(listeners && { listeners }) };
      using place = await ProxyPlace.open(host, netns, reference.interface);
      const { dns = settings.dns, handover = false } = options;
      const before = this.#record;
      const isKnown = before !== undefined && isSame(before.identity, place.identity);
      const named = {
        reference: 'fd' in netns ? undefined : netns,
        pid: typeof pid === 'function' ? undefined : pid,
        ports,
        dns,
        handover,
      };
      await this.#converge(place, node, { named, wanted, must: !isKnown });
      return this.#state as ProxyState;
    });
  }

  /** Puts the program in line with what is known of the node, and with how it is to be steered. Nothing happens where there is no proxy. */
  update(node: NodeFacts, options: SteerOptions = {}): Promise<void> {
    return this.#inTurn(async () => {
      using place = await this.#reopen();
      const record = this.#record;
      if (place === undefined || record === undefined) return;
      const { dns = record.dns, handover = record.handover } = options;
      await this.#converge(place, node, { named: { ...record, dns, handover }, wanted: this.#wanted, must: false });
    });
  }

  /** Looks for the proxy's listeners, and steers to them: call it when it was restarted. What is right is left alone. */
  refill(): Promise<ProxyState | undefined> {
    return this.#inTurn(async () => {
      const record = this.#record;
      if (record === undefined || this.#closed) return undefined;
      using place = await this.#reopen();
      if (place === undefined) return this.#isGone(record);
      const { mode } = record.steering;
      const look = await this.#look(place, mode, record, false);
      if (mode === 'sk_lookup' && this.#options.readOnly !== true) this.#steering.fill(look, record.steering);
      return this.#seen(record, look);
    });
  }

  /** What is not as it should be. Changes nothing. */
  check(): Promise<Deviation[]> {
    return this.#inTurn(() => this.#check());
  }

  /** All that is set for the proxy, and how it is found; nothing where there is no proxy, or its namespace is gone. */
  settings(): Promise<SettingState[]> {
    return this.#inTurn(async () => {
      using place = await this.#reopen();
      return place === undefined ? [] : await this.#settings.list(place);
    });
  }

  /**
   * Mends what is not as it should be, and puts the program in line with the node.
   * @returns what was found
   */
  reconcile(node: NodeFacts): Promise<Deviation[]> {
    return this.#inTurn(async () => {
      const found = await this.#check();
      const record = this.#record;
      if (record === undefined) return found;
      using place = await this.#reopen();
      if (place === undefined) this.#isGone(record);
      else await this.#converge(place, node, { named: record, wanted: this.#wanted, must: false });
      return found;
    });
  }

  /** Steers no more. What is captured then finds nobody; the settings stay, so that it is not forwarded. Nothing happens where there is no proxy. */
  clear(): Promise<void> {
    return this.#inTurn(async () => {
      const record = this.#record;
      if (record === undefined) return;
      this.#watch.close();
      await this.#leaving.end();
      using place = await this.#reopen();
      await this.#steering.detach(place, record.steering);
      this.#options.directory.records.delete(PROXY_RECORD);
      this.#record = undefined;
      this.#state = undefined;
      this.#wanted = {};
    });
  }

  /**
   * Call it when the programs of all pods are in line with the proxy. One that leaves gets no new connections any more; where none does, the
   * settings of those before are put back.
   * @returns what others changed, and was left
   */
  settle(): Promise<Deviation[]> {
    return this.#inTurn(async () => {
      if (this.#leaving.current === undefined) return this.#settings.settle();
      const steering = this.leaving?.steering;
      if (steering?.mode === 'sk_lookup') this.#steering.release(steering);
      return [];
    });
  }

  /** Says that the programs of all pods know both this proxy and the one that leaves: new connections are this one's from now on. */
  move(): void {
    this.#leaving.move();
  }

  /** How many connections the proxy that leaves still has; 0 where none leaves. */
  connectionsLeft(): Promise<number> {
    return this.#inTurn(() => this.#leaving.connections());
  }

  /** Ends the proxy that leaves, whatever it has: its hooks on the node are to be taken away after that, and {@link ProxySide.settle} called. */
  endLeaving(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#leaving.end();
      using place = await this.#reopen();
      // Packets of that proxy's interface are looked at again as those of others.
      if (place !== undefined && this.#record !== undefined) await this.#settings.apply(place, this.#record.reference);
    });
  }

  /** Takes all of it away and puts every setting back: call it when no hook is left. @returns what others changed, and was left */
  async restore(): Promise<Deviation[]> {
    await this.clear();
    return this.#inTurn(() => this.#settings.restore());
  }

  /** Watches no more; what steers goes on steering. A second call does nothing. @returns when nothing is being done any more */
  async close(): Promise<void> {
    this.#closed = true;
    this.#watch.close();
    await this.#queue;
  }

  /** The same as {@link close}, for `using`; what is being done is not waited for. */
  [Symbol.dispose](): void {
    void this.close();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  #reopen(): Promise<ProxyPlace | undefined> {
    const record = this.#record;
    if (record === undefined) return Promise.resolve(undefined);
    const { identity, reference, ownInterface } = record;
    return ProxyPlace.reopen(this.#options.host, identity, { reference, ownInterface: ownInterface.name });
  }

  #look(
    place: ProxyPlace,
    mode: SteeringState['mode'],
    { ports, steering }: Pick<ProxyRecord, 'ports'> & { readonly steering: Pick<SteeringRecord, 'bank'> },
    must: boolean,
  ): Promise<Look> {
    return lookForListeners(this.#options.sys, place, {
      ...this.#wanted,
      ports,
      mode,
      must,
      current: this.#steering.slots(steering).cookies(),
    });
  }

  async #converge(
    place: ProxyPlace,
    node: NodeFacts,
    { named, wanted, must }: { readonly named: NamedProxy; readonly wanted: Wanted; readonly must: boolean },
  ): Promise<void> {
    const before = this.#record;
    const isSamePlace = before !== undefined && isSame(before.identity, place.identity);
    const { reference, ports, dns, handover } = named;
    const previous = this.#wanted;
    this.#wanted = wanted;
    const returning = this.#leaving.current;
    const isReturning = returning !== undefined && isSame(returning.identity, place.identity);
    const there = isSamePlace ? before.steering : isReturning ? returning.steering : undefined;
    const bank = bankOf(there, before?.steering);
    let steering = { ...this.#steering.choose(), bank };
    let look: Look;
    try {
      const at = { ports, steering };
      look = await this.#look(place, steering.mode, at, must).catch(async (error: unknown) => {
        steering = { ...this.#steering.without(error), bank };
        return this.#look(place, steering.mode, at, must);
      });
    } catch (error) {
      this.#wanted = previous;
      throw error;
    }
    const leaving = isSamePlace ? this.leaving : before;
    await this.#settings.apply(place, reference, leaving?.hostInterface.name);
    if (!isSamePlace) {
      this.#lacks = new Set();
      if (isReturning) this.#leaving.forget();
      else await this.#leaving.end();
      if (before !== undefined && !(await this.#leaving.begin(before, place)))
        await this.#steering.detach(undefined, before.steering);
    }
    const announced = recordOf(place, named, there ?? steering);
    // Before the first change: who comes after a crash finishes it, or takes it away.
    this.#save(announced);
    const attached = await this.#steering.attach(place, steering, {
      facts: { node, ports, dns, handover },
      look,
      before: there,
    });
    const record = { ...announced, steering: attached };
    this.#save(record);
    // What was handed over is the caller's again, who closes it.
    this.#wanted = wanted.pid === undefined ? {} : { pid: wanted.pid };
    this.#seen(record, look);
  }

  #save(record: ProxyRecord): void {
    if (JSON.stringify(record) !== JSON.stringify(this.#record))
      this.#options.directory.records.put(PROXY_RECORD, record);
    this.#record = record;
  }

  /** Takes down what was seen, and says it where it is new. */
  #seen(record: ProxyRecord, { owner, choices }: Look): ProxyState {
    const { chosen, missing, complete } = choices;
    const state = this.#note(record, {
      pid: chosen.length === 0 ? undefined : owner.pid,
      listeners: chosen.map(({ listener }) => listener),
      status: complete ? 'listening' : 'away',
      missing: missing.map(({ why }) => why),
    });
    if (this.#closed || this.#options.readOnly === true) return state;
    this.#watch.follow(state.pid);
    // One that is just beginning opens its listeners one after the other.
    if (this.#isWhole(state)) this.#watch.rest();
    else if (!this.#watch.looking) this.#watch.lookOut();
    return state;
  }

  /** Whether nothing is missing but what was waited for in vain. */
  #isWhole({ status, missing }: ProxyState): boolean {
    return status === 'listening' && missing.every((each) => this.#lacks.has(each));
  }

  #isGone(record: ProxyRecord): ProxyState {
    this.#watch.close();
    return this.#note(record, away("the proxy's network namespace is gone"));
  }

  #note(record: ProxyRecord, seen: SeenProxy): ProxyState {
    const state = stateOf(record, seen);
    const isNews = this.#state !== undefined && JSON.stringify(this.#state) !== JSON.stringify(state);
    this.#state = state;
    if (isNews) this.#options.onChange?.(state);
    return state;
  }

  async #check(): Promise<Deviation[]> {
    const record = this.#record;
    if (record === undefined) return [];
    using place = await this.#reopen();
    if (place === undefined)
      return [{ what: "the proxy's network namespace", found: undefined, wanted: record.identity.netns }];
    const { mode } = record.steering;
    const { choices } = await this.#look(place, mode, record, false);
    return [
      ...(await this.#settings.check(place)),
      ...(await this.#steering.check(place, record.steering)),
      ...checkListeners(choices, mode === 'sk_lookup' ? this.#steering.slots(record.steering).cookies() : undefined),
    ];
  }

  /** The watched process has ended. */
  async #ended(pid: number): Promise<void> {
    // The id may be another's soon.
    if (this.#wanted.pid === pid) this.#wanted = {};
    // Another may have the listeners: a worker, or a successor that was started before.
    await this.#lookAgain();
  }

  /** Looks for listeners on its own account. @returns whether all are there */
  async #lookAgain(): Promise<boolean> {
    try {
      const state = await this.refill();
      return state === undefined || this.#isWhole(state);
    } catch (error) {
      const record = this.#closed ? undefined : this.#record;
      // The next look may fare better; until then it is known what stands in its way.
      if (record !== undefined && this.#state !== undefined)
        this.#note(record, away(error instanceof Error ? error.message : String(error)));
      return false;
    }
  }
}
