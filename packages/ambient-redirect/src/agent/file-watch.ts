import { statSync, watch, type FSWatcher } from 'node:fs';

/** How long more changes are waited for after the first, and a directory that is not there, in milliseconds. */
const CALM_MS = 50;
const MISSING_MS = 1_000;

/**
 * Tells when something in directories has changed: names that come, go and are exchanged (which is how files are best replaced), and contents.
 * A directory that is not there, or is another one by the same name, is watched as soon as it is.
 */
export class FileWatch implements Disposable {
  readonly #onChange: () => void;
  #directories: readonly string[] = [];
  readonly #watchers = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>();
  #soon: NodeJS.Timeout | undefined;
  #missing: NodeJS.Timeout | undefined;
  #isOver = false;

  /** @param onChange called some time after a change, once for many */
  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** Says which directories are watched from now on. Call it before they are read, so that no change is missed. */
  watch(directories: readonly string[]): void {
    this.#directories = directories;
    for (const [path, { watcher }] of this.#watchers) {
      if (directories.includes(path)) continue;
      watcher.close();
      this.#watchers.delete(path);
    }
    this.#arm();
  }

  #arm(): void {
    clearTimeout(this.#missing);
    if (this.#isOver) return;
    const missing = this.#directories.filter((path) => !this.#armOne(path));
    if (missing.length === 0) return;
    this.#missing = setTimeout(() => {
      this.#arm();
      if (missing.some((path) => this.#watchers.has(path))) this.#changed();
    }, MISSING_MS).unref();
  }

  /** @returns whether it is watched */
  #armOne(path: string): boolean {
    const old = this.#watchers.get(path);
    const identity = identityOf(path);
    if (old !== undefined && old.identity === identity) return true;
    old?.watcher.close();
    this.#watchers.delete(path);
    if (identity === undefined) return false;
    try {
      const watcher = watch(path, () => this.#changed());
      // A directory that is removed; it is looked for at the next change, or by whoever reads it from time to time.
      watcher.on('error', () => this.#changed());
      this.#watchers.set(path, { identity, watcher: watcher.unref() });
      return true;
    } catch {
      return false;
    }
  }

  #changed(): void {
    if (this.#isOver) return;
    this.#soon ??= setTimeout(() => {
      this.#soon = undefined;
      this.#onChange();
    }, CALM_MS).unref();
  }

  /** Ends it. A second call does nothing. */
  close(): void {
    this.#isOver = true;
    clearTimeout(this.#soon);
    clearTimeout(this.#missing);
    for (const { watcher } of this.#watchers.values()) watcher.close();
    this.#watchers.clear();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** What tells a directory from another by the same name: an inode number may be given again at once. Undefined where it cannot be looked at. */
function identityOf(path: string): string | undefined {
  try {
    const { dev, ino, birthtimeNs } = statSync(path, { bigint: true });
    return `${dev} ${ino} ${birthtimeNs}`;
  } catch {
    return undefined;
  }
}
