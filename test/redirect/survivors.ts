/** Connections that are open before pods are enrolled (LAB 2 #7). */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connectQuietly, within } from '../support/traffic.ts';
import type { Lab } from '../support/lab.ts';
import { FAMILIES } from './scene.ts';

const PORT = 7300;
const PAIRS = [
  ['client', 'outsider'],
  ['client', 'server'],
  ['outsider', 'server'],
  ['server', 'outside'],
  ['outside', 'client'],
] as const;

/** Connections that echo what they are sent: out of pods, into pods, between them. */
export class Survivors {
  readonly #sockets: readonly Socket[];
  readonly #servers: readonly AsyncDisposable[];

  private constructor(sockets: readonly Socket[], servers: readonly AsyncDisposable[]) {
    this.#sockets = sockets;
    this.#servers = servers;
  }

  static async open(lab: Lab): Promise<Survivors> {
    const names = [...new Set(PAIRS.map(([, to]) => to))];
    const servers = await Promise.all(names.map((name) => lab[name].serveTcp(PORT, (socket) => socket.pipe(socket))));
    const sockets = PAIRS.flatMap(([from, to]) =>
      FAMILIES.map((family) => connectQuietly(lab[from], { address: lab[to].address(family), port: PORT })),
    );
    const survivors = new Survivors(sockets, servers);
    await survivors.speak('before');
    return survivors;
  }

  /** Sends a word over each, and waits for it to come back. */
  async speak(word: string): Promise<void> {
    await Promise.all(
      this.#sockets.map(async (socket) => {
        const answer = once(socket, 'data') as Promise<[Buffer]>;
        socket.write(word);
        const [bytes] = await within(3_000, `${word} on port ${socket.localPort}`, answer);
        if (bytes.toString() !== word) throw new Error(`${word} came back as ${bytes.toString()}`);
      }),
    );
  }

  /** Ends them in order. */
  async close(): Promise<void> {
    const closed = this.#sockets.map((socket) => once(socket, 'close'));
    for (const socket of this.#sockets) socket.end();
    await within(3_000, 'the end of all connections', Promise.all(closed));
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
  }
}
