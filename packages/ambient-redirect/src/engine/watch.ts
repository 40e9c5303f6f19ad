import { addressSource, Monitor, qdiscSource, RTNLGRP, type MonitorSource } from 'netlink-tc';
import { proxiesOf, type EngineContext } from './context.ts';
import type { ReconcileReport } from './reconcile.ts';

/** How long is waited for more after the first change, and at least from one look to the next, in milliseconds. */
const CALM_MS = 100;
const GAP_MS = 1_000;

/** What has no notification (programs of tcx, pins, what goes on in pods) is looked at every minute. */
const EVERY_MS = 60_000;

/** Options of `RedirectEngine.watch`. */
export interface WatchOptions {
  /** Ends the watch. */
  readonly signal?: AbortSignal;
  /** Told what each look found and did, where it found something. */
  readonly onReconcile?: (report: ReconcileReport) => void;
  /** Told that a look, or the watch itself, failed; a watch that failed has ended. */
  readonly onError?: (error: unknown) => void;
  /** How often it is looked without a notification, in milliseconds; every minute if left out. */
  readonly everyMs?: number;
}

/** Links, qdiscs, filters and addresses of the host: a value counts the notifications that concern us. */
function changes(concerns: (device: number) => boolean): MonitorSource<number> {
  const addresses = addressSource();
  let seen = 0;
  return {
    groups: [RTNLGRP.LINK, RTNLGRP.TC, RTNLGRP.IPV4_IFADDR, RTNLGRP.IPV6_IFADDR],
    formats: [...qdiscSource().formats, ...addresses.formats],
    list: () => Promise.resolve([(seen += 1)]),
    read: (message) => {
      const isAddress = addresses.formats.some(({ types }) => Object.values(types).includes(message.type));
      const { index } = message.header as { readonly index?: number };
      return isAddress || (index !== undefined && concerns(index)) ? { kind: 'put', value: (seen += 1) } : undefined;
    },
    key: () => 'seen',
  };
}

/** Has the engine look again when something changes on the host that concerns it, and from time to time. */
export class Watch implements Disposable {
  readonly #look: () => Promise<ReconcileReport>;
  readonly #options: WatchOptions;
  readonly #monitor: Monitor<number>;
  #timer: NodeJS.Timeout | undefined;
  #last = 0;
  #isClosed = false;
  /** Something has changed since the look that goes on began. */
  #changed = false;
  #looking = false;

  constructor(context: EngineContext, look: () => Promise<ReconcileReport>, options: WatchOptions) {
    this.#look = look;
    this.#options = options;
    const { pods, proxySide, host, sys } = context;
    const concerns = (device: number): boolean =>
      proxiesOf(proxySide).some(({ hostInterface }) => hostInterface.index === device) ||
      [...pods.values()].some(({ hostInterface }) => hostInterface.index === device);
    this.#monitor = Monitor.open(sys, changes(concerns), { netns: host.netns });
    options.signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (options.signal?.aborted === true) this.close();
    void this.#listen();
  }

  readonly #onAbort = (): void => this.close();

  async #listen(): Promise<void> {
    try {
      this.#wait(this.#every);
      for await (const { type } of this.#monitor) if (type === 'changed' || type === 'resync') this.#soon();
    } catch (error) {
      this.close();
      this.#options.onError?.(error);
    }
  }

  get #every(): number {
    return this.#options.everyMs ?? EVERY_MS;
  }

  #soon(): void {
    this.#changed = true;
    if (!this.#looking) this.#wait(Math.max(CALM_MS, this.#last + GAP_MS - Date.now()));
  }

  #wait(forMs: number): void {
    clearTimeout(this.#timer);
    if (!this.#isClosed) this.#timer = setTimeout(() => void this.#lookAgain(), forMs).unref();
  }

  async #lookAgain(): Promise<void> {
    this.#looking = true;
    this.#changed = false;
    this.#last = Date.now();
    try {
      const report = await this.#look();
      const found = report.repaired.length + report.removed.length + report.failed.length;
      if (found > 0 && !this.#isClosed) this.#options.onReconcile?.(report);
    } catch (error) {
      if (!this.#isClosed) this.#options.onError?.(error);
    }
    this.#looking = false;
    if (this.#changed) this.#soon();
    else this.#wait(this.#every);
  }

  /** Whether it has ended. */
  get closed(): boolean {
    return this.#isClosed;
  }

  /** Ends it. A second call does nothing. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#monitor.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
