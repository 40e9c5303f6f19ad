import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { EventStream } from 'netlink-tc';
import type {
  EngineMetrics,
  Enrolment,
  PodRequest,
  ProxyReference,
  ProxyState,
  ReconcileReport,
  RedirectEngine,
  UnenrollOptions,
} from '../engine/index.ts';
import type { EnrollOptions } from '../engine/enroll.ts';
import { AmbientRedirectError } from '../error.ts';
import type { TrafficEvent } from '../observe/index.ts';
import type { Control, ControlStatus } from './control.ts';
import { decodeLine, encodeLine, type Line } from './wire.ts';

/** Who answers at a socket. */
export interface AgentIdentity {
  readonly pid: number;
  /** The directory of its engine. */
  readonly directory: string;
}

/** Of a call that takes its time. */
interface CallOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((left: number) => void) | undefined;
}

/** How long an agent has to say who it is, in milliseconds: it may be busy. */
const HELLO_MS = 5_000;

/**
 * The engine of an agent, by its socket: what is asked of it is done there. Errors are those that the engine would throw, told by
 * `isAmbientRedirectError` and `isNetlinkTcError`.
 */
export class RemoteEngine implements Control {
  /** Where the agent listens. */
  readonly socket: string;
  /** Who it is. */
  readonly agent: AgentIdentity;
  readonly #closed = new AbortController();

  private constructor(socket: string, agent: AgentIdentity) {
    this.socket = socket;
    this.agent = agent;
  }

