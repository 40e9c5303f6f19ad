import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import type { Netns } from '../netns/index.ts';
import type { Fd, Poll, Sys } from '../sys/index.ts';
import { debugFromEnvironment, describeMessage, type DebugSink } from './debug.ts';
import { readMessage, walkMessages, type Message, type MessageFormat } from './message.ts';
import type { Attributes } from './policy.ts';
import { Receiver } from './receiver.ts';
import { NETLINK_ROUTE, NetlinkSocket } from './socket.ts';
import { openRawSocket } from './socket-options.ts';

const { EAGAIN, ENOBUFS } = constants.errno;

/** Notifications that may be read between the wish for a fresh list and the list. */
const UNLISTED = 1000;

/** What a notification means to who watches. */
export type Change<T> =
  | { readonly kind: 'put' | 'delete'; readonly value: T }
  /** The notification does not tell enough (IPv4 routes go with their link, without a word): list again. */
  | { readonly kind: 'refresh' };

/** What a monitor watches: the groups to join, how to list what is there, and how to understand notifications. */
export interface MonitorSource<T> {
  /** Multicast groups of `linux/rtnetlink.h`. */
  readonly groups: readonly number[];
  /** Everything that is there now. */
  list(socket: NetlinkSocket): Promise<readonly T[]>;
  /** Formats of the notifications that {@link MonitorSource.read} wants; others are skipped. */
  readonly formats: readonly MessageFormat[];
  /** What a notification means; undefined for one that means nothing here. */
  read(message: Message): Change<T> | undefined;
  /** What tells values apart. Two of one key with different contents are a change. */
  key(value: T): string;
}

function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(a, plain) === JSON.stringify(b, plain);
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}

/** One event of a monitor. */
export type MonitorEvent<T> =
  /** It was there when the monitor began. */
  | { readonly type: 'existing'; readonly value: T }
  /** All that was there has been told. */
  | { readonly type: 'ready' }
  | { readonly type: 'added'; readonly value: T }
  | { readonly type: 'changed'; readonly value: T; readonly previous: T }
  | { readonly type: 'removed'; readonly value: T }
  /** Notifications were lost; the differences to a fresh list follow as ordinary events. */
  | { readonly type: 'resync' };

/** Options of {@link Monitor.open}. */
export interface MonitorOptions {
  readonly netns?: Netns;
  /** Ends the monitor: the iteration then ends without an error. */
  readonly signal?: AbortSignal;
  /** Bytes of the kernel's queue of notifications; above the system's limit it needs `CAP_NET_ADMIN`. 1 MiB if left out. */
  readonly receiveBuffer?: number;
}

/**
 * Watches kernel objects: first all that are there, then every change. It ends when it is closed or its signal says so, never by
 * itself.
 *
 * The kernel's queue is the only one: a reader that is slow loses notifications there, hears `resync`, and is then told the
 * differences to a fresh list, so that who applies all events always ends up with what the kernel has.
 * @example
 * ```ts
 * for await (const event of Monitor.open(sys, linkSource())) console.log(event.type);
 * ```
 */
