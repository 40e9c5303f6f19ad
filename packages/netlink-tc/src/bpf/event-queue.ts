import { NetlinkTcError } from '../error.ts';

/** A stream of events with a bounded queue. Iterate it once; leaving the loop closes it. */
export interface EventStream<T> extends AsyncIterable<T>, Disposable {
  /** Events that were thrown away because the reader was too slow. */
  readonly dropped: number;
  /** The events, from the first call on; ends when the stream is closed or the signal aborts (by its reason). */
  readonly events: (options?: { readonly signal?: AbortSignal }) => AsyncGenerator<T, void, undefined>;
  /** Ends the stream. A second call does nothing. */
  readonly close: () => void;
  readonly [Symbol.asyncIterator]: () => AsyncGenerator<T, void, undefined>;
}

/** The writing end of a stream. */
export interface EventQueue<T> {
  readonly stream: EventStream<T>;
  /** Adds an event, made only if there is room for it. */
  push(make: () => T): void;
  /** Counts events that were lost before they came here. */
  lose(count: number): void;
  /** Ends the stream with an error, once the events before it are read. */
  fail(error: unknown): void;
}

/** What a stream is made of. */
export interface EventQueueOptions {
  /** Most events that wait for the reader; 65536 where nothing is said. */
  readonly capacity?: number;
  /** Called when someone begins to read. */
  start(): void;
  /** Called once, at the end. */
  stop(): void;
}

/** Makes a queue between a source that calls back and a reader that iterates. */
export function eventQueue<T>({ capacity = 65_536, start, stop }: EventQueueOptions): EventQueue<T> {
  if (!Number.isInteger(capacity) || capacity < 1) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `the capacity is ${String(capacity)}, not an integer above 0`);
  }
  let waiting: T[] = [];
  let taken = 0;
  let dropped = 0;
  let failure: { readonly error: unknown } | undefined;
  let isOpen = true;
  let wake: (() => void) | undefined;

  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    stop();
    wake?.();
  };
  const next = (): T | undefined => {
    const event = waiting[taken];
    taken += 1;
    if (taken === waiting.length) {
      waiting = [];
      taken = 0;
    }
    return event;
  };

  async function* events({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<T, void, undefined> {
    const onAbort = (): void => wake?.();
    signal?.addEventListener('abort', onAbort);
    try {
      signal?.throwIfAborted();
      if (isOpen) start();
      for (;;) {
        while (waiting.length > taken) yield next() as T;
        if (failure !== undefined) throw failure.error;
        if (!isOpen) return;
        signal?.throwIfAborted();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        wake = undefined;
      }
    } finally {
      signal?.removeEventListener('abort', onAbort);
      close();
    }
  }

  return {
    stream: {
      get dropped(): number {
        return dropped;
      },
      events,
      [Symbol.asyncIterator]: () => events(),
      close,
      [Symbol.dispose]: close,
    },
    push(make: () => T): void {
      if (waiting.length - taken >= capacity) dropped += 1;
      else waiting.push(make());
      wake?.();
    },
    lose(count: number): void {
      dropped += count;
    },
    fail(error: unknown): void {
      failure ??= { error };
      wake?.();
    },
  };
}
