import type { MapDefinition, MapHandle } from 'bpf-asm';
import { createMap, openPinnedMap, pin, type BpfMap, type Sys } from 'netlink-tc';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import type { RecordStore } from './records.ts';
import type { MapShape, Schema } from './schema.ts';

/** Names of the records of the schema, and of a migration that has made all its maps. */
export const SCHEMA_RECORD = 'schema';
export const MIGRATION_RECORD = 'migration';

/** What is recorded of a migration that only has to put its maps in place. */
interface MigrationRecord {
  readonly maps: readonly string[];
  readonly becomes: Schema;
}

/** Their contents cannot be read: sockets, which are found again by whoever filled the map, and events that nobody has read. */
const NOT_COPIED: ReadonlySet<string> = new Set(['sockmap', 'ringbuf']);

type Entry = readonly [key: Uint8Array, value: unknown];

/** Where the maps of a state are pinned, and what is known of them. */
export interface MigrationState {
  readonly sys: Sys;
  /** Path of the folder that has the folder `maps`. */
  readonly folder: string;
  readonly records: RecordStore;
}

/**
 * Makes maps anew that this version lays out in another way, with the entries that they have. Programs on hooks go on with the maps that they were
 * loaded with, which live as long as they do, until they are exchanged.
 *
 * Whoever dies before the record is written has changed nothing; after it, {@link settleMigration} does the rest.
 * @param remade their names
 * @returns what is recorded now; undefined, with nothing touched, where the entries of the map `full` have no room
 */
export function migrate(
  { sys, folder, records }: MigrationState,
  recorded: Schema,
  {
    maps,
    ours,
    remade,
  }: { readonly maps: Readonly<Record<string, MapHandle>>; readonly ours: Schema; readonly remade: readonly string[] },
): { readonly becomes: Schema } | { readonly full: string } {
  const shapes = remade.flatMap((name) => {
    const [was, is, handle] = [recorded.maps[name], ours.maps[name], maps[name]];
    return was === undefined || is === undefined || handle === undefined ? [] : [{ name, was, is, handle }];
  });
  const filled = shapes.map(({ name, was, is, handle }) => {
    using old = openPinnedMap(sys, `${folder}/maps/${name}`, plain(name, was));
    return {
      name,
      is,
      handle,
      entries: NOT_COPIED.has(was.type) ? [] : entriesFor(old as BpfMap<Uint8Array, unknown>, was, is),
    };
  });
  for (const { name, is, entries } of filled) if (!fits(entries, is)) return { full: name };
  const next = `${folder}/next`;
  mkdirSync(next);
  for (const { name, is, handle, entries } of filled) {
    createAt(sys, `${next}/${name}`, handle.definition);
    if (entries.length === 0) continue;
    using fresh = openPinnedMap(sys, `${next}/${name}`, plain(name, is)) as BpfMap<Uint8Array, unknown>;
    fresh.updateMany(entries);
  }
  const renewed = Object.fromEntries(shapes.map(({ name, is }) => [name, is]));
  const becomes: Schema = { ...recorded, maps: { ...recorded.maps, ...renewed } };
  records.put(MIGRATION_RECORD, { maps: remade, becomes } satisfies MigrationRecord);
  return { becomes: settleMigration({ sys, folder, records }) ?? becomes };
}

/**
 * Ends a migration: puts its maps in place where all of them were made, and removes them where not.
 * @returns what is recorded now, where there was something to put in place
 */
export function settleMigration({ folder, records }: MigrationState): Schema | undefined {
  const next = `${folder}/next`;
  const migration = records.get<MigrationRecord>(MIGRATION_RECORD);
  if (migration !== undefined) {
    for (const name of migration.maps)
      if (existsSync(`${next}/${name}`)) renameSync(`${next}/${name}`, `${folder}/maps/${name}`);
    records.put(SCHEMA_RECORD, migration.becomes);
    records.delete(MIGRATION_RECORD);
  }
  rmSync(next, { recursive: true, force: true });
  return migration?.becomes;
}

/** The definition of a map whose keys and values are plain bytes. */
function plain(name: string, { type, keySize, valueSize, maxEntries, flags }: MapShape): MapDefinition {
  return { name, type, keySize, valueSize, maxEntries, flags };
}

function createAt(sys: Sys, path: string, definition: MapDefinition): void {
  using map = createMap(sys, definition);
  pin(sys, map, path);
}

/** The entries of a map as one laid out in another way has them. Zeros of an array need not be written. */
function entriesFor(map: BpfMap<Uint8Array, unknown>, was: MapShape, is: MapShape): Entry[] {
  const isArray = was.type.endsWith('array');
  const entries: Entry[] = [];
  for (const [key, value] of map.entries()) {
    const values = (Array.isArray(value) ? value : [value]) as readonly Uint8Array[];
    if (isArray && values.every((each) => each.every((byte) => byte === 0))) continue;
    const moved = values.map((each) => moveFields(each, was, is));
    entries.push([key, Array.isArray(value) ? moved : moved[0]]);
  }
  return entries;
}

/** A value with each field where it belongs by now; new ones are zero. */
function moveFields(value: Uint8Array, was: MapShape, is: MapShape): Uint8Array {
  if (typeof was.value === 'string' || typeof is.value === 'string') return value;
  const moved = new Uint8Array(is.valueSize);
  for (const [name, { at, size }] of Object.entries(was.value))
    moved.set(value.subarray(at, at + size), is.value[name]?.at ?? 0);
  return moved;
}

function fits(entries: readonly Entry[], { type, maxEntries }: MapShape): boolean {
  if (!type.endsWith('array')) return entries.length <= maxEntries;
  // The index of an array, in the byte order of the machine.
  return entries.every(([key]) => (new Uint32Array(key.slice().buffer)[0] ?? 0) < maxEntries);
}
