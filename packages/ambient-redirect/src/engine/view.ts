import { DEFAULT_DIRECTORY, type EngineOptions } from './options.ts';
import type { EngineContext } from './context.ts';
import { readMetrics, type EngineMetrics } from './metrics.ts';
import { closeContext, lookAtContext } from './open-context.ts';
import { recordedOptions } from './recorded-options.ts';
import { readStatus, type EngineStatus } from './status.ts';

/**
 * Looks at what an engine has made, whoever has it: beside a process that runs, or where there is none by now. It takes no lock and changes
 * nothing; what it tells is of when it was opened, so open another one to look again.
 * @example
 * ```ts
 * await using view = await EngineView.open();
 * const { ok, pods } = await view.status();
 * ```
 */
export class EngineView implements AsyncDisposable {
  /** What the engine was opened with, as far as it means something to another process. */
  readonly options: EngineOptions;
  readonly #context: EngineContext;

  private constructor(context: EngineContext, options: EngineOptions) {
    this.#context = context;
    this.options = options;
  }

  /**
   * Opens the pinned state of an engine.
   * @param options `host` where the engine has another host than this thread's namespace, and was told by a descriptor
   * @throws AmbientRedirectError `ERR_NO_STATE` where there is none; `ERR_SCHEMA`, `ERR_DAMAGED`
   * @throws NetlinkTcError `ERR_PERMISSION`
   */
  static async open(options: Pick<EngineOptions, 'sys' | 'directory' | 'host'> = {}): Promise<EngineView> {
    const { directory = DEFAULT_DIRECTORY } = options;
    const recorded = { ...(await recordedOptions(options)), directory };
    return new EngineView(await lookAtContext({ ...recorded, ...options }), recorded);
  }

  /** What is wanted, and what is found in the kernel. */
  status(): Promise<EngineStatus> {
    return readStatus(this.#context);
  }

  /** Counts packets and bytes, as `RedirectEngine.metrics` does. */
  metrics(): Promise<EngineMetrics> {
    return Promise.resolve(readMetrics(this.#context));
  }

  /** Lets go of it. A second call does nothing. */
  close(): Promise<void> {
    return closeContext(this.#context);
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
