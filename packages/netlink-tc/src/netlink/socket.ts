import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import type { Netns } from '../netns/index.ts';
import type { Fd, Poll, Sys } from '../sys/index.ts';
import { debugFromEnvironment, describeMessage, type DebugSink } from './debug.ts';
import { Exchange } from './exchange.ts';
import { walkMessages, writeMessage, type RawMessage } from './message.ts';
import { Receiver } from './receiver.ts';
import type { Request } from './request.ts';
import { openRawSocket } from './socket-options.ts';
import { MessageWriter } from './writer.ts';

const { EAGAIN, ENOBUFS } = constants.errno;

/** `NETLINK_ROUTE`: links, addresses, routes, neighbours, tc. */
export const NETLINK_ROUTE = 0;

/** How often an interrupted dump is sent, and how long to wait before the second time; each further wait is twice as long. */
const DUMP_ATTEMPTS = 5;
const DUMP_BACKOFF_MS = 2;
/** A send takes at most this much: answers to it must fit the receive buffer of an ordinary user. */
const BATCH_BYTES = 48 * 1024;
const BATCH_MESSAGES = 128;
/** Datagrams read in one go before the event loop has its turn. */
const TURN = 256;

/** Options of {@link NetlinkSocket.open}. */
export interface NetlinkSocketOptions {
  /** Netlink family; `NETLINK_ROUTE` if left out. */
  readonly protocol?: number;
  /** Network namespace that the socket belongs to; that of the thread if left out. Needs `CAP_SYS_ADMIN`. */
  readonly netns?: Netns;
  /** How long a request may take, in milliseconds; 5000 if left out. */
  readonly timeoutMs?: number;
  /** Where decoded messages are printed; standard error with `NETLINK_DEBUG=1` in the environment, else nowhere. */
  readonly debug?: DebugSink;
  /** Takes the kernel's remarks on requests that it fulfilled; process warnings if left out. */
  readonly onWarning?: (remark: string, request: Request) => void;
}

/** Options of one request or batch. */
export interface SendOptions {
  /** Ends the wait: the promise rejects with the signal's reason. What was sent is not undone. */
  readonly signal?: AbortSignal;
  /** In place of the socket's own limit, in milliseconds. */
  readonly timeoutMs?: number;
}

/**
 * A netlink socket that asks the kernel: strictly checked, with extended acknowledgements, several requests in flight, no answer
 * believed that is not from the kernel, for this port, and to a request of ours.
 *
 * Most families answer while the request is being sent. Their answers are read at once: no turn of the event loop is lost.
 * @example
 * ```ts
 * using socket = NetlinkSocket.open(sys);
 * await socket.request(addLink({ name: 'br0', kind: 'bridge', up: true }));
 * ```
 */
export class NetlinkSocket implements Disposable {
  /** The number that the kernel gave the socket. */
  readonly port: number;
  readonly #protocol: number;
  readonly #sys: Sys;
  readonly #fd: Fd;
  readonly #receiver: Receiver;
  readonly #writer = new MessageWriter(BATCH_BYTES);
  readonly #timeoutMs: number;
  readonly #debug: DebugSink | undefined;
  readonly #onWarning: (remark: string, request: Request) => void;
  readonly #exchanges = new Map<number, Exchange>();
  // The kernel runs one dump a socket: the others wait here.
  readonly #dumps: Exchange[] = [];
  #dump: Exchange | undefined;
  #poll: Poll | undefined;
  #sequence: number = randomInt(1, 2 ** 31);

  private constructor(sys: Sys, fd: Fd, port: number, options: NetlinkSocketOptions) {
    this.#sys = sys;
    this.#fd = fd;
    this.port = port;
    this.#protocol = options.protocol ?? NETLINK_ROUTE;
    this.#receiver = new Receiver(sys);
    this.#timeoutMs = options.timeoutMs ?? 5000;
    this.#debug = options.debug ?? debugFromEnvironment();
    this.#onWarning =
      options.onWarning ??
      ((remark, { what }) => process.emitWarning(`${what}: ${remark}`, { code: 'NETLINK_TC_KERNEL_REMARK' }));
  }

