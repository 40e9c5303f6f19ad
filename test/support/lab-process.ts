import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { SLOWNESS } from './slowness.ts';

/** The PATH of an ordinary user, with the directories where the tools of administrators are. */
const PATH_WITH_SBIN: string = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** How long is waited for something. */
const PATIENCE_MS = 15_000 * SLOWNESS;

/** A process in a namespace of a lab. It ends with the lab at the latest, and with the process that started it. */
export class LabProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = '';

  /**
   * @param netns path of the network namespace that it runs in
   * @param argv the command
   */
  constructor(netns: string, argv: readonly string[]) {
    // Neither setpriv nor nsenter forks: the child's id is that of the command.
    const command = ['--pdeathsig', 'KILL', 'nsenter', `--net=${netns}`, '--', ...argv];
    this.#child = spawn('setpriv', command, {
      env: { ...process.env, PATH: PATH_WITH_SBIN },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#ended = once(this.#child, 'close');
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#output += text));
  }

  /** Its id. */
  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** What it has printed so far, both streams together. */
  get output(): string {
    return this.#output;
  }

  /** Whether it is there still. */
  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits until a condition holds, and fails with the process's output when it ends before, or after {@link PATIENCE_MS}. */
  async until(what: string, condition: () => boolean): Promise<void> {
    const deadline = Date.now() + PATIENCE_MS;
    while (!condition()) {
      if (!this.running || Date.now() > deadline) {
        const [state] = this.running ? ['runs'] : ['has ended'];
        throw new Error(`${this.#child.spawnargs.at(6)} ${state}, and not: ${what}; it said: ${this.#output}`);
      }
      await sleep(5);
    }
  }

  /** Waits for its end. @returns its exit code; undefined when a signal ended it */
  async ended(): Promise<number | undefined> {
    await this.#ended;
    return this.#child.exitCode ?? undefined;
  }

  /** Ends it by a signal and waits until it is gone. One that has ended is left alone. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.running) this.#child.kill(signal);
    await this.#ended;
  }
}
