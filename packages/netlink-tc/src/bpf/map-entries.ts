import type { MapDefinition } from 'bpf-asm';
import { constants } from 'node:os';
import { NetlinkTcError } from '../error.ts';
import type { Sys } from '../sys/index.ts';
import { bpfError } from './command.ts';
import { hasNoBatch } from './map-batch.ts';
import type { RawMap } from './raw-map.ts';

const { ENOENT, ENOSPC } = constants.errno;

/** Elements of the first batch; doubled where a hash bucket does not fit. */
const FIRST_BATCH = 256;

/** Some entries, packed. The arrays are reused: they hold until the next chunk is asked for. */
export interface EntryChunk {
  readonly keys: Uint8Array;
  readonly values: Uint8Array;
  readonly count: number;
}

/** The entries of a map, by batches where the kernel has them, key by key where not. */
export function* walkEntries(sys: Sys, map: RawMap, definition: MapDefinition): Generator<EntryChunk> {
  if (!(yield* inBatches(sys, map, definition, 'BPF_MAP_LOOKUP_BATCH'))) yield* keyByKey(sys, map, definition);
}

/** The entries of a map, each deleted as it is read. */
export function* drainEntries(sys: Sys, map: RawMap, definition: MapDefinition): Generator<EntryChunk> {
  if (yield* inBatches(sys, map, definition, 'BPF_MAP_LOOKUP_AND_DELETE_BATCH')) return;
  throw new NetlinkTcError('ERR_UNSUPPORTED', `maps of type ${definition.type} cannot be drained on this kernel`, {
    hint: 'walk the entries, and delete each key',
  });
}

/** @returns whether the kernel has batches for this map; nothing was yielded where not */
function* inBatches(
  sys: Sys,
  map: RawMap,
  definition: MapDefinition,
  command: 'BPF_MAP_LOOKUP_BATCH' | 'BPF_MAP_LOOKUP_AND_DELETE_BATCH',
): Generator<EntryChunk, boolean> {
  // Where to go on is four bytes for hashes and arrays, and a key for tries.
  let from: Uint8Array | undefined;
  let to: Uint8Array = new Uint8Array(Math.max(map.key.length, 8));
  let room = Math.min(FIRST_BATCH, Math.max(1, definition.maxEntries));
  let keys = new Uint8Array(room * map.key.length);
  let values = new Uint8Array(room * map.value.length);
  for (;;) {
    const { result, count } = map.batch(command, keys, values, room, from === undefined ? { to } : { from, to });
    if (result === -ENOSPC && room < definition.maxEntries * 2 + FIRST_BATCH) {
      // One bucket of the hash holds more than the room: nothing was read, and `from` still stands.
      room *= 2;
      keys = new Uint8Array(room * map.key.length);
      values = new Uint8Array(room * map.value.length);
      continue;
    }
    if (result < 0 && result !== -ENOENT) {
      if (from === undefined && hasNoBatch(result)) return false;
      throw bpfError(sys, result, command, `cannot walk ${definition.type} map ${definition.name}`);
    }
    if (count > 0) yield { keys, values, count };
    if (result === -ENOENT) return true;
    [from, to] = [to, from ?? new Uint8Array(to.length)];
  }
}

function* keyByKey(sys: Sys, map: RawMap, definition: MapDefinition): Generator<EntryChunk> {
  const { name, type, maxEntries } = definition;
  const seen = new Set<string>();
  const limit = 4 * maxEntries + 1024;
  const current = new Uint8Array(map.key.length);
  let fromStart = true;
  for (let steps = 0; ; steps += 1) {
    if (steps > limit) {
      throw new NetlinkTcError('ERR_ITERATION_ABORTED', `no end of ${type} map ${name} after ${steps} steps`, {
        hint: 'others change it too fast: try again, or stop them',
      });
    }
    map.key.set(current);
    const found = map.nextKey(fromStart);
    if (found === -ENOENT) return;
    if (found < 0) throw bpfError(sys, found, 'BPF_MAP_GET_NEXT_KEY', `cannot walk ${type} map ${name}`);
    fromStart = false;
    current.set(map.next);
    // When the current key is deleted, the kernel starts again: what came before is passed over.
    const text = Buffer.from(current).toString('latin1');
    if (seen.has(text)) continue;
    seen.add(text);
    map.key.set(current);
    const read = map.lookup();
    if (read === -ENOENT) continue;
    if (read < 0) throw bpfError(sys, read, 'BPF_MAP_LOOKUP_ELEM', `cannot walk ${type} map ${name}`);
    yield { keys: current.slice(), values: map.value.slice(), count: 1 };
  }
}
