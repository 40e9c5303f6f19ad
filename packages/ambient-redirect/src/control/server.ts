import { once } from 'node:events';
import { chmodSync, lstatSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { dirname } from 'node:path';
import type { PodRequest, ProxyReference, UnenrollOptions } from '../engine/index.ts';
import { AmbientRedirectError } from '../error.ts';
import type { Control } from './control.ts';
import { RemoteEngine, type AgentIdentity } from './remote-engine.ts';
import { decodeLine, encodeLine, type Line } from './wire.ts';

/** Most bytes of a question: some ten thousand pods. */
const MOST_BYTES = 16 * 1024 * 1024;

/** Longest path of a socket in bytes: `struct sockaddr_un` has 108, the last of which is zero (unix(7)). */
const LONGEST_PATH = 107;

/** Options of {@link ControlServer.listen}. */
export interface ControlServerOptions extends AgentIdentity {
  /** Path of the socket. Its directory is made if it is not there, for root alone. */
  readonly socket: string;
}

/** A question: what it says, and where its answer goes. */
interface Call {
  readonly body: Readonly<Record<string, unknown>>;
  /** Aborts when who asks hangs up, or the server closes. */
  readonly signal: AbortSignal;
  readonly write: (line: Line) => void;
  /** Waits until there is room for more. */
  readonly room: () => Promise<void>;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

type Method = (control: Control, call: Call) => Promise<unknown>;

/** What can be asked. Here it is seen to that what is asked has the right shape; the rest is the engine's. */
const METHODS: Readonly<Record<string, Method>> = {
  status: (control) => control.status(),
  metrics: (control) => control.metrics(),
  reconcile: (control) => control.reconcile(),
  clearProxy: (control) => control.clearProxy(),
  teardown: (control) => control.teardown(),
  setProxy: (control, { body: { proxy, options = {} } }) => {
    if (!isObject(proxy) || !isObject(proxy['netns'])) throw refused('proxy is an object that has netns');
    if (!isObject(options)) throw refused('options is an object');
    return control.setProxy(proxy as unknown as ProxyReference, options);
  },
  enroll: (control, { body: { pods, options = {} } }) => {
    const areObjects = Array.isArray(pods) ? pods.every(isObject) : isObject(pods);
    if (!areObjects) throw refused('pods is an object, or a list of them');
    if (!isObject(options)) throw refused('options is an object');
    return control.enroll(pods as readonly PodRequest[], options);
  },
  unenroll: (control, { body: { ids, drain }, signal, write }) => {
    const areNames = Array.isArray(ids) ? ids.every((id) => typeof id === 'string') : typeof ids === 'string';
    if (!areNames) throw refused('ids is a string, or a list of them');
    if (drain !== undefined && !isObject(drain)) throw refused('drain is an object');
    return control.unenroll(ids as readonly string[], {
      ...(drain === undefined ? {} : { drain: drain as unknown as NonNullable<UnenrollOptions['drain']> }),
      signal,
      onProgress: (left) => write({ kind: 'progress', left }),
    });
  },
  events: tellEvents,
};

/**
 * Lets other processes of root ask for what a {@link Control} does: HTTP on a unix socket, `POST /v1/METHOD` with a JSON object, answered by JSON
 * lines. `RemoteEngine` is who asks.
 * @example
 * ```sh
 * curl --unix-socket /run/ambient-redirect/agent.sock -d '{}' http://agent/v1/status
 * ```
 */
export class ControlServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #path: string;
  readonly #inode: bigint;
  readonly #over = new AbortController();

  private constructor(server: Server, path: string) {
    this.#server = server;
    this.#path = path;
    this.#inode = lstatSync(path, { bigint: true }).ino;
  }

  /**
   * Listens. A socket that nobody answers at, which is left where an agent was killed, is replaced.
   * @throws AmbientRedirectError `ERR_LOCKED` while another agent listens there; `ERR_INVALID_ARGUMENT` for a path that no socket can have, or
   * that something else has
   * @throws Error what the file system refuses, as Node tells it
   */
  static async listen(control: Control, { socket, pid, directory }: ControlServerOptions): Promise<ControlServer> {
    // Bound beside, and moved when it is ready: at its path it is never open to others, nor without an answer.
    const beside = `${socket}.${process.pid}`;
    if (Buffer.byteLength(beside) > LONGEST_PATH) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `the path of a socket is too long: ${socket}`, {
        hint: `choose one of at most ${LONGEST_PATH - 1 - String(process.pid).length} bytes`,
      });
    }
    mkdirSync(dirname(socket), { recursive: true, mode: 0o700 });
    const other = await RemoteEngine.find(socket);
    if (other !== undefined) {
      throw new AmbientRedirectError('ERR_LOCKED', `${socket} is in use by the agent with process ${other.agent.pid}`, {
        hint: 'one agent at a time: end the other, or give this one a socket and a directory of its own',
      });
    }
    if (lstatSync(socket, { throwIfNoEntry: false })?.isSocket() === false) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${socket} is there, and is no socket`, {
        hint: 'name a path for the socket at which nothing else is',
      });
    }
    const over: { signal?: AbortSignal } = {};
    const server = createServer((question, answer) => {
      const hello = { pid, directory };
      void serve(control, hello, { question, answer, closing: over.signal ?? AbortSignal.abort() });
    });
    rmSync(beside, { force: true });
    server.listen(beside);
    await once(server, 'listening');
    chmodSync(beside, 0o600);
    renameSync(beside, socket);
    const made = new ControlServer(server, socket);
    over.signal = made.#over.signal;
    return made;
  }

  /** Answers no more: who waits for an answer is told that the agent has ended. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    if (lstatSync(this.#path, { bigint: true, throwIfNoEntry: false })?.ino === this.#inode)
      rmSync(this.#path, { force: true });
    this.#over.abort(
      new AmbientRedirectError('ERR_CLOSED', 'the agent has ended', {
        hint: 'what it had begun goes on when it is started again',
      }),
    );
    const patience = setTimeout(() => this.#server.closeAllConnections(), 1_000);
    await closed;
    clearTimeout(patience);
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** One question, and where it came from. */
interface Exchange {
  readonly question: IncomingMessage;
  readonly answer: ServerResponse;
  /** Aborts when the server closes. */
  readonly closing: AbortSignal;
}

async function serve(control: Control, hello: AgentIdentity, { question, answer, closing }: Exchange): Promise<void> {
  const hungUp = new AbortController();
  answer.on('close', () => hungUp.abort(new Error('who asked has hung up')));
  answer.on('error', () => undefined);
  let corked = false;
  const write = (line: Line): void => {
    if (answer.destroyed) return;
    // Lines that are written in one turn go out together.
    if (!corked) {
      corked = true;
      answer.cork();
      setImmediate(() => {
        corked = false;
        answer.uncork();
      });
    }
    answer.write(encodeLine(line));
  };
  const name = /^\/v1\/([A-Za-z]+)$/.exec(question.url ?? '')?.[1] ?? '';
  const method =
    name === 'hello' ? () => Promise.resolve(hello) : Object.hasOwn(METHODS, name) ? METHODS[name] : undefined;
  const isPosted = question.method === 'POST';
  answer.statusCode = method === undefined ? 404 : isPosted ? 200 : 405;
  answer.setHeader('content-type', 'application/x-ndjson');
  try {
    if (method === undefined) throw unknown(question.url ?? '');
    if (!isPosted) throw refused(`it is asked by POST, not ${question.method}`);
    const body = await bodyOf(question);
    closing.throwIfAborted();
    const signal = AbortSignal.any([hungUp.signal, closing]);
    const room = async (): Promise<void> =>
      void (answer.writableNeedDrain && (await once(answer, 'drain', { signal })));
    const work = method(control, { body, signal, write, room });
    if (name !== 'events') return write({ kind: 'result', value: await untilAborted(closing, work) });
    await work;
    write({ kind: 'end' });
  } catch (error) {
    write({ kind: 'error', error: error instanceof Error ? error : new Error(String(error)) });
  } finally {
    answer.end();
  }
}

/** What is being done goes on when the agent ends; who waits for it is told. */
function untilAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function bodyOf(question: IncomingMessage): Promise<Readonly<Record<string, unknown>>> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of question as AsyncIterable<Buffer>) {
    size += part.length;
    // It is read to its end all the same: who still writes reads no answer.
    if (size <= MOST_BYTES) parts.push(part);
  }
  if (size > MOST_BYTES) throw refused(`a question has at most ${MOST_BYTES} bytes`);
  const text = Buffer.concat(parts).toString();
  try {
    return decodeLine(text === '' ? '{}' : text);
  } catch (cause) {
    throw refused('a question is a JSON object', cause);
  }
}

function unknown(url: string): AmbientRedirectError {
  const names = ['hello', ...Object.keys(METHODS)];
  return new AmbientRedirectError('ERR_INVALID_ARGUMENT', `there is nothing at ${url}`, {
    candidates: names,
    hint: `ask by POST /v1/ and one of ${names.join(', ')}`,
  });
}

function refused(message: string, cause?: unknown): AmbientRedirectError {
  return new AmbientRedirectError('ERR_INVALID_ARGUMENT', message, { cause });
}

/** Tells of packets until who asked hangs up. */
async function tellEvents(control: Control, { body, signal, write, room }: Call): Promise<void> {
  using stream = await control.events(body);
  write({ kind: 'open' });
  let told = 0;
  const tellDropped = (): void => {
    const count = stream.dropped;
    if (count !== told) write({ kind: 'dropped', count });
    told = count;
  };
  try {
    for await (const event of stream.events({ signal })) {
      tellDropped();
      write({ kind: 'event', event });
      await room();
    }
  } catch (error) {
    // A reader that has enough, and an agent that ends, are both a good end.
    if (!signal.aborted) throw error;
  }
  tellDropped();
}
