import type { EventStream } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import type { TrafficEvent } from '../observe/index.ts';
import { invalid } from '../policy.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { settlePreserved } from './advance.ts';
import { inBulk } from './bulk.ts';
import { wantsDns, type EngineContext } from './context.ts';
import { convergeAll, convergeHostIn } from './converge.ts';
import { beginDrain, settleDrains } from './drain.ts';
import { enrollPods, type Enrolment, type EnrollOptions, type EnrolmentFailure } from './enroll.ts';
import { handOver, settleHandOver } from './hand-over.ts';
import type { PodRequest } from './roster.ts';
import { readMetrics, type EngineMetrics } from './metrics.ts';
import { closeContext, openContext } from './open-context.ts';
import type { EngineOptions } from './options.ts';
import type { ProxySide, ProxyReference, ProxyState } from './proxy-side.ts';
import { ReconcileMeter } from './reconcile-meter.ts';
import { reconcile, type ReconcileReport } from './reconcile.ts';
import { readStatus, type EngineStatus } from './status.ts';
import { recordTelling, tellingOf, type EventOptions } from './telling.ts';
import { trafficStream } from './traffic-stream.ts';
import { removePod } from './unenroll.ts';
import { Watch, type WatchOptions } from './watch.ts';

/** How often it is looked whether connections that run past the proxy have ended. */
const SETTLE_MS = 2_000;

/** How often it is looked how many connections are left, while someone waits for it. */
const DRAIN_LOOK_MS = 100;

/** Options of {@link RedirectEngine.unenroll}. */
export interface UnenrollOptions {
  /** Lets connections by the proxy run to their end; those that are left after so many milliseconds are cut off. */
  readonly drain?: { readonly timeoutMs: number };
  /** Waits no more; the draining goes on. */
  readonly signal?: AbortSignal;
  /** Told how many connections are left. */
  readonly onProgress?: (left: number) => void;
}

/**
 * The redirection engine of a node. It catches the traffic of the pods that are enrolled, hands it to the node's proxy, and leaves everything
 * else alone. What it makes in the kernel outlives it: {@link RedirectEngine.close} leaves all running, and the next engine that is opened on
 * the same directory takes it over; {@link RedirectEngine.teardown} takes all of it away.
 *
 * Its methods wait for each other: at no time do two of them change the node.
 * @example
 * ```ts
 * const engine = await RedirectEngine.open({ podCidrs: ['10.244.1.0/24', 'fd00:10:244:1::/64'] });
 * await engine.setProxy({ netns: { path: '/run/netns/ztunnel' }, pid: 4711 });
 * await engine.enroll({ id: 'shop/cart-1', netns: { path: '/run/netns/cni-1234' } });
 * ```
 */
export class RedirectEngine implements AsyncDisposable {
  readonly #context: EngineContext;
  /** What is being done, and what waits for it. */
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;
  #timer: NodeJS.Timeout | undefined;
  #watches: readonly Watch[] = [];
  readonly #reconciles = new ReconcileMeter();

  private constructor(context: EngineContext) {
    this.#context = context;
  }

  /**
   * Opens the engine: makes its directory, or takes over what is there, and brings the kernel in line with what was wanted last.
   * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for an option; `ERR_LOCKED` while another process has the directory; `ERR_SCHEMA` when
   * what is there is of an incompatible version
   * @throws NetlinkTcError `ERR_PERMISSION` without the privileges that it takes: `CAP_BPF`, `CAP_NET_ADMIN`, `CAP_SYS_ADMIN`, and
   * `CAP_SYS_PTRACE` to find the proxy's listeners
   */
  static async open(options: EngineOptions = {}): Promise<RedirectEngine> {
    const opened: { engine?: RedirectEngine } = {};
    const context = await openContext(options, () => {
      if (opened.engine !== undefined) opened.engine.#proxyChanged();
    });
    opened.engine = new RedirectEngine(context);
    opened.engine.#settleLater();
    return opened.engine;
  }

  /** What was found and mended when it was opened; undefined where there was nothing to look at. */
  get opening(): ReconcileReport | undefined {
    return this.#context.opening;
  }

