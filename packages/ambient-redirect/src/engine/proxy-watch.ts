import { isNetlinkTcError, openPidfd, type Pidfd, type Sys } from 'netlink-tc';

/** How often a successor is looked for, and how long, in milliseconds. After that it is for whoever reconciles. */
const INTERVAL_MS = 100;
const PATIENCE_MS = 60_000;

/** What {@link ProxyWatch} tells. */
export interface WatchEvents {
  /** The process has ended. */
  readonly onEnd: (pid: number) => void;
  /** Looks for listeners. @returns whether all of the proxy is there again: the look-out is over */
  readonly look: () => Promise<boolean>;
  /** The look-out is over, and not all was found. */
  readonly onPatienceEnd: () => void;
}

/** Watches the process of the proxy, and looks out for its successor. */
export class ProxyWatch {
  readonly #sys: Sys;
  readonly #events: WatchEvents;
  #pidfd: Pidfd | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(sys: Sys, events: WatchEvents) {
    this.#sys = sys;
    this.#events = events;
  }

  /** Watches a process in place of the one before. One that has ended already is told at once, nobody is watched where it is undefined. */
  follow(pid: number | undefined): void {
    if (pid === this.#pidfd?.pid) return;
    this.#pidfd?.close();
    this.#pidfd = undefined;
    if (pid === undefined) return;
    try {
      const pidfd = openPidfd(this.#sys, pid);
      this.#pidfd = pidfd;
      // It rejects when it is closed, which is when nobody wants to know any more.
      pidfd.exited().then(
        () => this.#ended(pidfd, pid),
        () => undefined,
      );
    } catch (error) {
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
      this.#events.onEnd(pid);
    }
  }

  #ended(pidfd: Pidfd, pid: number): void {
    // It was closed, or another is watched by now.
    if (pidfd !== this.#pidfd) return;
    this.follow(undefined);
    this.#events.onEnd(pid);
  }

  /** Begins to look for the proxy, every 100 ms for a minute; where that goes on already, the minute begins anew. */
  lookOut(): void {
    this.rest();
    const until = Date.now() + PATIENCE_MS;
    const again = (): void => {
      const timer = setTimeout(() => void look(), INTERVAL_MS).unref();
      const look = async (): Promise<void> => {
        const found = await this.#events.look();
        if (timer !== this.#timer) return;
        if (!found && Date.now() < until) return again();
        this.rest();
        if (!found) this.#events.onPatienceEnd();
      };
      this.#timer = timer;
    };
    again();
  }

  /** Whether a look-out is on. */
  get looking(): boolean {
    return this.#timer !== undefined;
  }

  /** Ends the look-out. */
  rest(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Ends all of it. A second call does nothing. */
  close(): void {
    this.follow(undefined);
    this.rest();
  }
}
