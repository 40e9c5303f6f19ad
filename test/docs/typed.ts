import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLOWNESS } from '../support/slowness.ts';

/** How long is waited for something. */
const PATIENCE_MS = 30_000 * SLOWNESS;

/** What a line did. */
export interface Ran {
  /** Undefined where a signal ended the shell. */
  readonly code: number | undefined;
  readonly out: string;
  readonly err: string;
}

/** A line that runs as if it had been typed: its processes are a group, which Ctrl-C reaches. */
export class Typed {
  readonly line: string;
  readonly #shell: ChildProcess;
  readonly #closed: Promise<unknown>;
  #out = '';
  #err = '';

  /** @param argv what runs the line, which comes last */
  constructor(argv: readonly [string, ...string[]], line: string, env: NodeJS.ProcessEnv) {
    const [file, ...args] = argv;
    this.line = line;
    this.#shell = spawn(file, [...args, line], { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#closed = once(this.#shell, 'close');
    this.#shell.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#out += text));
    this.#shell.stderr?.setEncoding('utf8').on('data', (text: string) => (this.#err += text));
  }

  /** What has been printed so far to either stream. */
  get said(): string {
    return this.#out + this.#err;
  }

  /** Waits until something has been printed. @throws Error when the line ends before, or takes too long */
  async until(what: RegExp): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!what.test(this.said)) {
      if (!this.#running || Date.now() > deadline) throw new Error(`${this.line} did not say ${what}: ${this.said}`);
      await sleep(10);
    }
  }

  /** Waits for the end. */
  async ended(): Promise<Ran> {
    await this.#closed;
    return { code: this.#shell.exitCode ?? undefined, out: this.#out, err: this.#err };
  }

  /** Sends a signal to all processes of the line, as a terminal does at Ctrl-C, and waits for their end. */
  async interrupt(signal: NodeJS.Signals = 'SIGINT'): Promise<Ran> {
    if (this.#running && this.#shell.pid !== undefined) process.kill(-this.#shell.pid, signal);
    return this.ended();
  }

  get #running(): boolean {
    return this.#shell.exitCode === null && this.#shell.signalCode === null;
  }
}