  /**
   * Opens a socket.
   * @throws NetlinkTcError `ERR_PERMISSION` when the namespace may not be entered, `ERR_UNSUPPORTED` where the kernel lacks the
   * family or strict checking (4.20)
   */
  static open(sys: Sys, options: NetlinkSocketOptions = {}): NetlinkSocket {
    const { protocol = NETLINK_ROUTE, netns } = options;
    const open = (): NetlinkSocket => {
      const { fd, port } = openRawSocket(sys, { protocol, groups: [], receiveBuffer: 1024 * 1024 });
      return new NetlinkSocket(sys, sys.fds.own(fd, 'netlink socket'), port, options);
    };
    return netns === undefined ? open() : netns.run(open);
  }

  /**
   * Asks one thing.
   * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` before anything is sent; with the kernel's words and the attribute's path what
   * the kernel refuses; `ERR_TIMEOUT`; `ERR_DUMP_INTERRUPTED` with what was read; `ERR_CLOSED`
   */
  async request<T>(request: Request<T>, options: SendOptions = {}): Promise<T> {
    const [answer] = this.send([request], options);
    return answer as Promise<T>;
  }

  /**
   * Asks several things in as few sends as may be. The kernel does them in their order, each whether or not those before it failed.
   * @returns their answers, in order
   * @throws NetlinkTcError that of the first that failed; see {@link NetlinkSocket.send} to learn of each
   */
  async batch<const T extends readonly Request[]>(
    requests: T,
    options: SendOptions = {},
  ): Promise<{ -readonly [K in keyof T]: T[K] extends Request<infer R> ? R : never }> {
    return (await Promise.all(this.send(requests, options))) as never;
  }

