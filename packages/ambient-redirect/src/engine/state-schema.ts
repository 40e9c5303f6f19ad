import type { MapHandle } from 'bpf-asm';
import { isNetlinkTcError, openPinnedMap, type Sys } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { MAPS } from '../maps.ts';
import { migrate, MIGRATION_RECORD, SCHEMA_RECORD, settleMigration } from './migration.ts';
import { POD_RECORDS } from './pod-record.ts';
import { RecordStore } from './records.ts';
import { compareSchemas, type Schema } from './schema.ts';

/**
 * Maps in which programs note connections for the packets that follow. While two versions of the programs run side by side, they must be the same to
 * both.
 */
const NOTES: readonly string[] = ['direct', 'exempt'] satisfies (keyof typeof MAPS)[];

/** Where a state is, and how it is opened. */
export interface StatePlace {
  readonly sys: Sys;
  readonly path: string;
  /** The folder of all that is pinned, with the folder `maps`. */
  readonly folder: string;
  readonly readOnly: boolean;
}

/** The records of a state; undefined where it has none. @throws AmbientRedirectError `ERR_SCHEMA` when they are laid out differently */
function openRecords({
  sys,
  path,
  folder,
  readOnly,
}: StatePlace): (Disposable & { readonly store: RecordStore }) | undefined {
  try {
    const map = openPinnedMap(sys, `${folder}/maps/records`, MAPS.records.definition, { readOnly });
    return { store: new RecordStore(map), [Symbol.dispose]: () => map.close() };
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return undefined;
    if (!isNetlinkTcError(error, 'ERR_INCOMPATIBLE')) throw error;
    throw differs(path, [error.message], error);
  }
}

/** The schema of a state, once a migration that was cut short is carried on, or undone; undefined where there is none. */
export function readSchema(place: StatePlace): Schema | undefined {
  const { sys, path, folder, readOnly } = place;
  using records = openRecords(place);
  const recorded = records?.store.get<Schema>(SCHEMA_RECORD);
  if (records === undefined || recorded === undefined) return undefined;
  if (typeof recorded.maps !== 'object') throw differs(path, ['its schema is not recorded as it is here']);
  if (!readOnly) return settleMigration({ sys, folder, records: records.store }) ?? recorded;
  if (records.store.get(MIGRATION_RECORD) === undefined) return recorded;
  throw differs(path, ['its maps are being made anew']);
}

/**
 * Which maps of a state have to be made anew, so that this version can use it. Changes nothing.
 * @throws AmbientRedirectError `ERR_SCHEMA` where it could not, even so
 */
export function mapsToRemake(place: StatePlace, recorded: Schema, ours: Schema): readonly string[] {
  const { remade, resized, refused } = compareSchemas(recorded, ours);
  const reasons = [...refused];
  if (remade.includes('records')) reasons.push('map records is of another size');
  if (reasons.length > 0) throw differs(place.path, reasons);
  using records = openRecords(place);
  const hasPods = records !== undefined && records.store.names(POD_RECORDS).length > 0;
  // What programs of both versions look up has to be one map. As it is it does for both, if its size alone is another.
  const asTheyAre = hasPods ? NOTES.filter((name) => remade.includes(name)) : [];
  for (const name of asTheyAre)
    if (!resized.includes(name)) reasons.push(`map ${name} cannot be made anew while pods are enrolled`);
  if (reasons.length > 0) throw differs(place.path, reasons);
  return remade.filter((name) => !asTheyAre.includes(name));
}

/**
 * Sees to it that this version can use a state: makes anew which maps it has to.
 * @returns the schema of what is there by now
 * @throws AmbientRedirectError `ERR_SCHEMA`, with nothing touched
 */
export function bringIn(
  place: StatePlace,
  {
    recorded,
    ours,
    maps,
  }: { readonly recorded: Schema; readonly ours: Schema; readonly maps: Readonly<Record<string, MapHandle>> },
): Schema {
  const { sys, path, folder, readOnly } = place;
  const now = mapsToRemake(place, recorded, ours);
  if (readOnly && now.length > 0)
    throw differs(
      path,
      now.map((name) => `map ${name} is not made anew yet`),
    );
  using records = openRecords(place);
  if (records === undefined || now.length === 0) return recorded;
  const result = migrate({ sys, folder, records: records.store }, recorded, { maps, ours, remade: now });
  if ('full' in result) throw differs(path, [`map ${result.full} has more entries than there is room for`]);
  return result.becomes;
}

/** What is refused since this version would read it wrongly. */
export function differs(path: string, differences: readonly string[], cause?: unknown): AmbientRedirectError {
  return new AmbientRedirectError(
    'ERR_SCHEMA',
    `the state in ${path} is laid out differently: ${differences.join('; ')}`,
    {
      hint: 'run the version that made it to unenroll all pods and tear down, then this one',
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
