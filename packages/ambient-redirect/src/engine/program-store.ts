import type { Program } from 'bpf-asm';
import { loadProgram, readMapInfo, readProgramInfo, type Sys } from 'netlink-tc';
import { createHash } from 'node:crypto';
import {
  appInbound,
  appOutbound,
  hostIn,
  prefixSets,
  steer,
  tproxy,
  type AppFacts,
  type HostInFacts,
  type PrefixSet,
  type SteerFacts,
  type TproxyFacts,
} from '../programs/index.ts';
import type { StateDirectory } from './directory.ts';
import { PrefixSets } from './prefix-sets.ts';
import { PROGRAMS_BUILD } from './programs-build.gen.ts';

/** A program in the kernel, pinned. It belongs to its store. */
export interface StoredProgram {
  readonly fd: number;
  readonly id: number;
  readonly name: string;
  /** As `tc filter show` and `bpftool prog` print it. */
  readonly tag: string;
  /** Hash of all that it was made of, in hexadecimal digits. */
  readonly digest: string;
}

/** What makes programs of facts. */
export interface ProgramBuilders {
  readonly app_outbound: (facts: AppFacts) => Program;
  readonly app_inbound: (facts: AppFacts) => Program;
  readonly ztunnel_host_in: (facts: HostInFacts) => Program;
  readonly ztunnel_steer: (facts: SteerFacts) => Program;
  readonly ztunnel_tproxy: (facts: TproxyFacts) => Program;
}

/** Options of {@link ProgramStore}. */
export interface ProgramStoreOptions {
  readonly builders?: ProgramBuilders;
  /** Which build of the builders it is: {@link PROGRAMS_BUILD} if left out. */
  readonly build?: string;
}

const BUILDERS: ProgramBuilders = {
  app_outbound: appOutbound,
  app_inbound: appInbound,
  ztunnel_host_in: hostIn,
  ztunnel_steer: steer,
  ztunnel_tproxy: tproxy,
};

/**
 * The programs of the engine, each compiled and loaded once for the facts that it is made of, and shared by all who have the same. They are
 * pinned by a hash of these facts, the layout of the maps and the code that makes them, so that the next process takes them as they are.
 */
export class ProgramStore implements Disposable {
  readonly #sys: Sys;
  readonly #directory: StateDirectory;
  readonly #builders: ProgramBuilders;
  readonly #build: string;
  readonly #prefixes: PrefixSets;
  readonly #open: Map<string, StoredProgram & { close(): void }> = new Map<string, StoredProgram & { close(): void }>();

  constructor(
    sys: Sys,
    directory: StateDirectory,
    { builders = BUILDERS, build = PROGRAMS_BUILD }: ProgramStoreOptions = {},
  ) {
    this.#sys = sys;
    this.#directory = directory;
    this.#builders = builders;
    this.#build = build;
    this.#prefixes = new PrefixSets(directory);
  }

  /**
   * `app_outbound` for these facts; so do the others of theirs.
   * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for facts that no program can be made of
   * @throws BpfAsmError of facts that are no addresses or prefixes
   * @throws NetlinkTcError `ERR_VERIFIER`, `ERR_PERMISSION`; `ERR_NO_SPACE` when there is no room for its prefixes
   */
  outbound(facts: AppFacts): StoredProgram {
    return this.#get('app_outbound', facts, prefixSets(facts));
  }

  /** `app_inbound` for these facts. */
  inbound(facts: AppFacts): StoredProgram {
    return this.#get('app_inbound', facts, prefixSets(facts));
  }

  /** `ztunnel_host_in` for these facts. */
  hostIn(facts: HostInFacts): StoredProgram {
    return this.#get('ztunnel_host_in', facts, prefixSets({ node: facts.node }));
  }

  /** `ztunnel_steer` for these facts. */
  steer(facts: SteerFacts): StoredProgram {
    return this.#get('ztunnel_steer', facts);
  }

  /** `ztunnel_tproxy` for these facts. */
  tproxy(facts: TproxyFacts): StoredProgram {
    return this.#get('ztunnel_tproxy', facts);
  }

  /** A program that was made before, by this process or one before it; undefined where it would have to be compiled. */
  find<K extends keyof ProgramBuilders>(name: K, facts: Parameters<ProgramBuilders[K]>[0]): StoredProgram | undefined {
    const { pin, digest } = this.#nameOf(name, facts);
    const known = this.#open.get(pin);
    if (known !== undefined) return known;
    const adopted = this.#adopt(pin, name);
    return adopted && this.#keep(pin, { name, digest }, adopted);
  }