  /**
   * Asks several things as {@link NetlinkSocket.batch} does, with a promise for each.
   * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` when one of them cannot be encoded: then nothing was sent
   */
  send(requests: readonly Request[], { signal, timeoutMs = this.#timeoutMs }: SendOptions = {}): Promise<unknown>[] {
    signal?.throwIfAborted();
    if (this.#fd.closed) throw new NetlinkTcError('ERR_CLOSED', 'the netlink socket is closed');
    for (const request of requests) this.#assertSpoken(request);
    const exchanges = requests.map((request) => new Exchange(request));
    // All are encoded before the first is sent: one that cannot be must leave everything as it is.
    const chunks = this.#encode(exchanges.filter(({ request }) => !request.dump));
    for (const exchange of exchanges) {
      if (!exchange.request.dump) continue;
      this.#writer.reset();
      writeMessage(this.#writer, exchange.request, { sequence: 0, port: this.port });
      this.#dumps.push(exchange);
    }
    for (const { bytes, members } of chunks) {
      for (const exchange of members) this.#exchanges.set(exchange.sequence, exchange);
      this.#transmit(bytes, members);
      this.#drain();
    }
    this.#nextDump();
    for (const exchange of exchanges) {
      if (!exchange.settled) exchange.limit(timeoutMs, signal, () => this.#watch());
    }
    this.#watch();
    return exchanges.map(({ promise }) => promise);
  }

  /** Closes the socket; what is in flight fails with `ERR_CLOSED`. A second call does nothing. */
  close(): void {
    this.#poll?.close();
    this.#poll = undefined;
    this.#fd.close();
    this.#failAll(new NetlinkTcError('ERR_CLOSED', 'the netlink socket was closed'));
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Types are numbered family by family: what asks for sockets in one changes addresses in another. */
  #assertSpoken({ what, format }: Request): void {
    const { protocol = NETLINK_ROUTE } = format;
    if (protocol === this.#protocol) return;
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `cannot ${what}: this is a socket of another netlink family`, {
      hint: `open one of it: NetlinkSocket.open(sys, { protocol: ${protocol} })`,
    });
  }

  /** Encodes exchanges into chunks that fit one send each, and gives them their sequence numbers. */
  #encode(exchanges: readonly Exchange[]): { bytes: Uint8Array; members: Exchange[] }[] {
    const chunks: { bytes: Uint8Array; members: Exchange[] }[] = [];
    const writer = this.#writer;
    let members: Exchange[] = [];
    const flush = (): void => {
      if (members.length > 0) chunks.push({ bytes: writer.bytes.slice(), members });
      members = [];
      writer.reset();
    };
    writer.reset();
    for (const exchange of exchanges) {
      if (writer.length > BATCH_BYTES || members.length === BATCH_MESSAGES) flush();
      this.#sequence = this.#sequence === 0xffff_ffff ? 1 : this.#sequence + 1;
      exchange.begin(this.#sequence);
      writeMessage(writer, exchange.request, { sequence: this.#sequence, port: this.port });
      members.push(exchange);
    }
    flush();
    return chunks;
  }

  #transmit(bytes: Uint8Array, members: readonly Exchange[]): void {
    if (this.#debug !== undefined) {
      for (const { request, sequence } of members) {
        const { header = {}, attributes = {} } = request;
        this.#debug(describeMessage('>', request.format, { ...request, header, attributes }, sequence));
      }
    }
    const result = this.#sys.call('sendto', this.#fd.number, bytes, bytes.length, 0, null, 0);
    if (result >= 0) return;
    for (const exchange of members)
      this.#finish(exchange, () => exchange.fail(systemError(result, 'sendto', `cannot ${exchange.request.what}`)));
  }

  #nextDump(): void {
    if (this.#dump !== undefined) return;
    let exchange = this.#dumps.shift();
    while (exchange?.settled === true) exchange = this.#dumps.shift();
    if (exchange === undefined) return;
    this.#dump = exchange;
    const [chunk] = this.#encode([exchange]);
    this.#exchanges.set(exchange.sequence, exchange);
    this.#transmit(chunk?.bytes ?? new Uint8Array(), [exchange]);
    this.#drain();
  }

  /** Reads what is there, at most a turn's worth. */
  #drain(): void {
    for (let i = 0; i < TURN && this.#exchanges.size > 0 && !this.#fd.closed; i += 1) {
      const datagram = this.#receiver.receive(this.#fd.number);
      if (typeof datagram === 'number') {
        if (datagram !== -EAGAIN) this.#failAll(lostAnswers(datagram));
        return;
      }
      // Any process may send to our port: only the kernel is believed.
      if (datagram.sender !== 0) continue;
      try {
        for (const message of walkMessages(datagram.bytes)) this.#take(message);
      } catch (error) {
        this.#failAll(error);
      }
    }
  }

  #take(raw: RawMessage): void {
    if (raw.header.port !== this.port) return;
    const exchange = this.#exchanges.get(raw.header.sequence);
    if (exchange === undefined) return;
    const ending = exchange.take(raw, this.port, this.#debug);
    switch (ending.kind) {
      case 'open':
        return;
      case 'done':
        if (ending.warning !== undefined) this.#onWarning(ending.warning, exchange.request);
        this.#finish(exchange, () => exchange.succeed());
        return;
      case 'failed':
        this.#finish(exchange, () => exchange.fail(ending.error));
        return;
      case 'interrupted':
        this.#retry(exchange);
    }
  }

  #retry(exchange: Exchange): void {
    if (exchange.settled || exchange.attempts >= DUMP_ATTEMPTS) {
      this.#finish(exchange, () => exchange.giveUp());
      return;
    }
    this.#exchanges.delete(exchange.sequence);
    setTimeout(
      () => {
        if (this.#fd.closed) return;
        this.#dump = undefined;
        this.#dumps.unshift(exchange);
        this.#nextDump();
        this.#watch();
      },
      DUMP_BACKOFF_MS * 2 ** (exchange.attempts - 1),
    );
  }

  #finish(exchange: Exchange, settle: () => void): void {
    this.#exchanges.delete(exchange.sequence);
    settle();
    if (this.#dump !== exchange) return;
    this.#dump = undefined;
    if (this.#dumps.length > 0) queueMicrotask(() => this.#fd.closed || (this.#nextDump(), this.#watch()));
  }

  #failAll(error: unknown): void {
    const all = [...this.#exchanges.values(), ...this.#dumps, ...(this.#dump === undefined ? [] : [this.#dump])];
    this.#exchanges.clear();
    this.#dumps.length = 0;
    this.#dump = undefined;
    for (const exchange of all) exchange.fail(error);
  }

  /** Watches the descriptor exactly while someone waits for an answer. */
  #watch(): void {
    const waiting = !this.#fd.closed && [...this.#exchanges.values(), ...this.#dumps].some(({ settled }) => !settled);
    if (waiting && this.#poll === undefined) {
      this.#poll = this.#sys.poll(this.#fd.number, () => {
        this.#drain();
        this.#watch();
      });
    } else if (!waiting) {
      this.#poll?.close();
      this.#poll = undefined;
    }
  }
}

function lostAnswers(result: number): NetlinkTcError {
  return systemError(
    result,
    'recvfrom',
    'cannot read the answers',
    result === -ENOBUFS ? { hint: 'more came than the receive buffer holds: send fewer requests at once' } : {},
  );
}
