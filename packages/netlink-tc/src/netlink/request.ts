import { NLM_F, type Message, type MessageFormat, type MessageSpec, type RawMessage } from './message.ts';
import type { Attributes } from './policy.ts';

/**
 * One thing to ask of the kernel: a pure value that says what to send and how to understand the answer. Sockets send it alone
 * or with others.
 */
export interface Request<T = unknown> extends MessageSpec {
  /** In words, for errors: `create link veth0`. */
  readonly what: string;
  /** Whether it is a dump: an answer of many messages, which changes elsewhere may interrupt. */
  readonly dump: boolean;
  /** Whether the answer needs only attributes that the format names: others are then not read. */
  readonly brief?: boolean;
  /** Reads a message of the answer, where it does not look as the request does. Only what it copies outlives the call. */
  readonly read?: (raw: RawMessage) => object;
  /** What to do about an error number that means something of its own here. */
  readonly hints?: Readonly<Record<number, string>>;
  /** Makes the answer of the messages that came, as they were read. */
  answer(messages: readonly object[]): T;
}

/** What {@link request} takes. */
export interface RequestParts<H, A, T, M = Message<H, A>> {
  readonly what: string;
  readonly format: MessageFormat<H, A>;
  readonly type: number;
  /** Flags besides `NLM_F_REQUEST` and `NLM_F_ACK`. */
  readonly flags?: number;
  readonly header?: Partial<H>;
  readonly attributes?: A;
  /** As in {@link Request}. */
  readonly brief?: boolean;
  /** As in {@link Request}. */
  readonly read?: (raw: RawMessage) => M;
  /** As in {@link Request}. */
  readonly hints?: Readonly<Record<number, string>>;
  readonly answer: (messages: readonly M[]) => T;
}

/** A request that is answered once. */
export function request<H extends object, A extends Attributes, T, M = Message<H, A>>(
  parts: RequestParts<H, A, T, M>,
): Request<T> {
  const { flags = 0 } = parts;
  return { ...parts, flags: NLM_F.REQUEST | NLM_F.ACK | flags, dump: false } as unknown as Request<T>;
}

/** A request for a list. */
export function dumpRequest<H extends object, A extends Attributes, T, M = Message<H, A>>(
  parts: RequestParts<H, A, T, M>,
): Request<T> {
  const { flags = 0 } = parts;
  return { ...parts, flags: NLM_F.REQUEST | NLM_F.DUMP | flags, dump: true } as unknown as Request<T>;
}

/** The answer of a request that changes something and tells nothing. */
export function nothing(): void {
  return undefined;
}
