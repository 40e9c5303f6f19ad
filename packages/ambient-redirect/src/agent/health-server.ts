import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ListenAddress } from '../config/index.ts';
import { wordsOf } from './log.ts';

/** What is told by HTTP. */
export interface Health {
  /** What is not as it is wanted, a line each; none when the agent is ready. */
  problems(): Promise<readonly string[]>;
  /** Everything that is counted. */
  metrics(): Promise<{ readonly contentType: string; readonly text: string }>;
}

type Page = (
  health: Health,
) => Promise<{ readonly status: number; readonly contentType?: string; readonly text: string }>;

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

  /** @throws Error what listening fails with, as Node tells it */
  static async listen(health: Health, { host, port }: ListenAddress): Promise<HealthServer> {
    const server = createServer(({ method, url }, response) => void answer(health, { method, url }, response));
    server.listen({ host, port });
    await once(server, 'listening');
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

async function answer(
  health: Health,
  { method, url = '' }: { readonly method: string | undefined; readonly url: string | undefined },
  response: ServerResponse,
): Promise<void> {
  const path = url.replace(/\?.*$/s, '');
  const page = Object.hasOwn(PAGES, path) ? PAGES[path] : undefined;
  const isRead = method === 'GET' || method === 'HEAD';
  const told =
    page === undefined
      ? { status: 404, text: `there is ${Object.keys(PAGES).join(', ')}\n` }
      : isRead
        ? await page(health).catch((error: unknown) => ({ status: 500, text: `${wordsOf(error)}\n` }))
        : { status: 405, text: 'ask by GET\n' };
  const { contentType = 'text/plain; charset=utf-8' } = told as { readonly contentType?: string };
  response.writeHead(told.status, { 'content-type': contentType });
  response.end(told.text);
}
