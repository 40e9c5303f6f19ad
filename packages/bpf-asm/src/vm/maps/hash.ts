import type { MapDefinition } from '../../asm/program.ts';
import { ERRNO } from '../errno.ts';
import { Region } from '../region.ts';
import { invalidFlags, stride, UPDATE_FLAG, VmMap, type VmMapOptions } from './map.ts';
import { Table, type TableEntry } from './table.ts';

/** A value: one region, or one a CPU; they share their bytes. */
type Values = readonly Region[];

/**
 * `BPF_MAP_TYPE_HASH`, `LRU_HASH`, `PERCPU_HASH` and `LRU_PERCPU_HASH`. An LRU map throws out the entry used longest ago when it
 * is full (the kernel's choice is approximate, ours exact). As in the kernel, an update that is not per-CPU puts a new value in
 * the old one's place, which pointers that a program still has go on showing.
 */
export class HashMap extends VmMap {
  readonly #perCpu: boolean;
  readonly #lru: boolean;
  readonly #cpus: number;
  readonly #stride: number;
  readonly #table: Table<Values>;

  constructor(definition: MapDefinition, { cpus }: VmMapOptions) {
    super(definition);
    this.require(this.keySize > 0 && this.keySize <= 512, 'a key has 1 to 512 bytes');
    this.require(this.valueSize > 0 && this.valueSize <= 0x40_0000, 'a value has 1 byte to 4 MiB');
    this.#perCpu = this.type === 'percpu_hash' || this.type === 'lru_percpu_hash';
    this.#lru = this.type === 'lru_hash' || this.type === 'lru_percpu_hash';
    this.#cpus = this.#perCpu ? cpus : 1;
    this.#stride = this.#perCpu ? stride(this.valueSize) : this.valueSize;
    this.#table = new Table(this.keySize);
  }

  override lookup(key: Uint8Array, at: number, cpu: number): Region | undefined {
    const entry = this.#table.find(key, at);
    if (entry === undefined) return undefined;
    if (this.#lru) this.#table.touch(entry);
    return entry.value[this.#perCpu ? cpu : 0];
  }

  override update(key: Uint8Array, at: number, value: Uint8Array, valueAt: number, flags: number, cpu: number): number {
    const entry = this.#table.find(key, at);
    const error = this.#check(entry, flags);
    if (error !== 0) return error;
    const bytes = value.subarray(valueAt, valueAt + this.valueSize);
    if (this.#perCpu && entry !== undefined) {
      const region = entry.value[cpu] as Region;
      region.bytes.set(bytes, region.start);
      if (this.#lru) this.#table.touch(entry);
      return 0;
    }
    const values = this.#values();
    const region = values[this.#perCpu ? cpu : 0] as Region;
    region.bytes.set(bytes, region.start);
    this.#put(entry, key, at, values);
    return 0;
  }

  override remove(key: Uint8Array, at: number): number {
    const entry = this.#table.find(key, at);
    if (entry === undefined) return -ERRNO.ENOENT;
    this.#table.remove(entry);
    return 0;
  }

  override *elements(cpu: number): Iterable<readonly [Uint8Array, Region]> {
    // What is done meanwhile may take entries out, or make one the newest of an LRU map: each is visited once all the same.
    for (const entry of Array.from(this.#table)) {
      if (this.#table.find(entry.key, 0) === entry) yield [entry.key, entry.value[this.#perCpu ? cpu : 0] as Region];
    }
  }

  override get(key: Uint8Array): Uint8Array | undefined {
    this.checkKey(key);
    // The bytes of all CPUs. Reading from outside does not count as use, in the kernel neither.
    return this.#table.find(key, 0)?.value[0]?.bytes.slice();
  }

  override set(key: Uint8Array, value: Uint8Array, flags: number = UPDATE_FLAG.ANY): void {
    this.checkKey(key);
    this.checkValue(value, this.#cpus * this.#stride);
    const entry = this.#table.find(key, 0);
    this.checkResult('update', this.#check(entry, flags));
    const values = this.#values();
    values[0]?.bytes.set(value);
    this.#put(entry, key, 0, values);
  }

  override get size(): number {
    return this.#table.size;
  }

  #check(entry: TableEntry<Values> | undefined, flags: number): number {
    const invalid = invalidFlags(flags);
    if (invalid !== 0) return invalid;
    if (entry !== undefined) return flags === UPDATE_FLAG.NOEXIST ? -ERRNO.EEXIST : 0;
    if (flags === UPDATE_FLAG.EXIST) return -ERRNO.ENOENT;
    return this.#table.size >= this.maxEntries && !this.#lru ? -ERRNO.E2BIG : 0;
  }

  #put(entry: TableEntry<Values> | undefined, key: Uint8Array, at: number, values: Values): void {
    if (entry !== undefined) {
      entry.value = values;
      if (this.#lru) this.#table.touch(entry);
      return;
    }
    const { oldest } = this.#table;
    if (this.#table.size >= this.maxEntries && oldest !== undefined) this.#table.remove(oldest);
    this.#table.add(key, at, values);
  }

  #values(): Values {
    const bytes = new Uint8Array(this.#cpus * this.#stride);
    const { writable } = this;
    return Array.from({ length: this.#cpus }, (_, cpu) => {
      const start = cpu * this.#stride;
      return new Region(this.valueName(), bytes, { start, end: start + this.valueSize, writable });
    });
  }
}