  /** Does one thing after the other. */
  #inTurn<T>(work: (context: EngineContext) => Promise<T>): Promise<T> {
    const turn = this.#queue.then(() => {
      if (this.#closed) {
        throw new AmbientRedirectError('ERR_CLOSED', 'the engine is closed', { hint: 'open another one' });
      }
      return work(this.#context);
    });
    this.#queue = turn.catch(() => undefined);
    return turn;
  }

  /** Does something to a number of pods. */
  #inBulk<T>(pods: number, work: (context: EngineContext) => Promise<T>): Promise<T> {
    return this.#inTurn((context) => inBulk(context.directory.records, pods, () => work(context)));
  }

  /** The proxy went away, or came back: where packets pass without one, programs have to be others. */
  #proxyChanged(): void {
    if (this.#closed || this.#context.settings.withoutProxy === 'drop') return;
    // What fails here fails again, and is told, at the next reconcile.
    this.#inTurn((context) => convergeAll(context)).catch(() => undefined);
  }

  /** Looks again, as long as there are connections that run past the proxy until they end. */
  #settleLater(): void {
    if (this.#timer !== undefined) return;
    const { pods, proxySide } = this.#context;
    const isOnItsWay = [...pods.values()].some(({ mode }) => mode === 'preserve' || mode === 'drain');
    if (!isOnItsWay && proxySide.leaving === undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#closed) return;
      const settle = this.#inTurn(async (context) => {
        await settlePreserved(context);
        await settleDrains(context);
        await settleHandOver(context);
      });
      // A failure is told by the next reconcile, which does the same.
      settle.catch(() => undefined).finally(() => this.#settleLater());
    }, SETTLE_MS);
    this.#timer.unref();
  }

  /**
   * Says who the proxy is, at the beginning, and when it is another one. What the node needs for it is set and recorded before anything is sent to it.
   *
   * One proxy takes over from another without a connection lost. Where both are in the same namespace, on the same ports (`SO_REUSEPORT`): start the
   * new one, name it with `handover`, then end the old one softly. When that has ended, name the new one without. Where the new one is in a namespace
   * of its own: start it and name it. What is new goes to it; the old one keeps the connections that it has, and when they have ended nothing of
   * it is left. `status` tells how many there are; to end it sooner, end its process. To name the old one again takes it back.
   * @param options `handover`: new connections come to none but its own sockets
   * @throws AmbientRedirectError `ERR_PROXY_NOT_LISTENING` when it does not listen where it should; what `resolvePod` throws
   */
  setProxy(proxy: ProxyReference, options: { readonly handover?: boolean } = {}): Promise<ProxyState> {
    const { handover = false } = options;
    return this.#inTurn(async (context) => {
      const state = await context.proxySide.set(proxy, context.node, { dns: wantsDns(context), handover });
      await handOver(context);
      this.#settleLater();
      return state;
    });
  }

  /** Says that there is no proxy any more: what would be captured is dropped, or passes, as the option `withoutProxy` has it. */
  clearProxy(): Promise<void> {
    return this.#inTurn(async (context) => {
      await context.proxySide.clear();
      await convergeAll(context);
    });
  }

  /**
   * Enrolls a pod, or several at once, which takes much less than one by one. A pod that is enrolled already stays as it is, but for its policy.
   * @returns in the order of the requests
   * @throws AmbientRedirectError what the pod cannot be enrolled for; of several `ERR_ENROLMENT` with `failures`: the others are enrolled
   */
  enroll(pod: PodRequest, options?: EnrollOptions): Promise<Enrolment>;
  enroll(pods: readonly PodRequest[], options?: EnrollOptions): Promise<readonly Enrolment[]>;
  enroll(
    pods: PodRequest | readonly PodRequest[],
    options: EnrollOptions = {},
  ): Promise<Enrolment | readonly Enrolment[]> {
    const isOne = !Array.isArray(pods);
    const requests = (isOne ? [pods] : pods) as readonly PodRequest[];
    return this.#inBulk(requests.length, async (context): Promise<Enrolment | readonly Enrolment[]> => {
      const { enrolled, failed } = await enrollPods(context, requests, options);
      this.#settleLater();
      const [first] = failed;
      if (first !== undefined) throw isOne ? first.error : someFailed(first, failed, requests.length);
      return isOne ? (enrolled[0] as Enrolment) : enrolled;
    });
  }

  /**
   * Takes pods out of the mesh. Those that are not enrolled are left alone. With `drain`, connections by the proxy run to their end before, and
   * new ones go past it; without, they are cut off.
   *
   * A drain goes on when this engine is closed: in the next one.
   * @returns whether each was enrolled, once it is not any more
   * @throws the signal's reason when it aborts: the pod goes on draining, and can be cut short by `unenroll` without `drain`
   */
  unenroll(id: string, options?: UnenrollOptions): Promise<boolean>;
  unenroll(ids: readonly string[], options?: UnenrollOptions): Promise<readonly boolean[]>;
  async unenroll(
    ids: string | readonly string[],
    { drain, signal, onProgress }: UnenrollOptions = {},
  ): Promise<boolean | readonly boolean[]> {
    const all = typeof ids === 'string' ? [ids] : ids;
    if (drain !== undefined && !(drain.timeoutMs >= 0 && drain.timeoutMs < Infinity))
      throw invalid('drain.timeoutMs', 'is a number of milliseconds, from 0', drain.timeoutMs);
    const results = await this.#inBulk(all.length, async (context) => {
      const known: boolean[] = [];
      for (const id of all) {
        const pod = context.pods.get(id);
        if (pod !== undefined && drain !== undefined && pod.phase !== 'leaving')
          await beginDrain(context, pod, Date.now() + drain.timeoutMs);
        else if (pod !== undefined) await removePod(context, pod);
        known.push(pod !== undefined);
      }
      await convergeHostIn(context);
      // A drain goes on though nobody waits for its end.
      this.#settleLater();
      return known;
    });
    if (drain !== undefined) await this.#drained(all, signal, onProgress);
    return typeof ids === 'string' ? results[0] === true : results;
  }

  /** Waits until pods have drained. */
  async #drained(
    ids: readonly string[],
    signal: UnenrollOptions['signal'] | undefined,
    onProgress: UnenrollOptions['onProgress'] | undefined,
  ): Promise<void> {
    for (let waiting = 1; waiting > 0;) {
      signal?.throwIfAborted();
      const left = await this.#inTurn(settleDrains);
      waiting = ids.reduce((sum, id) => sum + (left.get(id) ?? 0), 0);
      onProgress?.(waiting);
      // An abort wakes it, and is told by its own reason.
      if (waiting > 0) await sleep(DRAIN_LOOK_MS, undefined, signal && { signal }).catch(() => undefined);
    }
  }

  /** What is wanted, and what is found in the kernel. Changes nothing. */
  status(): Promise<EngineStatus> {
    return this.#inTurn(readStatus);
  }

  /**
   * Compares what is wanted with the kernel, and mends what differs. Call it when something may have changed, and every minute or so.
   */
  reconcile(): Promise<ReconcileReport> {
    return this.#inTurn((context) => this.#reconciles.measure(() => reconcile(context)));
  }

  /**
   * Reconciles whenever the kernel tells that links, addresses, qdiscs or filters of the host have changed that concern the engine: soon after,
   * at most once a second, and every minute whatever happens, since nothing tells of some changes. It ends with the engine.
   * @example
   * ```ts
   * using watch = engine.watch({ onReconcile: ({ repaired, removed }) => console.log(repaired, removed) });
   * ```
   */
  watch(options: WatchOptions = {}): Disposable {
    if (this.#closed)
      throw new AmbientRedirectError('ERR_CLOSED', 'the engine is closed', { hint: 'open another one' });
    const watch = new Watch(this.#context, () => this.reconcile(), options);
    this.#watches = [...this.#watches.filter(({ closed }) => !closed), watch];
    return watch;
  }

  /** Counts packets and bytes: by pod, direction, family and verdict since the pod was enrolled, and connections at the proxy. */
  metrics(): Promise<EngineMetrics> {
    return this.#inTurn((context) => Promise.resolve(readMetrics(context, this.#reconciles.read())));
  }

  /**
   * Tells of packets as they pass. While nobody listens the programs have no instruction for it: they are exchanged for others that tell,
   * and back when the stream is closed.
   * @throws AmbientRedirectError `ERR_CONFLICT` while there is another listener; `ERR_INVALID_ARGUMENT` for an option
   */
  events(options: EventOptions = {}): Promise<EventStream<TrafficEvent>> {
    return this.#inTurn(async (context) => {
      const telling = tellingOf(options);
      if (context.telling !== undefined) {
        throw new AmbientRedirectError('ERR_CONFLICT', 'someone listens to events already', {
          hint: 'close that stream first: the ring buffer has one reader',
        });
      }
      const stream = trafficStream(context, telling, () => {
        context.telling = undefined;
        const silenced = this.#inTurn(async (now) => {
          if (now.telling !== undefined) return;
          await convergeAll(now);
          recordTelling(now.directory.records, undefined);
        });
        // Programs that go on telling nobody are only slower: the next reconcile exchanges them, if this fails.
        silenced.catch(() => undefined);
      });
      context.telling = telling;
      try {
        recordTelling(context.directory.records, telling);
        await convergeAll(context);
      } catch (error) {
        stream.close();
        throw error;
      }
      return stream;
    });
  }

  /** Lets go of everything and leaves it running, after what is being done. A second call does nothing. */
  close(): Promise<void> {
    const closed = this.#queue.then(() => this.#letGo());
    this.#queue = closed.catch(() => undefined);
    return closed;
  }

  async #letGo(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const watch of this.#watches) watch.close();
    await closeContext(this.#context);
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * Takes away everything that was made: pods first, then what is at the proxy, then the settings of the node, which become what they were.
   * The engine is closed after it.
   * @returns settings that were left because someone else has changed them since
   */
  teardown(): Promise<Awaited<ReturnType<ProxySide['restore']>>> {
    return this.#inTurn(async (context) => {
      const { pods, directory } = context;
      await inBulk(directory.records, pods.size, async () => {
        for (const pod of pods.values()) await removePod(context, pod);
      });
      await context.proxySide.clear();
      await convergeHostIn(context);
      const kept = await context.proxySide.restore();
      await context.hooks.removeQdiscs();
      directory.remove();
      await this.#letGo();
      return kept;
    });
  }
}

function someFailed(first: EnrolmentFailure, failures: readonly EnrolmentFailure[], of: number): AmbientRedirectError {
  const why = first.error instanceof Error ? first.error.message : String(first.error);
  return new AmbientRedirectError(
    'ERR_ENROLMENT',
    `${failures.length} of ${of} pods could not be enrolled; ${first.id}: ${why}`,
    { cause: first.error, failures },
  );
}
