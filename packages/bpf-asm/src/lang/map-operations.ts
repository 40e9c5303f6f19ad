import { memoryOf, type Assignable } from './assign.ts';
import type { AnyLayout, FieldLayouts, IntegerLayout, StructLayout } from '../layout/index.ts';
import { Cell } from './cell.ts';
import { ACTS, callHelper, CHANGES_MAPS, LOOKS } from './helper-call.ts';
import { asMap } from './helper-arguments.ts';
import { show } from './language-error.ts';
import { Lookup } from './lookup.ts';
import type { KeyedMap, MapHandle } from './maps.ts';
import { Place } from './place.ts';
import type { Scope } from './scope.ts';
import { socketLookup, type Socket } from './sockets.ts';
import type { HostName } from './types.ts';
import { isValue } from './typed.ts';
import { makeValue, type Value } from './value.ts';
import type { Storable } from './variable.ts';
import { viewOf, type NumberFields, type StructMethods, type ViewOf } from './view.ts';

/** When an update applies (`BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST`). */
export type UpdateMode = 'always' | 'if-absent' | 'if-present';

const MODE: Readonly<Record<UpdateMode, number>> = { always: 0, 'if-absent': 1, 'if-present': 2 };

/** A key of a map: by its layout, or memory that is laid out so, which is used in place. */
export type KeyOf<L> = Assignable<L> | (ViewOf<L> & object);

/** How much a counter goes up by: a number, or numbers by field. */
export type Increment<L> =
  L extends IntegerLayout<number | bigint, infer N extends HostName>
    ? Storable<N>
    : L extends StructLayout<infer F extends FieldLayouts>
      ? {
          readonly [K in NumberFields<F>]?: F[K] extends IntegerLayout<number | bigint, infer N extends HostName>
            ? Storable<N>
            : never;
        }
      : never;

/** What programs do with maps. */
export interface MapOperations {
  /**
   * Looks a key up. What there is must be handled, and what happens if there is nothing.
   *
   * @example
   * ```ts
   * const pod = lookup(pods, { address: ip.source }).orElse(next);
   * ```
   */
  readonly lookup: {
    <K extends AnyLayout, V extends AnyLayout>(map: KeyedMap<K, V>, key: KeyOf<K>): Lookup<ViewOf<V>>;
    <K extends AnyLayout>(map: MapHandle<'sockmap' | 'sockhash', K, undefined>, key: KeyOf<K>): Lookup<Socket>;
  };
  /** Sets the value of a key. Gives 0, or a negative error number: `-7` (`E2BIG`) when the map is full. */
  readonly update: <K extends AnyLayout, V extends AnyLayout>(
    map: KeyedMap<K, V>,
    key: KeyOf<K>,
    value: KeyOf<V>,
    mode?: UpdateMode,
  ) => Value<'i64'>;
  /** Takes a key out of a map. Gives 0, or a negative error number: `-2` (`ENOENT`) when it was not there. */
  readonly remove: <K extends AnyLayout, V extends AnyLayout>(map: KeyedMap<K, V>, key: KeyOf<K>) => Value<'i64'>;
  /** Counts: adds to the value of a key, if it is there; on this CPU alone where the map is per-CPU, else in one atomic step. */
  readonly count: <K extends AnyLayout, V extends AnyLayout>(
    map: KeyedMap<K, V>,
    key: KeyOf<K>,
    by: Increment<V>,
  ) => void;
  /** Goes on with the program at an index of a `prog_array`, and does not come back; if there is none, goes on here. */
  readonly tailCall: (programs: MapHandle<'prog_array'>, index: number | Value<'u32'>) => void;
}

