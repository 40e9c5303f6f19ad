import { statSync } from 'node:fs';
import { join } from 'node:path';
import { NETNS_DIRECTORY } from 'netlink-tc';
import type { ProxyReference } from '../engine/index.ts';
import { backOff } from './back-off.ts';
import { wordsOf, type AgentLog } from './log.ts';

/** How often it is looked whether the proxy's namespace is another one, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * Names the proxy to the engine, until it is there, and again when its namespace is another one by the same name. That it comes back in the
 * same namespace, the engine sees by itself.
 */
export class ProxyKeeper {
  readonly #setProxy: (proxy: ProxyReference) => Promise<unknown>;
  readonly #log: AgentLog;
  #wanted: ProxyReference | undefined;
  /** What was named last, by its text and its namespace's inode number. */
  #named: { readonly text: string; readonly inode: bigint | undefined } | undefined;
  #error: string | undefined;
  #attempts = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(setProxy: (proxy: ProxyReference) => Promise<unknown>, log: AgentLog) {
    this.#setProxy = setProxy;
    this.#log = log;
  }

  /** Why the proxy is not named; undefined where it is, or none is wanted. */
  get error(): string | undefined {
    return this.#error;
  }

  /** Says who it is from now on, and waits until that was tried once. Nobody: who it is stays as it is. */
  want(proxy: ProxyReference | undefined): Promise<void> {
    this.#wanted = proxy;
    this.#attempts = 0;
    return this.#look();
  }

  /** Does nothing more, once what is being done is done. */
  async stop(): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  #look(): Promise<void> {
    clearTimeout(this.#timer);
    this.#turn = this.#turn.then(() => this.#agree());
    return this.#turn;
  }

  async #agree(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    const proxy = this.#wanted;
    if (proxy === undefined) {
      // Whoever says meanwhile who it is, says it anew.
      this.#named = undefined;
      this.#error = undefined;
      return;
    }
    const now = { text: JSON.stringify(proxy), inode: inodeOf(proxy) };
    const isNamed = this.#named?.text === now.text && this.#named.inode === now.inode;
    if (isNamed) this.#error = undefined;
    // A namespace that is gone is not named again: the engine knows what to do without.
    if (!isNamed && (this.#named?.text !== now.text || now.inode !== undefined)) {
      try {
        await this.#setProxy(proxy);
        this.#named = now;
        this.#error = undefined;
        this.#attempts = 0;
        this.#log.info('the proxy is named');
      } catch (error) {
        const words = wordsOf(error);
        if (words !== this.#error && !this.#isOver) this.#log.error(`proxy: ${words}`);
        this.#error = words;
        this.#attempts += 1;
      }
    }
    if (this.#isOver) return;
    const delay = this.#error === undefined ? LOOK_MS : Math.min(5_000, backOff(this.#attempts));
    this.#timer = setTimeout(() => void this.#look(), delay).unref();
  }
}

/** Undefined where there is none, or it cannot be looked at: to name it tells why. */
function inodeOf({ netns }: ProxyReference): bigint | undefined {
  if ('fd' in netns) return undefined;
  const path =
    'path' in netns ? netns.path : 'name' in netns ? join(NETNS_DIRECTORY, netns.name) : `/proc/${netns.pid}/ns/net`;
  try {
    return statSync(path, { bigint: true }).ino;
  } catch {
    return undefined;
  }
}
