import type { MapDefinition } from 'bpf-asm';
import { constants } from 'node:os';
import { NetlinkTcError } from '../error.ts';
import type { Fd, Sys } from '../sys/index.ts';
import { MAP_ELEM, MAP_ELEM_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { codecsOf, type Codec } from './codec.ts';
import { BPF_COMMAND, bpfError, type BpfCommand } from './command.ts';
import { drainEntries, walkEntries } from './map-entries.ts';
import { deleteBatch, updateBatch } from './map-batch.ts';
import { mapMemory, type MapMemory } from './map-memory.ts';
import { RawMap } from './raw-map.ts';

const { ENOENT, E2BIG, EEXIST } = constants.errno;

/** What an update does with what is there: `noexist` only adds, `exist` only replaces. */
export type UpdateMode = 'any' | 'noexist' | 'exist';

const MODE: Readonly<Record<UpdateMode, bigint>> = { any: 0n, noexist: 1n, exist: 2n };

/**
 * A map of the kernel, owned: it lives until it is closed (and longer where it is pinned or a program uses it). Keys and
 * values go through the layouts of its definition, or are bytes where it has none; see {@link createMap}, `openPinnedMap`.
 */
export class BpfMap<K = Uint8Array, V = Uint8Array, KIn = K, VIn = V> implements Disposable {
  /** What it is: sizes, type, flags, layouts. */
  readonly definition: MapDefinition;
  /** Its keys and values as bytes, for those who count nanoseconds. */
  readonly raw: RawMap;
  readonly #sys: Sys;
  readonly #key: Codec<K, KIn>;
  readonly #value: Codec<V, VIn>;

  /** Use {@link createMap} or `openPinnedMap`: they check the definition against the kernel. */
  constructor(sys: Sys, fd: Fd, definition: MapDefinition) {
    const { key, value } = codecsOf(definition, sys.platform.littleEndian);
    this.definition = definition;
    this.#sys = sys;
    this.#key = key as Codec<K, KIn>;
    this.#value = value as Codec<V, VIn>;
    this.raw = new RawMap(sys, fd, definition.keySize, value.size);
  }

  /** Name of the map, as its definition says it. */
  get name(): string {
    return this.definition.name;
  }

  /** The file descriptor, still owned by this map. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.raw.fd.number;
  }

  /**
   * The value of a key, or undefined where there is none.
   * @throws NetlinkTcError when the map is closed or its type has no look-up from user space
   */
  lookup(key: KIn): V | undefined {
    this.#key.encode(key, this.raw.key, 0);
    return this.#read(this.raw.lookup(), 'BPF_MAP_LOOKUP_ELEM', 'look up');
  }

  /**
   * Sets the value of a key.
   * @throws NetlinkTcError `ERR_EXISTS` in mode `noexist`, `ERR_NOT_FOUND` in mode `exist`, `ERR_NO_SPACE` when the map is full
   */
  update(key: KIn, value: VIn, mode: UpdateMode = 'any'): void {
    this.#key.encode(key, this.raw.key, 0);
    this.#value.encode(value, this.raw.value, 0);
    const result = this.raw.update(MODE[mode] ?? badMode(mode));
    if (result < 0) throw this.#error(result, 'BPF_MAP_UPDATE_ELEM', 'update');
  }

  /** Deletes a key; tells whether it was there. Elements of arrays cannot be deleted (`ERR_SYSCALL`, EINVAL). */
  delete(key: KIn): boolean {
    this.#key.encode(key, this.raw.key, 0);
    const result = this.raw.delete();
    if (result < 0 && result !== -ENOENT) throw this.#error(result, 'BPF_MAP_DELETE_ELEM', 'delete from');
    return result === 0;
  }

  /** Reads and deletes a key in one step: no update is lost in between. Hashes from Linux 5.14. */
  lookupAndDelete(key: KIn): V | undefined {
    this.#key.encode(key, this.raw.key, 0);
    return this.#read(this.raw.lookupAndDelete(), 'BPF_MAP_LOOKUP_AND_DELETE_ELEM', 'look up and delete');
  }

  /** Adds to a queue, stack or Bloom filter. `exist` makes a full queue or stack drop its oldest. */
  push(value: VIn, mode: 'any' | 'exist' = 'any'): void {
    this.#value.encode(value, this.raw.value, 0);
    const result = this.raw.update(MODE[mode] ?? badMode(mode));
    if (result < 0) throw this.#error(result, 'BPF_MAP_UPDATE_ELEM', 'push to');
  }

  /** Takes the next of a queue or stack, or undefined where it is empty. */
  pop(): V | undefined {
    return this.#read(this.raw.lookupAndDelete(), 'BPF_MAP_LOOKUP_AND_DELETE_ELEM', 'pop from');
  }

  /** The next of a queue or stack, left in place. */
  peek(): V | undefined {
    return this.#read(this.raw.lookup(), 'BPF_MAP_LOOKUP_ELEM', 'peek into');
  }

  /**
   * All entries, by batches where the kernel has them for this type, key by key where not. Bounded and safe while others
   * insert and delete: an entry that is there all the time comes exactly once; one that comes or goes may or may not come.
   * @throws NetlinkTcError `ERR_ITERATION_ABORTED` when others change the map so fast that no end is in sight
   */
  *entries(): Generator<[K, V]> {
    for (const { keys, values, count } of walkEntries(this.#sys, this.raw, this.definition)) {
      for (let i = 0; i < count; i += 1) {
        yield [this.#key.read(keys, i * this.#key.size), this.#value.read(values, i * this.#value.size)];
      }
    }
  }

  /** All keys; see {@link entries}. */
  *keys(): Generator<K> {
    for (const [key] of this.entries()) yield key;
  }

  /** Takes all entries out: each is read and deleted in one step. Hashes from Linux 5.6 (LRU and plain, per-CPU too). */
  *drain(): Generator<[K, V]> {
    for (const { keys, values, count } of drainEntries(this.#sys, this.raw, this.definition)) {
      for (let i = 0; i < count; i += 1) {
        yield [this.#key.read(keys, i * this.#key.size), this.#value.read(values, i * this.#value.size)];
      }
    }
  }

  /**
   * Sets many values with few system calls; one by one where the kernel has no batches for this type.
   * @throws NetlinkTcError as {@link update}; those before the one that failed are set
   */
  updateMany(entries: Iterable<readonly [KIn, VIn]>, mode: UpdateMode = 'any'): void {
    const list = [...entries];
    const keys = new Uint8Array(list.length * this.#key.size);
    const values = new Uint8Array(list.length * this.#value.size);
    list.forEach(([key, value], i) => {
      this.#key.encode(key, keys, i * this.#key.size);
      this.#value.encode(value, values, i * this.#value.size);
    });
    const result = updateBatch(this.raw, keys, values, list.length, MODE[mode] ?? badMode(mode));
    if (result < 0) throw this.#error(result, 'BPF_MAP_UPDATE_BATCH', 'update');
  }

  /** Deletes many keys with few system calls; returns how many were there. */
  deleteMany(keys: Iterable<KIn>): number {
    const list = [...keys];
    const bytes = new Uint8Array(list.length * this.#key.size);
    list.forEach((key, i) => this.#key.encode(key, bytes, i * this.#key.size));
    const result = deleteBatch(this.raw, bytes, list.length);
    if (result < 0) throw this.#error(result, 'BPF_MAP_DELETE_BATCH', 'delete from');
    return result;
  }

  /** Forbids every later change from user space (5.2). Programs may still write unless the map is `RDONLY_PROG`. */
  freeze(): void {
    const attr = new Attr(this.#sys, MAP_ELEM_SIZE).u32(MAP_ELEM.map_fd, this.fd);
    const result = this.#sys.bpf(BPF_COMMAND.BPF_MAP_FREEZE, attr.bytes.subarray(0, 4));
    if (result < 0) throw this.#error(result, 'BPF_MAP_FREEZE', 'freeze');
  }

  /** The memory of an `MMAPABLE` array (5.5): reads and writes without system calls. Close it before or after the map. */
  memory(options: { readonly writable?: boolean } = {}): MapMemory<V, VIn> {
    return mapMemory(this.#sys, this.fd, this.definition, this.#value, options.writable ?? true);
  }

  /** Closes the descriptor. The map lives on where it is pinned or a program uses it. A second call does nothing. */
  close(): void {
    this.raw.fd.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #read(result: number, command: BpfCommand, verb: string): V | undefined {
    if (result === -ENOENT) return undefined;
    if (result < 0) throw this.#error(result, command, verb);
    return this.#value.read(this.raw.value, 0);
  }

  #error(result: number, command: BpfCommand, verb: string): NetlinkTcError {
    const { name, type, maxEntries } = this.definition;
    const hints: Readonly<Record<number, string>> = {
      [E2BIG]: type.includes('array')
        ? `its keys are 0 to ${maxEntries - 1}`
        : `it holds ${maxEntries} entries at most, and is full`,
      [EEXIST]: 'the key is there, and the mode is noexist',
      [ENOENT]: 'the key is not there, and the mode is exist',
    };
    const hint = hints[-result];
    return bpfError(
      this.#sys,
      result,
      command,
      `cannot ${verb} ${type} map ${name}`,
      hint === undefined ? {} : { hint },
    );
  }
}

function badMode(mode: unknown): never {
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no update mode ${String(mode)}`, {
    hint: 'any, noexist or exist',
  });
}
