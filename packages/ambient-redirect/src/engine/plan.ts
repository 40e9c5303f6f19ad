import { openPinnedMap, openSys, isNetlinkTcError } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { MAPS } from '../maps.ts';
import { VERSION } from './directory.ts';
import { SCHEMA_RECORD } from './migration.ts';
import { DEFAULT_DIRECTORY, type EngineOptions } from './options.ts';
import { openGround } from './plan-ground.ts';
import { Planner } from './planner.ts';
import type { NodePlan, Operation, PlannedChange } from './planned-change.ts';
import { POD_RECORDS } from './pod-record.ts';
import { RecordStore } from './records.ts';
import { compareSchemas, schema, type Schema } from './schema.ts';
import { NOTES } from './state-schema.ts';

/**
 * Says what an operation would change, and changes nothing: the node is looked at as an engine would find it, whoever has it.
 *
 * What is told is the difference between the node as it is and as it is to be; what an engine mends when it is opened is part of it.
 * @throws AmbientRedirectError what the operation would be refused with as a whole: `ERR_NO_STATE`, `ERR_PROXY_NOT_LISTENING`, `ERR_CONFLICT`
 * @example
 * ```ts
 * const { changes } = await planOperation({ kind: 'enroll', pods: [{ id: 'shop/cart-1', netns: { pid: 4711 } }] });
 * ```
 */
export async function planOperation(operation: Operation, options: EngineOptions = {}): Promise<NodePlan> {
  if (operation.kind === 'upgrade') {
    const migration = await planMigration(options);
    if (migration !== undefined) return migration;
  }
  await using ground = await openGround(options);
  const canBegin = operation.kind === 'enroll' || operation.kind === 'set-proxy';
  if (ground.context === undefined && !canBegin) {
    throw new AmbientRedirectError('ERR_NO_STATE', `there is no state of an engine in ${ground.settings.directory}`, {
      hint: 'nothing was ever enrolled there',
    });
  }
  return await new Planner(ground).plan(operation);
}

/**
 * What becomes of the maps of a state that another version laid out differently. Until they are made anew, this version cannot look at the rest of
 * it.
 * @returns undefined where they are as this version has them
 * @throws AmbientRedirectError `ERR_SCHEMA` where this version cannot take it over
 */
async function planMigration({ sys, directory = DEFAULT_DIRECTORY }: EngineOptions): Promise<NodePlan | undefined> {
  const { definition } = MAPS.records;
  let recorded: Schema | undefined;
  let hasPods = false;
  try {
    const path = `${directory}/${VERSION}/maps/records`;
    using map = openPinnedMap(sys ?? (await openSys()), path, definition, { readOnly: true });
    const records = new RecordStore(map);
    recorded = records.get<Schema>(SCHEMA_RECORD);
    hasPods = records.names(POD_RECORDS).length > 0;
  } catch (error) {
    // That is told when the state is opened.
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND') || isNetlinkTcError(error, 'ERR_INCOMPATIBLE')) return undefined;
    throw error;
  }
  if (recorded === undefined) return undefined;
  const ours = schema();
  const { remade, resized, refused } = compareSchemas(recorded, ours);
  // As with an engine that is opened: what programs of both versions note connections in stays as it is.
  const kept = hasPods ? NOTES.filter((name) => resized.includes(name)) : [];
  const unfit = hasPods ? NOTES.filter((name) => remade.includes(name) && !resized.includes(name)) : [];
  const reasons = [...refused, ...unfit.map((name) => `map ${name} cannot be made anew while pods are enrolled`)];
  if (reasons.length > 0) {
    throw new AmbientRedirectError(
      'ERR_SCHEMA',
      `the state in ${directory} is laid out differently: ${reasons.join('; ')}`,
      {
        hint: 'run the version that made it to unenroll all pods and tear down, then this one',
      },
    );
  }
  const change = (action: 'make' | 'replace', name: string): PlannedChange => ({
    action,
    where: 'state',
    kind: 'map',
    what: name,
    pin: `${VERSION}/maps/${name}`,
  });
  const changes = [
    ...remade.filter((name) => !kept.includes(name)).map((name) => change('replace', name)),
    ...Object.keys(ours.maps)
      .filter((name) => recorded?.maps[name] === undefined)
      .map((name) => change('make', name)),
  ];
  if (changes.length === 0) return undefined;
  const notes = ['the entries of maps are taken over, and every program is replaced in place by one for the new maps'];
  return { directory, changes, notes, refused: [] };
}