  /**
   * Finds the agent that listens at a socket.
   * @returns undefined where none does, or where who does is not let be asked
   */
  static async find(socket: string): Promise<RemoteEngine | undefined> {
    const signal = AbortSignal.timeout(HELLO_MS);
    try {
      for await (const line of await send(socket, 'hello', {}, signal))
        if (line.kind === 'result') return new RemoteEngine(socket, line.value as AgentIdentity);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'EACCES' || code === 'ENOTSOCK') return undefined;
      throw new AmbientRedirectError('ERR_AGENT', `no agent answers at ${socket}`, {
        cause: error,
        hint: 'end what listens there, or name another socket',
      });
    }
    return undefined;
  }

  /** As `RedirectEngine.enroll`. A descriptor of this process is found by the agent while this process runs. */
  enroll(pod: PodRequest, options?: EnrollOptions): Promise<Enrolment>;
  enroll(pods: readonly PodRequest[], options?: EnrollOptions): Promise<readonly Enrolment[]>;
  enroll(
    pods: PodRequest | readonly PodRequest[],
    options: EnrollOptions = {},
  ): Promise<Enrolment | readonly Enrolment[]> {
    const portable = Array.isArray(pods)
      ? (pods as readonly PodRequest[]).map(portablePod)
      : portablePod(pods as PodRequest);
    return this.#call('enroll', { pods: portable, options });
  }

  /** As `RedirectEngine.unenroll`. Where this process ends, the draining goes on. */
  unenroll(id: string, options?: UnenrollOptions): Promise<boolean>;
  unenroll(ids: readonly string[], options?: UnenrollOptions): Promise<readonly boolean[]>;
  unenroll(
    ids: string | readonly string[],
    { drain, signal, onProgress }: UnenrollOptions = {},
  ): Promise<boolean | readonly boolean[]> {
    return this.#call('unenroll', { ids, ...(drain && { drain }) }, { signal, onProgress });
  }

  /** As `RedirectEngine.setProxy`, but for `listeners`, which are this process's. */
  setProxy(proxy: ProxyReference, options: { readonly handover?: boolean } = {}): Promise<ProxyState> {
    const { pid, listeners, netns } = proxy;
    if (listeners !== undefined) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', 'listeners cannot be handed over to an agent', {
        hint: 'name the process of the proxy',
      });
    }
    const now = typeof pid === 'function' ? pid() : pid;
    const { pid: _pid, ...rest } = proxy;
    return this.#call('setProxy', {
      proxy: { ...rest, netns: portableNetns(netns), ...(now === undefined ? {} : { pid: now }) },
      options,
    });
  }

  /** As `RedirectEngine.clearProxy`. */
  clearProxy(): Promise<void> {
    return this.#call('clearProxy', {});
  }

  /** As `RedirectEngine.status`, with what the agent tells of itself and of what is wanted. */
  status(): Promise<ControlStatus> {
    return this.#call('status', {});
  }

  /** As `RedirectEngine.reconcile`. */
  reconcile(): Promise<ReconcileReport> {
    return this.#call('reconcile', {});
  }

  /** As `RedirectEngine.metrics`. */
  metrics(): Promise<EngineMetrics> {
    return this.#call('metrics', {});
  }

  /** As `RedirectEngine.events`. The stream ends with the agent, or fails with `ERR_CLOSED` where that was killed. */
  async events(options: Parameters<RedirectEngine['events']>[0] = {}): Promise<EventStream<TrafficEvent>> {
    const over = new AbortController();
    const lines = await this.#send('events', options, over.signal);
    const first = await lines.next();
    if (first.done === true) throw ended(this.socket);
    if (first.value.kind === 'error') throw first.value.error;
    return remoteStream(lines, over, this.socket);
  }

  /** Takes away everything that the engine made; the agent ends after it. */
  async teardown(): ReturnType<RedirectEngine['teardown']> {
    const kept = await this.#call<Awaited<ReturnType<RedirectEngine['teardown']>>>('teardown', {});
    this.#closed.abort();
    return kept;
  }

  /** Lets go of the agent, which goes on. A second call does nothing. */
  close(): Promise<void> {
    this.#closed.abort(ended(this.socket));
    return Promise.resolve();
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #send(method: string, body: object, signal: AbortSignal): Promise<AsyncGenerator<Line, void, undefined>> {
    if (this.#closed.signal.aborted) throw ended(this.socket);
    return send(this.socket, method, body, AbortSignal.any([signal, this.#closed.signal]));
  }

  async #call<T>(method: string, body: object, { signal, onProgress }: CallOptions = {}): Promise<T> {
    const over = new AbortController();
    const until = signal === undefined ? over.signal : AbortSignal.any([over.signal, signal]);
    signal?.throwIfAborted();
    for await (const line of await this.#send(method, body, until)) {
      if (line.kind === 'progress') onProgress?.(line.left);
      if (line.kind === 'error') throw line.error;
      if (line.kind === 'result') return line.value as T;
    }
    throw ended(this.socket);
  }
}

/** Asks an agent. @returns the lines of its answer, as they come; leaving them ends the connection */
async function send(
  socketPath: string,
  method: string,
  body: object,
  signal: AbortSignal,
): Promise<AsyncGenerator<Line, void, undefined>> {
  const text = encodeLine(body);
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  const asked = request({ socketPath, method: 'POST', path: `/v1/${method}`, headers, agent: false, signal });
  // What comes after the answer has begun is told by the answer.
  asked.on('error', () => undefined).end(text);
  try {
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return linesOf(answer, signal);
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  }
}

async function* linesOf(answer: IncomingMessage, signal: AbortSignal): AsyncGenerator<Line, void, undefined> {
  let rest = '';
  try {
    for await (const part of answer.setEncoding('utf8') as AsyncIterable<string>) {
      const lines = (rest + part).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) yield decodeLine(line) as unknown as Line;
    }
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    // It was killed in the middle of its answer: whoever reads finds no end of it.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  } finally {
    answer.destroy();
  }
}

function remoteStream(
  lines: AsyncGenerator<Line, void, undefined>,
  over: AbortController,
  socket: string,
): EventStream<TrafficEvent> {
  const isOver = new Error('the stream was closed');
  let dropped = 0;
  const close = (): void => over.abort(isOver);
  const events = async function* ({ signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<
    TrafficEvent,
    void,
    undefined
  > {
    const onAbort = (): void => over.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      signal?.throwIfAborted();
      for await (const line of lines) {
        if (line.kind === 'event') yield line.event as TrafficEvent;
        if (line.kind === 'dropped') dropped = line.count;
        if (line.kind === 'error') throw line.error;
        if (line.kind === 'end') return;
      }
      throw ended(socket);
    } catch (error) {
      if (error !== isOver) throw error;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      close();
    }
  };
  return {
    get dropped(): number {
      return dropped;
    },
    events,
    close,
    [Symbol.asyncIterator]: () => events(),
    [Symbol.dispose]: close,
  };
}

/** A descriptor of this process, as the agent finds it while this process runs. */
function portableNetns<T extends NonNullable<PodRequest['netns']>>(netns: T): T | { readonly path: string } {
  return 'fd' in netns ? { path: `/proc/${process.pid}/fd/${netns.fd}` } : netns;
}

function portablePod(pod: PodRequest): PodRequest {
  return pod.netns === undefined ? pod : { ...pod, netns: portableNetns(pod.netns) };
}

function ended(socket: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_CLOSED', `the agent at ${socket} has ended, or was let go of`, {
    hint: 'what it had begun goes on when it is started again',
  });
}
