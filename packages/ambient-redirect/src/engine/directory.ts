import type { AnyLayout, MapDefinition, MapHandle } from 'bpf-asm';
import {
  createMap,
  isNetlinkTcError,
  openPinnedLink,
  openPinnedMap,
  openPinnedProgram,
  pin,
  unpin,
  type BpfLink,
  type BpfObject,
  type Fd,
  type MapOf,
  type Sys,
} from 'netlink-tc';
import { existsSync, mkdirSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { AmbientRedirectError } from '../error.ts';
import { MAPS } from '../maps.ts';
import { checkPlace } from './bpffs.ts';
import { lockDirectory } from './lock.ts';
import { SCHEMA_RECORD } from './migration.ts';
import { RecordStore } from './records.ts';
import { schema, schemaDigest, type Schema } from './schema.ts';
import { bringIn, differs, readSchema } from './state-schema.ts';

/** The layout of the directory, and of the map of records: what all versions must agree on to tell each other apart. */
export const VERSION = 'v1';

type With<K extends 'key' | 'value', L> = L extends AnyLayout ? { readonly [P in K]: L } : unknown;

/** A map of the kernel with the types of a handle's layouts. */
export type OpenMap<H extends MapHandle> =
  H extends MapHandle<infer T, infer K, infer V>
    ? MapOf<Omit<MapDefinition, 'type' | 'key' | 'value'> & { readonly type: T } & With<'key', K> & With<'value', V>>
    : never;

/** Each of {@link MAPS}, open. */
export type OpenMaps = { readonly [K in keyof typeof MAPS]: OpenMap<(typeof MAPS)[K]> };

/** Options of {@link StateDirectory.open}. */
export interface StateDirectoryOptions {
  /** Make a state where there is none. */
  readonly create?: boolean;
  /** Only look, beside the engine that has it: without the lock, and the kernel refuses every change of the maps. */
  readonly readOnly?: boolean;
  /** What the maps are like: {@link MAPS} if left out. */
  readonly maps?: Readonly<Record<keyof typeof MAPS, MapHandle>>;
}

/** What a state is opened by. */
interface Opening {
  readonly maps: Readonly<Record<keyof typeof MAPS, MapHandle>>;
  readonly readOnly: boolean;
}

/**
 * What an engine leaves in the kernel, pinned under one directory of bpffs: maps, programs and links. All of it outlives the process,
 * and the next one adopts it.
 */
export class StateDirectory implements Disposable {
  readonly path: string;
  readonly maps: OpenMaps;
  readonly records: RecordStore;
  /** SHA-256 of what the bytes of the maps mean, in hexadecimal digits. */
  readonly schemaDigest: string;
  readonly #sys: Sys;
  readonly #lock: Fd | undefined;

  private constructor(sys: Sys, path: string, maps: OpenMaps, ours: Schema, lock: Fd | undefined) {
    this.#sys = sys;
    this.path = path;
    this.maps = maps;
    this.records = new RecordStore(maps.records);
    this.schemaDigest = schemaDigest(ours);
    this.#lock = lock;
  }

  /**
   * Opens the state of an engine, and keeps others from it until it is closed, or its process ends. Where a map is laid out differently, but this version
   * can take over what is in it, that is done: programs on hooks go on with the map that they have until they are exchanged.
   * @param path in bpffs; with `create`, that is mounted at its usual place, `/sys/fs/bpf`, where it is not
   * @throws AmbientRedirectError `ERR_LOCKED` naming the process that has it; `ERR_SCHEMA` listing what differs when it is of a version
   * whose maps this one would read wrongly, with nothing touched; `ERR_NO_STATE` when there is none; `ERR_DAMAGED` when pins were taken away;
   * `ERR_INVALID_ARGUMENT` when the path is not in bpffs
   */
  static open(sys: Sys, path: string, options: StateDirectoryOptions = {}): StateDirectory {
    const { create = false, readOnly = false, maps = MAPS } = options;
    checkPlace(sys, path, create);
    if (!create && !existsSync(path)) throw noState(path);
    const lock = readOnly ? undefined : lockDirectory(sys, path, { create });
    try {
      const ours = schema(maps);
      const place = { sys, path, folder: `${path}/${VERSION}`, readOnly };
      let recorded = readSchema(place);
      if (recorded === undefined) {
        checkUnused(path);
        if (!readOnly) removeTree(path);
        if (!create || readOnly) throw noState(path);
        for (const folder of ['maps', 'programs', 'links'])
          mkdirSync(`${path}/${VERSION}/${folder}`, { recursive: true });
      } else {
        recorded = bringIn(place, { recorded, ours, maps });
      }
      const opened = openMaps(sys, path, { recorded, maps, readOnly });
      const directory = new StateDirectory(sys, path, opened, ours, lock);
      if (!readOnly) directory.#begin(recorded, ours);
      return directory;
    } catch (error) {
      lock?.close();
      throw error;
    }
  }

  /** What the one who has the lock does first. The schema comes last of all that makes a state: without it, there is none. */
  #begin(recorded: Schema | undefined, ours: Schema): void {
    try {
      // A map that goes on as it was is recorded as it is.
      const now: Schema = { ...ours, maps: { ...ours.maps, ...recorded?.maps } };
      if (recorded === undefined || schemaDigest(recorded) !== schemaDigest(now)) this.records.put(SCHEMA_RECORD, now);
      this.records.sweep();
    } catch (error) {
      closeAll(this.maps);
      throw error;
    }
  }

  /**
   * Pins a link under a name of ours: it then outlives the process.
   * @throws NetlinkTcError `ERR_EXISTS`
   * @throws AmbientRedirectError `ERR_DAMAGED` when the directory was removed
   */
  pinLink(name: string, link: { readonly fd: number }): void {
    this.#pin('links', name, link);
  }

  /** Opens a pinned link; undefined where there is none. */
  openLink(name: string): BpfLink | undefined {
    return ifThere(() => openPinnedLink(this.#sys, this.#pinPath('links', name)));
  }

  /** Removes the pin of a link; tells whether it was there. Detach it first: else it goes some time later. */
  unpinLink(name: string): boolean {
    return unpin(this.#pinPath('links', name));
  }

  /** The names of all pinned links, sorted. */
  linkNames(): string[] {
    return pinNames(`${this.path}/${VERSION}/links`);
  }

  /** Pins a program under a name of ours; the rest as {@link pinLink}. */
  pinProgram(name: string, program: { readonly fd: number }): void {
    this.#pin('programs', name, program);
  }

  /** Opens a pinned program; undefined where there is none. */
  openProgram(name: string): BpfObject | undefined {
    return ifThere(() => openPinnedProgram(this.#sys, this.#pinPath('programs', name)));
  }

  /** Removes the pin of a program; tells whether it was there. */
  unpinProgram(name: string): boolean {
    return unpin(this.#pinPath('programs', name));
  }

  /** The names of all pinned programs, sorted. */
  programNames(): string[] {
    return pinNames(`${this.path}/${VERSION}/programs`);
  }

  /**
   * Removes all of it: detaches the links, unpins everything, removes the directories (but no directory with things of others in
   * it), and closes. Who is killed half-way leaves what the next one with `create` makes anew, or removes.
   */
  remove(): void {
    for (const name of this.linkNames()) {
      using link = this.openLink(name);
      link?.detach();
      this.unpinLink(name);
    }
    for (const name of this.programNames()) this.unpinProgram(name);
    // From here on there is no state.
    this.records.delete(SCHEMA_RECORD);
    removeTree(this.path);
    removeEmpty(this.path);
    this.close();
  }

  /** Lets go of it: everything pinned stays as it is, and another may open it. A second call does nothing. */
  close(): void {
    closeAll(this.maps);
    this.#lock?.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #pin(folder: 'links' | 'programs', name: string, object: { readonly fd: number }): void {
    try {
      pin(this.#sys, object, this.#pinPath(folder, name));
    } catch (error) {
      if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
      throw new AmbientRedirectError('ERR_DAMAGED', `${this.path} is not there any more`, {
        cause: error,
        hint: 'others removed it: close this engine, open another, and enroll anew',
      });
    }
  }

  #pinPath(folder: 'links' | 'programs', name: string): string {
    if (!/^[\w-]{1,200}$/.test(name)) {
      throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${JSON.stringify(name)} is no name for a pin`, {
        hint: 'use letters, digits, underscores and hyphens',
      });
    }
    return `${this.path}/${VERSION}/${folder}/${name}`;
  }
}

function mapPath(path: string, name: string): string {
  return `${path}/${VERSION}/maps/${name}`;
}

/** A state that was never completed has nothing that uses it. */
function checkUnused(path: string): void {
  const used = ['links', 'programs'].flatMap((folder) => pinNames(`${path}/${VERSION}/${folder}`));
  if (used.length === 0) return;
  throw new AmbientRedirectError('ERR_DAMAGED', `the records of ${path} are gone, but it has ${used.join(', ')}`, {
    hint: `others removed pins there; end what is left by 'rm -r ${path}', filters of clsact by tc(8), and enroll anew`,
  });
}

function noState(path: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_NO_STATE', `there is no state of an engine in ${path}`, {
    hint: 'start the engine first, or name the directory that it uses',
  });
}

function openMaps(
  sys: Sys,
  path: string,
  { recorded, maps, readOnly }: Opening & { readonly recorded: Schema | undefined },
): OpenMaps {
  const open: Record<string, { close(): void }> = {};
  try {
    for (const [name, { definition }] of Object.entries(maps)) {
      const { maxEntries, flags } = recorded?.maps[name] ?? definition;
      const asItIs = { ...definition, maxEntries, ...(flags === undefined ? {} : { flags }) };
      const found = openMap(sys, path, name, asItIs, readOnly);
      const isNew = recorded?.maps[name] === undefined;
      if (found === undefined && (!isNew || readOnly)) throw missing(path, name, isNew);
      open[name] = found ?? makeMap(sys, path, name, definition);
    }
    return open as unknown as OpenMaps;
  } catch (error) {
    closeAll(open);
    if (!isNetlinkTcError(error, 'ERR_INCOMPATIBLE')) throw error;
    throw new AmbientRedirectError('ERR_DAMAGED', error.message, {
      cause: error,
      hint: `others replaced a pin in ${path}: end what uses it, remove it, and enroll anew`,
    });
  }
}

function missing(path: string, name: string, isNew: boolean): AmbientRedirectError {
  if (isNew) return differs(path, [`map ${name} is not there yet`]);
  return new AmbientRedirectError('ERR_DAMAGED', `the map ${name} is not pinned in ${path} any more`, {
    hint: `others removed it: end what is left by 'rm -r ${path}', filters of clsact by tc(8), and enroll anew`,
  });
}

function openMap(
  sys: Sys,
  path: string,
  name: string,
  definition: MapDefinition,
  readOnly: boolean,
): { close(): void } | undefined {
  return ifThere(() => openPinnedMap(sys, mapPath(path, name), definition, { readOnly }));
}

function makeMap(sys: Sys, path: string, name: string, definition: MapDefinition): { close(): void } {
  const map = createMap(sys, definition);
  try {
    pin(sys, map, mapPath(path, name));
    return map;
  } catch (error) {
    map.close();
    throw error;
  }
}

function ifThere<T>(open: () => T): T | undefined {
  try {
    return open();
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

function pinNames(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory).toSorted() : [];
}

/** Removes what is below the version's directory, which is ours, maps first. */
function removeTree(path: string): void {
  rmSync(`${path}/${VERSION}`, { recursive: true, force: true });
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (!['ENOTEMPTY', 'ENOENT'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

function closeAll(maps: Readonly<Record<string, { close(): void }>>): void {
  for (const map of Object.values(maps)) map.close();
}