export class Monitor<T> implements AsyncIterableIterator<MonitorEvent<T>>, Disposable {
  readonly #sys: Sys;
  readonly #source: MonitorSource<T>;
  readonly #socket: NetlinkSocket;
  readonly #fd: Fd;
  readonly #receiver: Receiver;
  readonly #known = new Map<string, T>();
  readonly #events: MonitorEvent<T>[] = [];
  readonly #debug: DebugSink | undefined = debugFromEnvironment();
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.close();
  #started = false;
  #refresh = false;
  #unlisted = 0;
  #resyncs = 0;
  #poll: Poll | undefined;
  #wake: (() => void) | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(
    sys: Sys,
    source: MonitorSource<T>,
    socket: NetlinkSocket,
    fd: Fd,
    signal: AbortSignal | undefined,
  ) {
    this.#sys = sys;
    this.#source = source;
    this.#socket = socket;
    this.#fd = fd;
    this.#receiver = new Receiver(sys);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted === true) this.close();
  }

  /** Opens a monitor. Notifications are queued from here on, before the first list is read. */
  static open<T>(sys: Sys, source: MonitorSource<T>, options: MonitorOptions = {}): Monitor<T> {
    const { netns, signal, receiveBuffer = 1024 * 1024 } = options;
    const open = (): Monitor<T> => {
      const socket = NetlinkSocket.open(sys);
      try {
        const { fd } = openRawSocket(sys, { protocol: NETLINK_ROUTE, groups: source.groups, receiveBuffer });
        return new Monitor(sys, source, socket, sys.fds.own(fd, 'netlink monitor'), signal);
      } catch (error) {
        socket.close();
        throw error;
      }
    };
    return netns === undefined ? open() : netns.run(open);
  }

  /** How often notifications were lost. */
  get resyncs(): number {
    return this.#resyncs;
  }

  /** What is known now, after the events that were read. */
  get values(): readonly T[] {
    return [...this.#known.values()];
  }

  /** The next event; waits for it. Calls are answered one after the other. */
  async next(): Promise<IteratorResult<MonitorEvent<T>, undefined>> {
    const turn = this.#turn.then(() => this.#next());
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Ends the iteration, as leaving a `for await` loop does. */
  async return(): Promise<IteratorResult<MonitorEvent<T>, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the monitor; who waits for an event gets the end. A second call does nothing. */
  close(): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#poll?.close();
    this.#fd.close();
    this.#socket.close();
    this.#wake?.();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async #next(): Promise<IteratorResult<MonitorEvent<T>, undefined>> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) return { done: false, value: event };
      if (this.#fd.closed) return { done: true, value: undefined };
      if (!this.#started) await this.#start();
      // A list answers for all notifications that were queued before it: they are read first, but not for ever.
      else if (this.#refresh && (this.#unlisted >= UNLISTED || !this.#read())) await this.#listAgain();
      else if (!this.#refresh && !this.#read()) await this.#readable();
    }
  }

  async #start(): Promise<void> {
    const values = await this.#list();
    if (values === undefined) return;
    this.#started = true;
    for (const value of values) {
      this.#known.set(this.#source.key(value), value);
      this.#events.push({ type: 'existing', value });
    }
    this.#events.push({ type: 'ready' });
  }

  async #listAgain(): Promise<void> {
    this.#refresh = false;
    this.#unlisted = 0;
    const values = await this.#list();
    if (values === undefined) return;
    const gone = new Set(this.#known.keys());
    for (const value of values) {
      gone.delete(this.#source.key(value));
      this.#put(value);
    }
    for (const key of gone) this.#delete(key);
  }

  /** A fresh list; undefined where the monitor was closed, or the list was interrupted too often and must be tried again. */
  async #list(): Promise<readonly T[] | undefined> {
    try {
      return await this.#source.list(this.#socket);
    } catch (error) {
      if (this.#fd.closed) return undefined;
      if (error instanceof NetlinkTcError && error.code === 'ERR_DUMP_INTERRUPTED') {
        this.#refresh = true;
        return undefined;
      }
      throw error;
    }
  }

  /** Reads one datagram of notifications. Says false where none is there. */
  #read(): boolean {
    const datagram = this.#receiver.receive(this.#fd.number);
    if (typeof datagram === 'number') {
      if (datagram === -EAGAIN) return false;
      if (datagram !== -ENOBUFS) throw systemError(datagram, 'recvfrom', 'cannot read notifications');
      this.#resyncs += 1;
      this.#refresh = true;
      this.#events.push({ type: 'resync' });
      return true;
    }
    if (this.#refresh) this.#unlisted += 1;
    if (datagram.sender !== 0) return true;
    for (const raw of walkMessages(datagram.bytes)) {
      const format = this.#source.formats.find(({ types }) => Object.values(types).includes(raw.header.type));
      if (format === undefined) continue;
      const message = readMessage(format as MessageFormat<object, Attributes>, raw);
      this.#debug?.(describeMessage('<', format, message, raw.header.sequence));
      this.#apply(this.#source.read(message));
    }
    return true;
  }

  #apply(change: Change<T> | undefined): void {
    if (change === undefined) return;
    if (change.kind === 'refresh') this.#refresh = true;
    else if (change.kind === 'put') this.#put(change.value);
    else this.#delete(this.#source.key(change.value));
  }

  #put(value: T): void {
    const key = this.#source.key(value);
    const previous = this.#known.get(key);
    this.#known.set(key, value);
    if (previous === undefined) this.#events.push({ type: 'added', value });
    else if (!equal(previous, value)) this.#events.push({ type: 'changed', value, previous });
  }

  #delete(key: string): void {
    const value = this.#known.get(key);
    if (value === undefined) return;
    this.#known.delete(key);
    this.#events.push({ type: 'removed', value });
  }

  /** Waits until the descriptor is readable or the monitor closed. */
  async #readable(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#poll = this.#sys.poll(this.#fd.number, resolve);
    });
    this.#poll?.close();
    this.#poll = undefined;
    this.#wake = undefined;
  }
}
