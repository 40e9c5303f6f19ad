import type { MapDefinition } from '../../asm/program.ts';
import { ERRNO } from '../errno.ts';
import type { Region } from '../region.ts';
import { VmMap } from './map.ts';
import { Table } from './table.ts';

/**
 * A map whose values are objects outside of the program's memory: programs (`prog_array`), sockets (`sockmap`, `sockhash`) or
 * perf buffers (`perf_event_array`). Tests put them in by {@link ObjectMap.setObject}.
 */
export class ObjectMap<T> extends VmMap {
  readonly #table: Table<T>;
  readonly #indexed: boolean;

  constructor(definition: MapDefinition) {
    super(definition);
    this.#indexed = this.type !== 'sockhash';
    this.require(this.#indexed ? this.keySize === 4 : this.keySize > 0, 'the size of its keys is not possible');
    this.require(this.valueSize === 4 || (this.valueSize === 8 && this.type.startsWith('sock')), 'a value has 4 bytes');
    this.#table = new Table(this.keySize);
  }

  /** The object of a key. */
  object(key: Uint8Array, at = 0): T | undefined {
    return this.#table.find(key, at)?.value;
  }

  /**
   * Puts an object in.
   *
   * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when the key's size is wrong or the map is full.
   */
  setObject(key: Uint8Array, object: T): void {
    this.checkKey(key);
    this.checkResult('update', this.insert(key, 0, object));
  }

  /** Puts an object in, as a program does: 0, or a negated error number. */
  insert(key: Uint8Array, at: number, object: T): number {
    if (this.#indexed && new DataView(key.buffer, key.byteOffset + at, 4).getUint32(0, true) >= this.maxEntries) {
      return -ERRNO.E2BIG;
    }
    const entry = this.#table.find(key, at);
    if (entry !== undefined) entry.value = object;
    else if (this.#table.size >= this.maxEntries) return -ERRNO.E2BIG;
    else this.#table.add(key, at, object);
    return 0;
  }

  override lookup(): Region | undefined {
    return undefined;
  }

  override update(): number {
    return -ERRNO.EOPNOTSUPP;
  }

  override remove(key: Uint8Array, at: number): number {
    const entry = this.#table.find(key, at);
    if (entry === undefined) return this.type === 'sockmap' ? -ERRNO.EINVAL : -ERRNO.ENOENT;
    this.#table.remove(entry);
    return 0;
  }

  override elements(): Iterable<never> {
    return [];
  }

  override delete(key: Uint8Array): boolean {
    this.checkKey(key);
    return this.remove(key, 0) === 0;
  }

  override has(key: Uint8Array): boolean {
    this.checkKey(key);
    return this.object(key) !== undefined;
  }

  override get size(): number {
    return this.#table.size;
  }
}