/** The map operations of the program that is being built. */
export function mapOperations(scope: () => Scope): MapOperations {
  const operations = {
    lookup: (map: MapHandle, key: unknown) => lookup(scope(), map, key),
    update: (map: KeyedMap, key: unknown, value: unknown, mode: UpdateMode = 'always') =>
      update(scope(), map, key, value, mode),
    remove: (map: KeyedMap, key: unknown) => {
      const now = scope();
      const pointer = keyOf(now, asMap(now, 'remove', map), key);
      return makeValue(
        now,
        'i64',
        callHelper(now, 'map_delete_elem', [now.at().map(map.definition.name), pointer], CHANGES_MAPS),
      );
    },
    count: (map: KeyedMap, key: unknown, by: unknown) => count(scope(), map, key, by),
    tailCall: (programs: MapHandle, index: number | Value<'u32'>) => tailCall(scope(), programs, index),
  };
  return operations as MapOperations;
}

function lookup(scope: Scope, map: MapHandle, key: unknown): Lookup<unknown> {
  const { definition, value } = asMap(scope, 'lookup', map);
  const pointer = keyOf(scope, map, key);
  const sockets = map.type === 'sockmap' || map.type === 'sockhash';
  const effects = sockets ? ACTS : LOOKS;
  const found = callHelper(scope, 'map_lookup_elem', [scope.at().map(definition.name), pointer], effects);
  if (sockets) return socketLookup(scope, found, definition.name);
  if (value === undefined)
    throw scope.error(`map ${definition.name} has no values to look up`, 'use the helper that is made for it');
  return new Lookup(scope, found, () => viewOf(new Place(scope, found, 0, { memory: 'map', align: undefined }), value));
}

function keyOf(scope: Scope, map: MapHandle, key: unknown): ReturnType<Place['pointer']> {
  const { definition } = map;
  if (map.key === undefined)
    throw scope.error(`map ${definition.name} has no keys`, 'use the helper that is made for it');
  const isArray = definition.type === 'array' || definition.type === 'percpu_array';
  if (isArray && typeof key === 'number' && key >= definition.maxEntries) {
    throw scope.error(`map ${definition.name} has no index ${key}`, `it has ${definition.maxEntries} entries`);
  }
  return memoryOf(scope, map.key, key, `key of ${definition.name}`).pointer();
}

function update(scope: Scope, map: KeyedMap, key: unknown, value: unknown, mode: UpdateMode): Value<'i64'> {
  const { definition } = asMap(scope, 'update', map);
  if (!Object.hasOwn(MODE, mode))
    throw scope.error(`${show(mode)} is no mode of an update`, `modes: ${Object.keys(MODE).join(', ')}`);
  const keyPointer = keyOf(scope, map, key);
  const valuePointer = memoryOf(scope, map.value, value, `value of ${definition.name}`).pointer();
  const b = scope.at();
  const args = [b.map(definition.name), keyPointer, valuePointer, b.constant(MODE[mode])];
  return makeValue(scope, 'i64', callHelper(scope, 'map_update_elem', args, CHANGES_MAPS));
}

function count(scope: Scope, map: KeyedMap, key: unknown, by: unknown): void {
  const alone = map.type.includes('percpu');
  lookup(scope, map, key).ifPresent((found) => {
    if (found instanceof Cell) {
      if (alone) (found as Cell<HostName>).add(by as never);
      else (found as Cell<'u64'>).atomicAdd(by as never);
    } else if (alone) (found as StructMethods<FieldLayouts>).add(by as never);
    else (found as StructMethods<FieldLayouts>).atomicAdd(by as never);
  });
}

function tailCall(scope: Scope, programs: MapHandle, index: number | Value<'u32'>): void {
  const { definition } = asMap(scope, 'tailCall', programs);
  const [held] = scope.flow.held;
  if (held !== undefined) throw scope.error(`${held.what} is held at a tail call`, 'give it back before');
  if (!isValue(index) && (!Number.isInteger(index) || index < 0))
    throw scope.error(`${show(index)} is no index`, 'give a whole number');
  const b = scope.at();
  const at = isValue(index) ? index.ir : b.constant(index);
  callHelper(scope, 'tail_call', [scope.requireContext(), b.map(definition.name), at], ACTS);
}
