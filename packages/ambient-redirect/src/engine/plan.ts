import { openSys } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { VERSION } from './directory.ts';
import { DEFAULT_DIRECTORY, type EngineOptions } from './options.ts';
import { openGround } from './plan-ground.ts';
import { Planner } from './planner.ts';
import type { NodePlan, Operation, PlannedChange } from './planned-change.ts';
import { schema } from './schema.ts';
import { mapsToRemake, readSchema } from './state-schema.ts';

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
async function planMigration({
  sys: given,
  directory = DEFAULT_DIRECTORY,
}: EngineOptions): Promise<NodePlan | undefined> {
  const sys = given ?? (await openSys());
  const place = { sys, path: directory, folder: `${directory}/${VERSION}`, readOnly: true };
  const ours = schema();
  const recorded = readSchema(place);
  if (recorded === undefined) return undefined;
  const change = (action: 'make' | 'replace', name: string): PlannedChange => ({
    action,
    where: 'state',
    kind: 'map',
    what: name,
    pin: `${VERSION}/maps/${name}`,
  });
  const added = Object.keys(ours.maps).filter((name) => recorded.maps[name] === undefined);
  const changes = [
    ...mapsToRemake(place, recorded, ours).map((name) => change('replace', name)),
    ...added.map((name) => change('make', name)),
  ];
  if (changes.length === 0) return undefined;
  const notes = ['the entries of maps are taken over, and every program is replaced in place by one for the new maps'];
  return { directory, changes, notes, refused: [] };
}
