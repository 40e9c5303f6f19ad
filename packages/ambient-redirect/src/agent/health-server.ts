import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { isIPv6, type AddressInfo } from 'node:net';
import type { ListenAddress } from '../config/index.ts';
import { AmbientRedirectError } from '../error.ts';
import { wordsOf } from './log.ts';

/** What is told by HTTP. */
export interface Health {
  /** What is not as it is wanted, a line each; none when the agent is ready. */
  problems(): Promise<readonly string[]>;
  /** Everything that is counted. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

/**
 * Whoever reaches the address may ask, pods of the node among them: neither the descriptors of the agent nor the time of its engine are theirs.
 */
const MOST_CONNECTIONS = 64;
const SILENT_MS = 30_000;
const LIMITS = { headersTimeout: 5_000, requestTimeout: 5_000, connectionsCheckingInterval: 1_000 } as const;

interface Told {
  readonly status: number;
  readonly contentType?: string;
  readonly text: string;
}

type Page = (health: Health) => Promise<Told>;

const PAGES: Readonly<Record<string, Page>> = {
  '/healthz': () => Promise.resolve({ status: 200, text: 'alive\n' }),
  '/readyz': async (health) => {
    const problems = await health.problems();
    return problems.length === 0
      ? { status: 200, text: 'ready\n' }
      : { status: 503, text: problems.map((problem) => `${problem.replaceAll('\n', ' | ')}\n`).join('') };
  },
  '/metrics': async (health) => ({ status: 200, ...(await health.metrics()) }),
};

/** Tells by HTTP whether the agent lives (`/healthz`) and is ready (`/readyz`), and what it counts (`/metrics`). */
export class HealthServer implements AsyncDisposable {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AmbientRedirectError `ERR_CONFLICT` where nothing can listen */
  static async listen(health: Health, { host, port }: ListenAddress): Promise<HealthServer> {
    const pages = sharedPages(health);
    const server = createServer(LIMITS, ({ method, url }, response) => void answer(pages, { method, url }, response));
    server.maxConnections = MOST_CONNECTIONS;
    server.setTimeout(SILENT_MS);
    server.listen({ host, port });
    try {
      await once(server, 'listening');
    } catch (cause) {
      const where = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
      const { code = String(cause) } = cause as NodeJS.ErrnoException;
      throw new AmbientRedirectError('ERR_CONFLICT', `nothing can listen at ${where}: ${code}`, {
        cause,
        hint: 'end who listens there, or change agent.listen',
      });
    }
    return new HealthServer(server);
  }

  /** Where it is, such as `http://127.0.0.1:9090`. */
  get url(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Answers no more. A second call does nothing. */
  async close(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** What the pages tell: who asks while others wait for the same page hears what they hear. */
function sharedPages(health: Health): (path: string) => Promise<Told> | undefined {
  const asked = new Map<string, Promise<Told>>();
  return (path) => {
    const page = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
    if (page === undefined) return undefined;
    const told =
      asked.get(path) ??
      page(health)
        .catch((error: unknown) => ({ status: 500, text: `${wordsOf(error)}\n` }))
        .finally(() => asked.delete(path));
    asked.set(path, told);
    return told;
  };
}

async function answer(
  pages: ReturnType<typeof sharedPages>,
  { method, url = '' }: { readonly method: string | undefined; readonly url: string | undefined },
  response: ServerResponse,
): Promise<void> {
  const path = url.replace(/\?.*$/s, '');
  const told: Told =
    method === 'GET' || method === 'HEAD'
      ? ((await pages(path)) ?? { status: 404, text: `there is ${Object.keys(PAGES).join(', ')}\n` })
      : { status: 405, text: 'ask by GET\n' };
  response.writeHead(told.status, { 'content-type': told.contentType ?? 'text/plain; charset=utf-8' });
  response.end(told.text);
}
