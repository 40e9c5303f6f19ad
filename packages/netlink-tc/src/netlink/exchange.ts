import { NetlinkTcError } from '../error.ts';
import { readAcknowledgement, refusal } from './ack.ts';
import { describeEnd, describeMessage, type DebugSink } from './debug.ts';
import { NLM_F, NLMSG, readMessage, writeMessage, type RawMessage } from './message.ts';
import type { Request } from './request.ts';
import { MessageWriter } from './writer.ts';

/** How one attempt of an exchange ended. */
export type Ending =
  /** More messages are to come. */
  | { readonly kind: 'open' }
  | { readonly kind: 'done'; readonly warning: string | undefined }
  /** A dump that changes elsewhere made inconsistent. */
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'failed'; readonly error: unknown };

const OPEN: Ending = { kind: 'open' };

/** A request on its way: it collects the messages that answer it, and settles a promise once. */
export class Exchange<T = unknown> {
  readonly request: Request<T>;
  readonly promise: Promise<T>;
  /** How often it was sent; dumps may be sent again. */
  attempts = 0;
  /** Its sequence number; each attempt has its own. */
  sequence = 0;
  #messages: object[] = [];
  #interrupted = false;
  #error: unknown;
  #settled = false;
  #resolve!: (value: T) => void;
  #reject!: (reason: unknown) => void;
  #timer: NodeJS.Timeout | undefined;
  #signal: AbortSignal | undefined;
  readonly #onAbort = (): void => this.fail(this.#signal?.reason);

  constructor(request: Request<T>) {
    this.request = request;
    this.promise = new Promise<T>((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  /** Whether its promise is settled: then what still comes is of no use. */
  get settled(): boolean {
    return this.#settled;
  }

  /** Lets it fail after `timeoutMs`, and when the signal says so. `then` is called after that. */
  limit(timeoutMs: number, signal: AbortSignal | undefined, then: () => void): void {
    this.#timer = setTimeout(() => {
      this.fail(
        new NetlinkTcError('ERR_TIMEOUT', `cannot ${this.request.what}: no answer within ${timeoutMs} ms`, {
          hint: 'the kernel may be busy under its network lock: give more time by { timeoutMs }',
        }),
      );
      then();
    }, timeoutMs);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    signal?.addEventListener('abort', then, { once: true });
    void this.promise.then(forget, forget);
    function forget(): void {
      signal?.removeEventListener('abort', then);
    }
  }

  /** Begins an attempt: what the one before has read is forgotten. */
  begin(sequence: number): void {
    this.attempts += 1;
    this.sequence = sequence;
    this.#messages = [];
    this.#interrupted = false;
    this.#error = undefined;
  }

  /** Takes one message of the answer, and says whether it was the last. */
  take(raw: RawMessage, port: number, debug: DebugSink | undefined): Ending {
    const { type, flags } = raw.header;
    if ((flags & NLM_F.DUMP_INTR) !== 0 && this.request.dump) this.#interrupted = true;
    if (type === NLMSG.NOOP) return OPEN;
    if (type === NLMSG.OVERRUN) {
      return {
        kind: 'failed',
        error: new NetlinkTcError('ERR_PROTOCOL', `cannot ${this.request.what}: data were lost`),
      };
    }
    if (type === NLMSG.ERROR || type === NLMSG.DONE) return this.#end(raw, port, debug);
    if (this.#settled || this.#error !== undefined) return OPEN;
    try {
      const { format, brief, read } = this.request;
      const message = read?.(raw) ?? readMessage(format, raw, brief);
      debug?.(
        describeMessage('<', format, { type, flags, header: message, attributes: {}, ...message }, this.sequence),
      );
      this.#messages.push(message);
    } catch (error) {
      // The rest of the answer still comes: the exchange ends with it.
      this.#error = error;
    }
    return OPEN;
  }

  #end(raw: RawMessage, port: number, debug: DebugSink | undefined): Ending {
    try {
      const acknowledgement = readAcknowledgement(raw);
      debug?.(describeEnd(raw.header.type, acknowledgement, this.sequence));
      if (this.#error !== undefined) return { kind: 'failed', error: this.#error };
      if (acknowledgement.result < 0)
        return { kind: 'failed', error: refusal(acknowledgement, { ...this.request, message: this.#again(port) }) };
      if (this.#interrupted) return { kind: 'interrupted' };
      return { kind: 'done', warning: acknowledgement.extended.message };
    } catch (error) {
      return { kind: 'failed', error };
    }
  }

  /** The message as it was sent, to find what the kernel points at: written again rather than kept for the rare case. */
  #again(port: number): Uint8Array {
    const writer = new MessageWriter();
    writeMessage(writer, this.request, { sequence: this.sequence, port });
    return writer.bytes;
  }

  /** Settles the promise with the answer that the messages make. */
  succeed(): void {
    try {
      const value = this.request.answer(this.#messages);
      this.#settle(() => this.#resolve(value));
    } catch (error) {
      this.fail(error);
    }
  }

  /** Gives an interrupted dump up: its error carries what the last attempt read. */
  giveUp(): void {
    let partial: readonly unknown[] = this.#messages;
    const answer = this.request.answer(this.#messages);
    if (Array.isArray(answer)) partial = answer;
    this.fail(
      new NetlinkTcError(
        'ERR_DUMP_INTERRUPTED',
        `cannot ${this.request.what}: others' changes interrupted it ${this.attempts} times`,
        {
          partial,
          hint: 'what was read last is in `partial`: entries may be missing or twice',
        },
      ),
    );
  }

  /** Settles the promise with an error. */
  fail(error: unknown): void {
    this.#settle(() => this.#reject(error));
  }

  #settle(how: () => void): void {
    if (this.#settled) return;
    this.#settled = true;
    clearTimeout(this.#timer);
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#messages = [];
    how();
  }
}
