import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Pods that an agent has enrolled because its configuration named them: it takes away what it brought, also after a restart, and leaves alone
 * what others have enrolled. They are in a file beside its socket, which is written before a pod is enrolled.
 */
export class OwnedPods {
  readonly #path: string;
  readonly #directory: string;
  readonly #ids: Set<string>;
  /** Of those that drain, when what is left is cut off: milliseconds since 1970. */
  readonly #ends: Map<string, number>;

  /**
   * @param path the file
   * @param directory that of the engine: the pods of another are none of ours
   */
  constructor(path: string, directory: string) {
    this.#path = path;
    this.#directory = directory;
    const { pods, ends } = read(path, directory);
    this.#ids = new Set(pods);
    this.#ends = new Map(ends);
  }

  /** Their ids. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** Adds pods that are about to be enrolled. @throws Error what writing the file fails with: nothing is added then */
  add(ids: readonly string[]): void {
    const news = ids.filter((id) => !this.#ids.has(id) || this.#ends.has(id));
    if (news.length === 0) return;
    const added = new Set(news);
    this.#write(
      [...new Set([...this.#ids, ...news])],
      [...this.#ends].filter(([id]) => !added.has(id)),
    );
    for (const id of news) {
      this.#ids.add(id);
      this.#ends.delete(id);
    }
  }

  /**
   * When a pod that drains is cut off: what was said first holds, also after a restart, until it is added again.
   * @param until when it is if nothing was said yet, milliseconds since 1970
   * @throws Error what writing the file fails with
   */
  drainUntil(id: string, until: number): number {
    const before = this.#ends.get(id);
    if (before !== undefined) return before;
    this.#ends.set(id, until);
    this.#write([...this.#ids], [...this.#ends]);
    return until;
  }

  /** Forgets a pod that is gone. */
  delete(id: string): void {
    if (!this.#ids.has(id)) return;
    this.#ids.delete(id);
    this.#ends.delete(id);
    this.#write([...this.#ids], [...this.#ends]);
  }

  /** Forgets all of them, with the file. */
  clear(): void {
    this.#ids.clear();
    this.#ends.clear();
    rmSync(this.#path, { force: true });
  }

  #write(pods: readonly string[], ends: Said['ends']): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const beside = `${this.#path}.new`;
    const draining = Object.fromEntries(ends);
    writeFileSync(beside, JSON.stringify({ directory: this.#directory, pods, draining }), { mode: 0o600 });
    renameSync(beside, this.#path);
  }
}

/** What a file says. */
interface Said {
  readonly pods: readonly string[];
  readonly ends: readonly (readonly [string, number])[];
}

const NOTHING: Said = { pods: [], ends: [] };

/** What a file says; nothing where there is none, or it makes no sense: then all pods are those of others. */
function read(path: string, directory: string): Said {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return NOTHING;
    throw error;
  }
  try {
    const said = JSON.parse(text) as {
      readonly directory?: unknown;
      readonly pods?: unknown;
      readonly draining?: object;
    };
    if (said.directory !== directory || !Array.isArray(said.pods)) return NOTHING;
    const ends = Object.entries(said.draining ?? {}) as [string, unknown][];
    return {
      pods: said.pods.filter((id) => typeof id === 'string'),
      ends: ends.filter((end): end is [string, number] => Number.isFinite(end[1])),
    };
  } catch {
    return NOTHING;
  }
}
