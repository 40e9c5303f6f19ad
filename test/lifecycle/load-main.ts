/**
 * One end of the connections that a change of the mesh must not disturb, as a process of its own: it is as quick as it is whatever the engine does
 * meanwhile. `load-main.ts serve PORT...` sends back what it gets; `load-main.ts call JSON` makes connections, until it is sent SIGTERM, and then
 * prints a `LoadReport`.
 */
import { createServer, Socket } from 'node:net';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLOWNESS } from '../support/slowness.ts';
import type { CallOptions, LoadReport } from './load.ts';

/** A SYN is sent again after a second: whoever waited for less than this did not need that. A busy machine alone can take half of it. */
const SLOW_MS = 900;
/** What has not come by then is lost. */
const PATIENCE_MS = 10_000 * SLOWNESS;
const BLOCK = randomBytes(1 << 18);

const range = (least: number, most: number): number => least + Math.floor(Math.random() * (most - least + 1));

function serve(ports: readonly number[]): void {
  for (const port of ports) {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined).pipe(socket);
    });
    server.listen({ port, host: '::', backlog: 1024 }, () => console.log(`serving ${port}`));
  }
}

interface Kept {
  stopped: boolean;
  readonly report: { -readonly [K in keyof LoadReport]: LoadReport[K] } & { failures: string[] };
}

/** Sends and gets back on one connection. */
class Call {
  readonly socket: Socket;
  readonly #started: number = performance.now();
  #expected: Buffer = Buffer.alloc(0);
  #at = 0;
  #done: () => void = () => undefined;
  #fail: (error: Error) => void = () => undefined;
  #closed = false;

  constructor(to: { readonly host: string; readonly port: number }) {
    this.socket = new Socket({ allowHalfOpen: true }).connect(to);
    this.socket.setNoDelay(true);
    this.socket
      .on('data', (part) => {
        const wanted = this.#expected.subarray(this.#at, this.#at + part.length);
        this.#at += part.length;
        if (!wanted.equals(part)) this.#fail(new Error('other bytes came back'));
        else if (this.#at === this.#expected.length) this.#done();
      })
      .on('end', () => {
        this.#closed = true;
        this.#fail(new Error('the other side ended it'));
      })
      .on('error', (error) => this.#fail(error));
  }

  async #within<T>(what: string, work: (resolve: (value: T) => void) => void): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<T>((resolve, reject) => {
        this.#fail = reject;
        timer = setTimeout(() => reject(new Error(`not after ${PATIENCE_MS} ms: ${what}`)), PATIENCE_MS);
        work(resolve);
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** @returns how long it took, in milliseconds */
  connected(): Promise<number> {
    return this.#within('connect', (resolve) => {
      this.socket.once('connect', () => resolve(performance.now() - this.#started));
    });
  }

  exchange(length: number): Promise<void> {
    if (this.#closed) return Promise.reject(new Error('the other side ended it'));
    const from = range(0, BLOCK.length - length);
    this.#expected = BLOCK.subarray(from, from + length);
    this.#at = 0;
    return this.#within(`${length} bytes`, (resolve) => {
      this.#done = resolve as () => void;
      this.socket.write(this.#expected);
    });
  }

  async end(): Promise<void> {
    await this.#within<void>('end', (resolve) => {
      this.#fail = () => undefined;
      this.socket.removeAllListeners('end').removeAllListeners('error');
      this.socket.once('end', resolve).once('error', resolve).end();
    });
  }
}

/** Makes a connection that takes its time, and says what became of it. */
async function call(
  kept: Kept,
  to: { readonly host: string; readonly port: number },
  what: string,
  work: (call: Call) => Promise<void>,
): Promise<void> {
  const { report } = kept;
  const one = new Call(to);
  let step = 'connect';
  report.connections += 1;
  try {
    const milliseconds = await one.connected();
    report.slowest = Math.max(report.slowest, Math.round(milliseconds));
    if (milliseconds > SLOW_MS) report.slow += 1;
    step = `after ${Math.round(milliseconds)} ms, exchange`;
    await work(one);
    await one.end();
  } catch (error) {
    report.broken += 1;
    const at = `${new Date().toISOString().slice(14, 23)} from port ${one.socket.localPort ?? '-'}`;
    if (report.failures.length < 100)
      report.failures.push(`${at} ${what} to ${to.host} ${to.port}, ${step}: ${String(error)}`);
    // A server that is not there must not be asked all the time.
    await sleep(50);
  } finally {
    one.socket.destroy();
  }
}

async function run({ addresses, ports, workers, bulk, lasting }: CallOptions): Promise<void> {
  const report = { connections: 0, broken: 0, slow: 0, slowest: 0, exchanges: 0, bytes: 0, failures: [] as string[] };
  const kept: Kept = { stopped: false, report };
  const finished = new Promise<void>((resolve) => {
    process.once('SIGTERM', () => {
      kept.stopped = true;
      resolve();
    });
  });
  const next = (host: string): { host: string; port: number } => ({
    host,
    port: ports[range(0, ports.length - 1)] ?? 0,
  });
  const counted = async (one: Call, length: number): Promise<void> => {
    await one.exchange(length);
    report.exchanges += 1;
    report.bytes += length;
  };
  const churn = async (host: string): Promise<void> => {
    while (!kept.stopped) {
      await call(kept, next(host), 'short', async (one) => {
        for (let left = range(1, 6); left > 0; left -= 1) await counted(one, range(1, 16_384));
      });
      await sleep(range(0, 10));
    }
  };
  const carry = async (host: string): Promise<void> => {
    while (!kept.stopped) {
      const until = performance.now() + range(50, 250);
      await call(kept, next(host), 'bulk', async (one) => {
        while (performance.now() < until) await counted(one, BLOCK.length);
      });
    }
  };
  const last = (host: string): Promise<void> =>
    call(kept, next(host), 'lasting', async (one) => {
      await counted(one, 1_000);
      begin();
      while (!kept.stopped) {
        await counted(one, 1_000);
        await Promise.race([sleep(50), finished]);
      }
    });
  let begun = lasting ? addresses.length : 0;
  const begin = (): void => {
    if (begun-- === 0) console.log('calling');
  };
  begin();
  await Promise.all([
    ...Array.from({ length: workers }, (_, i) => churn(addresses[i % addresses.length] ?? '')),
    ...addresses.flatMap((host) => [...(bulk ? [carry(host)] : []), ...(lasting ? [last(host)] : [])]),
  ]);
  console.log(JSON.stringify(report satisfies LoadReport));
}

const [, , role, ...rest] = process.argv;
if (role === 'serve') serve(rest.map(Number));
else await run(JSON.parse(rest[0] ?? '') as CallOptions);