  /**
   * Unpins programs that are of no use, and what they look up. Those that were asked for and are on no hook yet go too, and are closed.
   * @param keepIds ids of the others
   * @returns how many were unpinned
   */
  collect(keepIds: ReadonlySet<number>): number {
    const kept = new Set<string>();
    let collected = 0;
    for (const pin of this.#directory.programNames()) {
      using program = this.#directory.openProgram(pin);
      if (program !== undefined && keepIds.has(readProgramInfo(this.#sys, program.fd).id)) {
        kept.add(pin);
        continue;
      }
      this.#directory.unpinProgram(pin);
      this.#open.get(pin)?.close();
      this.#open.delete(pin);
      collected += 1;
    }
    this.#prefixes.collect(kept);
    return collected;
  }

  /** Closes all; those that are pinned stay. A second call does nothing. */
  close(): void {
    for (const program of this.#open.values()) program.close();
    this.#open.clear();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #get<K extends keyof ProgramBuilders>(
    name: K,
    facts: Parameters<ProgramBuilders[K]>[0],
    sets: readonly PrefixSet[] = [],
  ): StoredProgram {
    const { pin, digest } = this.#nameOf(name, facts);
    const known = this.#open.get(pin);
    if (known !== undefined) return known;
    // Before the program is loaded: it may be on a hook the moment after.
    this.#prefixes.provide(pin, sets);
    const builder = this.#builders[name] as (facts: Parameters<ProgramBuilders[K]>[0]) => Program;
    return this.#keep(pin, { name, digest }, this.#adopt(pin, name) ?? this.#load(pin, builder(facts)));
  }

  #nameOf(name: string, facts: unknown): { readonly pin: string; readonly digest: string } {
    const digest = digestOf([name, facts, this.#directory.schemaDigest, this.#build]);
    return { pin: pinOf(name, digest), digest };
  }

  #keep(
    pin: string,
    { name, digest }: Pick<StoredProgram, 'name' | 'digest'>,
    program: { readonly fd: number; close(): void },
  ): StoredProgram {
    const { id, tag } = readProgramInfo(this.#sys, program.fd);
    const stored = { fd: program.fd, id, name, tag, digest, close: () => program.close() };
    this.#open.set(pin, stored);
    return stored;
  }

  #load(pin: string, program: Program): { readonly fd: number; close(): void } {
    const loaded = loadProgram(this.#sys, program, { maps: this.#directory.maps });
    // What others have put in its place.
    this.#directory.unpinProgram(pin);
    try {
      this.#directory.pinProgram(pin, loaded);
      return loaded;
    } catch (error) {
      loaded.close();
      throw error;
    }
  }

  /** Takes a pinned program, unless others have put something else there, or it uses maps that are not those of this directory. */
  #adopt(pin: string, name: string): { readonly fd: number; close(): void } | undefined {
    const program = this.#directory.openProgram(pin);
    if (program === undefined) return undefined;
    const info = readProgramInfo(this.#sys, program.fd);
    const ours = new Set(Object.values(this.#directory.maps).map(({ fd }) => readMapInfo(this.#sys, fd).id));
    if (info.name === name && info.mapIds.every((id) => ours.has(id))) return program;
    program.close();
    return undefined;
  }
}

function pinOf(name: string, digest: string): string {
  return `${name}-${digest}`;
}

/**
 * Name of the pin of a program for these facts, whether it is there or not.
 * @param directory whose maps it would be made for
 */
export function programPin(
  name: string,
  facts: unknown,
  { schemaDigest }: Pick<StateDirectory, 'schemaDigest'>,
): string {
  return pinOf(name, digestOf([name, facts, schemaDigest, PROGRAMS_BUILD]));
}

/** A hash over plain data that does not depend on the order in which its keys were written. */
function digestOf(value: unknown): string {
  const ordered = JSON.stringify(value, (_, part: unknown) =>
    typeof part === 'object' && part !== null && !Array.isArray(part)
      ? Object.fromEntries(Object.entries(part).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : part,
  );
  return createHash('sha256').update(ordered).digest('hex').slice(0, 32);
}
