import type { MapDefinition } from '../../asm/program.ts';
import { ERRNO } from '../errno.ts';
import { Region } from '../region.ts';
import { invalidFlags, stride, UPDATE_FLAG, VmMap, type VmMapOptions } from './map.ts';

/** `BPF_MAP_TYPE_ARRAY` and `BPF_MAP_TYPE_PERCPU_ARRAY`: every element exists from the start, zeroed, and none can be taken out. */
export class ArrayMap extends VmMap {
  readonly #cpus: number;
  readonly #stride: number;
  /** The values: element after element, in each the CPUs' values one after the other. */
  readonly #bytes: Uint8Array;
  readonly #regions: (Region | undefined)[];

  constructor(definition: MapDefinition, { cpus }: VmMapOptions) {
    super(definition);
    this.require(this.keySize === 4, 'a key has 4 bytes');
    this.require(this.valueSize > 0, 'a value has at least 1 byte');
    this.#cpus = this.type === 'percpu_array' ? cpus : 1;
    this.#stride = stride(this.valueSize);
    const size = this.maxEntries * this.#cpus * this.#stride;
    this.require(size <= 0x7fff_ffff, `its ${size} bytes are more than an interpreter holds`);
    this.#bytes = new Uint8Array(size);
    this.#regions = Array.from({ length: Math.min(this.maxEntries * this.#cpus, 1024) });
  }

  override lookup(key: Uint8Array, at: number, cpu: number): Region | undefined {
    const index = indexOf(key, at);
    return index < this.maxEntries ? this.#region(index, cpu) : undefined;
  }

  override update(key: Uint8Array, at: number, value: Uint8Array, valueAt: number, flags: number, cpu: number): number {
    const invalid = invalidFlags(flags);
    if (invalid !== 0) return invalid;
    const index = indexOf(key, at);
    if (index >= this.maxEntries) return -ERRNO.E2BIG;
    if (flags === UPDATE_FLAG.NOEXIST) return -ERRNO.EEXIST;
    this.#bytes.set(value.subarray(valueAt, valueAt + this.valueSize), this.#place(index, cpu));
    return 0;
  }

  override remove(): number {
    return -ERRNO.EINVAL;
  }

  override *elements(cpu: number): Iterable<readonly [Uint8Array, Region]> {
    for (let index = 0; index < this.maxEntries; index++) yield [keyOf(index), this.#region(index, cpu)];
  }

  override directValue(): Region | undefined {
    return this.maxEntries === 1 && this.type === 'array' ? this.#region(0, 0) : undefined;
  }

  override get(key: Uint8Array): Uint8Array | undefined {
    this.checkKey(key);
    const index = indexOf(key, 0);
    if (index >= this.maxEntries) return undefined;
    const from = this.#place(index, 0);
    return this.#bytes.slice(from, from + this.#userSize);
  }

  override set(key: Uint8Array, value: Uint8Array, flags: number = UPDATE_FLAG.ANY): void {
    this.checkKey(key);
    this.checkValue(value, this.#userSize);
    const index = indexOf(key, 0);
    const result = index >= this.maxEntries ? -ERRNO.E2BIG : flags === UPDATE_FLAG.NOEXIST ? -ERRNO.EEXIST : 0;
    this.checkResult('update', invalidFlags(flags) || result);
    this.#bytes.set(value, this.#place(index, 0));
  }

  override get size(): number {
    return this.maxEntries;
  }

  /** Bytes of a value as `bpf(2)` has it: of all CPUs where the map is per-CPU. */
  get #userSize(): number {
    return this.type === 'percpu_array' ? this.#cpus * this.#stride : this.valueSize;
  }

  #place(index: number, cpu: number): number {
    return (this.#cpus === 1 ? index : index * this.#cpus + cpu) * this.#stride;
  }

  #region(index: number, cpu: number): Region {
    const start = this.#place(index, cpu);
    const known = start / this.#stride;
    return (this.#regions[known] ??= new Region(this.valueName(), this.#bytes, {
      start,
      end: start + this.valueSize,
      writable: this.writable,
    }));
  }
}

/** The index that a key of four bytes is. */
export function indexOf(key: Uint8Array, at: number): number {
  return (
    ((key[at] as number) |
      ((key[at + 1] as number) << 8) |
      ((key[at + 2] as number) << 16) |
      ((key[at + 3] as number) << 24)) >>>
    0
  );
}

/** The key of four bytes that an index is. */
export function keyOf(index: number): Uint8Array {
  return new Uint8Array([index, index >>> 8, index >>> 16, index >>> 24]);
}
