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

  /**
   * @param path the file
   * @param directory that of the engine: the pods of another are none of ours
   */
  constructor(path: string, directory: string) {
    this.#path = path;
    this.#directory = directory;
    this.#ids = new Set(read(path, directory));
  }

  /** Their ids. */
  get ids(): ReadonlySet<string> {
    return this.#ids;
  }

  /** Adds pods that are about to be enrolled. @throws Error what writing the file fails with: nothing is added then */
  add(ids: readonly string[]): void {
    const news = ids.filter((id) => !this.#ids.has(id));
    if (news.length === 0) return;
    this.#write([...this.#ids, ...news]);
    for (const id of news) this.#ids.add(id);
  }

  /** Forgets a pod that is gone. */
  delete(id: string): void {
    if (!this.#ids.has(id)) return;
    this.#ids.delete(id);
    this.#write([...this.#ids]);
  }

  /** Forgets all of them, with the file. */
  clear(): void {
    this.#ids.clear();
    rmSync(this.#path, { force: true });
  }

  #write(pods: readonly string[]): void {
    mkdirSync(dirname(this.#path), { recursive: true, mode: 0o700 });
    const beside = `${this.#path}.new`;
    writeFileSync(beside, JSON.stringify({ directory: this.#directory, pods }), { mode: 0o600 });
    renameSync(beside, this.#path);
  }
}

/** What a file says; nothing where there is none, or it makes no sense: then all pods are those of others. */
function read(path: string, directory: string): readonly string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
  try {
    const said = JSON.parse(text) as { readonly directory?: unknown; readonly pods?: unknown };
    if (said.directory !== directory || !Array.isArray(said.pods)) return [];
    return said.pods.filter((id) => typeof id === 'string');
  } catch {
    return [];
  }
}
