import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadPod, type AgentConfig } from '../config/index.ts';
import type { PodRequest } from '../engine/index.ts';
import { wordsOf } from './log.ts';

/** A pod that is wanted. */
export interface WantedPod {
  readonly request: PodRequest;
  /** Who wants it: a path. */
  readonly source: string;
}

/** What is amiss, and about what it is. */
export interface Problem {
  readonly subject: string;
  readonly error: string;
}

/** Files of these endings name pods. Others, and those that begin with a dot, are on their way to become one. */
const POD_FILE = /^(?<id>[^.].*)\.(?:yaml|yml|json)$/;

/**
 * The pods that a configuration and its directory of pods name. A file that cannot be understood wants what it wanted before; so do all files
 * of a directory that cannot be read, which may be a mount that is away: only a file that is not there any more takes its wish along.
 */
export class WantedPods {
  /** Of each file what it said when it was understood last. */
  readonly #files = new Map<string, PodRequest>();
  #pods: ReadonlyMap<string, WantedPod> = new Map();
  #problems: readonly Problem[] = [];
  #isWhole = false;

  /** By id. */
  get pods(): ReadonlyMap<string, WantedPod> {
    return this.#pods;
  }

  /** Whether each file that is there was understood once. If not, who is not among {@link pods} may be wanted all the same. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** What could not be read or understood. */
  get problems(): readonly Problem[] {
    return this.#problems;
  }

  /**
   * Reads the directory again.
   * @param path where the configuration is, whose own pods come first
   */
  read({ pods, podsDirectory }: Pick<AgentConfig, 'pods' | 'podsDirectory'>, path: string): void {
    const problems: Problem[] = [];
    const wanted = new Map(pods.map((request): [string, WantedPod] => [request.id, { request, source: path }]));
    this.#isWhole = true;
    if (podsDirectory === undefined) this.#files.clear();
    else this.#readDirectory(podsDirectory, problems);
    for (const [source, request] of [...this.#files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      const other = wanted.get(request.id);
      if (other === undefined) wanted.set(request.id, { request, source });
      else problems.push({ subject: source, error: `${other.source} has a pod ${request.id}, too` });
    }
    this.#pods = wanted;
    this.#problems = problems;
  }

  #readDirectory(directory: string, problems: Problem[]): void {
    let names: readonly string[];
    try {
      names = readdirSync(directory);
    } catch (error) {
      this.#isWhole = false;
      problems.push({ subject: directory, error: wordsOf(error) });
      return;
    }
    const files = new Map(names.flatMap((name) => fileOf(directory, name)));
    for (const path of this.#files.keys()) if (!files.has(path)) this.#files.delete(path);
    for (const [path, id] of files) {
      try {
        this.#files.set(path, loadPod(path, id));
      } catch (error) {
        if (!this.#files.has(path)) this.#isWhole = false;
        problems.push({ subject: path, error: wordsOf(error) });
      }
    }
  }
}

/** The path of a file that names a pod, and the pod's id if it does not say. */
function fileOf(directory: string, name: string): [string, string][] {
  const id = POD_FILE.exec(name)?.groups?.['id'];
  return id === undefined ? [] : [[join(directory, name), id]];
}
