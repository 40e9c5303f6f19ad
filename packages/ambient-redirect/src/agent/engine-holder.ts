import type { EventStream } from 'netlink-tc';
import { RedirectEngine, type EngineOptions, type UnenrollOptions, type WatchOptions } from '../engine/index.ts';
import { isAmbientRedirectError } from '../error.ts';
import type { TrafficEvent } from '../observe/index.ts';

/** How long is waited before a watch that failed is begun again, in milliseconds. */
const AGAIN_MS = 1_000;

/** Told what the watch of the engine finds, and what an engine finds that takes the place of another. */
export type EngineWatch = Required<Pick<WatchOptions, 'onReconcile' | 'onError'>>;

/** What an engine is opened with, and how often it looks at everything. */
export type HeldOptions = EngineOptions & { readonly everyMs: number };

/**
 * The engine of an agent, which is exchanged for another when the options are others: what is asked of it meanwhile waits. In the kernel all goes
 * on.
 */
export class EngineHolder {
  readonly #watch: EngineWatch;
  #options: HeldOptions;
  #engine: Promise<RedirectEngine>;
  #isOver = false;
  #isLost = false;
  /** Who listens to events: there is one at most. */
  #stream: EventStream<TrafficEvent> | undefined;

  private constructor(engine: RedirectEngine, options: HeldOptions, watch: EngineWatch) {
    this.#options = options;
    this.#watch = watch;
    this.#engine = Promise.resolve(engine);
    this.#begin(engine);
  }

  /** Whether there is no engine any more: neither a new one could be opened, nor one like the old. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Opens an engine, and watches. @throws what `RedirectEngine.open` throws */
  static async open(options: HeldOptions, watch: EngineWatch): Promise<EngineHolder> {
    return new EngineHolder(await openEngine(options), options, watch);
  }

  #begin(engine: RedirectEngine): void {
    const { onReconcile, onError } = this.#watch;
    const { everyMs } = this.#options;
    try {
      const watch = engine.watch({
        onReconcile,
        everyMs,
        onError: (error) => {
          onError(error);
          // It may have ended by this: another one costs nothing.
          watch[Symbol.dispose]();
          this.#beginAgain(engine);
        },
      });
    } catch (error) {
      onError(error);
      this.#beginAgain(engine);
    }
  }

  #beginAgain(engine: RedirectEngine): void {
    const again = async (): Promise<void> => {
      const now = await this.#engine.catch(() => undefined);
      if (now === engine && !this.#isOver) this.#begin(engine);
    };
    setTimeout(() => void again(), AGAIN_MS).unref();
  }

  /** Does something with the engine. It is done again with the next one if this one is exchanged meanwhile. */
  async use<T>(work: (engine: RedirectEngine) => Promise<T>): Promise<T> {
    for (;;) {
      const engine = await this.#engine;
      try {
        return await work(engine);
      } catch (error) {
        if (!isAmbientRedirectError(error, 'ERR_CLOSED') || this.#isOver || (await this.#engine) === engine)
          throw error;
      }
    }
  }

  /** As `RedirectEngine.unenroll`; the time to drain is counted from now, by whichever engine it is done. */
  unenroll(id: string, options?: UnenrollOptions): Promise<boolean>;
  unenroll(ids: string | readonly string[], options?: UnenrollOptions): Promise<boolean | readonly boolean[]>;
  unenroll(
    ids: string | readonly string[],
    { drain, ...options }: UnenrollOptions = {},
  ): Promise<boolean | readonly boolean[]> {
    const begun = Date.now();
    let isAsked = false;
    return this.use(async (engine): Promise<boolean | readonly boolean[]> => {
      // Asked again for one who waits no more, the next engine would drain a pod that was enrolled anew meanwhile.
      if (isAsked) options.signal?.throwIfAborted();
      isAsked = true;
      // What is no time at all stays so: the engine refuses it.
      const timeoutMs = Math.max(
        Math.min(0, Number(drain?.timeoutMs)),
        Number(drain?.timeoutMs) - (Date.now() - begun),
      );
      const how = drain === undefined ? options : { ...options, drain: { timeoutMs } };
      return typeof ids === 'string' ? engine.unenroll(ids, how) : engine.unenroll(ids, how);
    });
  }

  /** As `RedirectEngine.events`. */
  events(options?: Parameters<RedirectEngine['events']>[0]): Promise<EventStream<TrafficEvent>> {
    return this.use(async (engine) => {
      const stream = await engine.events(options);
      this.#stream = stream;
      return stream;
    });
  }

  /**
   * Exchanges the engine for one with other options, or for one with those that it had where they cannot be had.
   * @throws what `RedirectEngine.open` throws of the new options
   */
  async reopen(options: HeldOptions): Promise<void> {
    const before = this.#options;
    let failure: { readonly error: unknown } | undefined;
    this.#engine = this.#engine.then(async (old) => {
      this.#stream?.close();
      await old.close();
      const engine = await openEngine(options).catch((error: unknown) => {
        failure = { error };
        return openEngine(before);
      });
      if (failure === undefined) this.#options = options;
      this.#begin(engine);
      if (engine.opening !== undefined) this.#watch.onReconcile(engine.opening);
      return engine;
    });
    try {
      await this.#engine;
    } catch (error) {
      this.#isLost = true;
      throw error;
    }
    // The analysis of the flow does not see that it is set above.
    const { error } = (failure ?? {}) as { readonly error?: unknown };
    if (error !== undefined) throw error;
  }

  /** Takes everything away, and ends. */
  async teardown(): ReturnType<RedirectEngine['teardown']> {
    const engine = await this.#engine;
    this.#stream?.close();
    const kept = await engine.teardown();
    this.#isOver = true;
    return kept;
  }

  /** Lets go of the engine and leaves everything running. A second call does nothing. */
  async close(): Promise<void> {
    this.#isOver = true;
    this.#stream?.close();
    await this.#engine.then(
      (engine) => engine.close(),
      () => undefined,
    );
  }
}

function openEngine({ everyMs: _everyMs, ...options }: HeldOptions): Promise<RedirectEngine> {
  return RedirectEngine.open(options);
}
