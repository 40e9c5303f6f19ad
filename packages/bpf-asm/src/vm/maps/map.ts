import type { MapDefinition } from '../../asm/program.ts';
import type { MapType } from '../../asm/kernel-types.ts';
import { MAP_FLAG } from '../../asm/kernel-types.ts';
import { BpfAsmError } from '../../error.ts';
import { ERRNO, errnoName } from '../errno.ts';
import { Region } from '../region.ts';

/** Flags of an update (`BPF_ANY`, `BPF_NOEXIST`, `BPF_EXIST` in `include/uapi/linux/bpf.h`). */
export const UPDATE_FLAG = { ANY: 0, NOEXIST: 1, EXIST: 2 } as const;

/** What every map of the interpreter is made with. */
export interface VmMapOptions {
  /** CPUs that per-CPU maps keep a value for. */
  readonly cpus: number;
}

/**
 * A map of the interpreter. Programs reach it through helpers by {@link VmMap.lookup}, {@link VmMap.update} and
 * {@link VmMap.remove}, which do what the kernel does, errors included; tests by `get`, `set`, `delete` and `entries`, which
 * copy, and for per-CPU maps take and give the values of all CPUs, each rounded up to 8 bytes, as `bpf(2)` does.
 */
export abstract class VmMap {
  readonly name: string;
  readonly type: MapType;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** What a program's pointer to this map points at. */
  readonly handle: Region;

  /** @throws BpfAsmError `ERR_INVALID_ARGUMENT` when the kernel would refuse to make such a map. */
  constructor(definition: MapDefinition) {
    this.name = definition.name;
    this.type = definition.type;
    this.keySize = definition.keySize;
    this.valueSize = definition.valueSize;
    this.maxEntries = definition.maxEntries;
    this.flags = definition.flags ?? 0;
    this.handle = Region.handle(`map ${definition.name}`, this);
    this.require(isCount(this.maxEntries) && this.maxEntries > 0, 'maxEntries must be a whole number above 0');
    this.require(isCount(this.keySize) && isCount(this.valueSize), 'sizes must be whole numbers');
  }

  /**
   * The value of a key, as a program sees it.
   *
   * @param key - holds the key's bytes from `at` on.
   * @param cpu - whose value it is, where the map is per-CPU.
   */
  abstract lookup(key: Uint8Array, at: number, cpu: number): Region | undefined;

  /**
   * Sets the value of a key, as a program does.
   *
   * @param flags - one of {@link UPDATE_FLAG}.
   * @returns 0, or a negated error number.
   */
  abstract update(key: Uint8Array, at: number, value: Uint8Array, valueAt: number, flags: number, cpu: number): number;

  /**
   * Takes a key out, as a program does.
   *
   * @returns 0, or a negated error number.
   */
  abstract remove(key: Uint8Array, at: number): number;

  /** Every key with its value, as programs see it, in no order to rely on. */
  abstract elements(cpu: number): Iterable<readonly [key: Uint8Array, value: Region]>;

  /** The value whose address instructions may hold: that of an array of one element. */
  directValue(): Region | undefined {
    return undefined;
  }

  /** A copy of the value of a key. */
  get(key: Uint8Array): Uint8Array | undefined {
    this.checkKey(key);
    return this.lookup(key, 0, 0)?.snapshot();
  }

  /** Whether the map holds a key. */
  has(key: Uint8Array): boolean {
    return this.get(key) !== undefined;
  }

  /**
   * Sets the value of a key.
   *
   * @param flags - one of {@link UPDATE_FLAG}.
   * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when a size is wrong or the kernel would refuse it, with the error's name.
   */
  set(key: Uint8Array, value: Uint8Array, flags: number = UPDATE_FLAG.ANY): void {
    this.checkKey(key);
    this.checkValue(value, this.valueSize);
    this.checkResult('update', this.update(key, 0, value, 0, flags, 0));
  }

  /** Takes a key out; false where it was not there. */
  delete(key: Uint8Array): boolean {
    this.checkKey(key);
    const result = this.remove(key, 0);
    if (result === -ERRNO.ENOENT) return false;
    this.checkResult('delete', result);
    return true;
  }

  /** Copies of every key and value. */
  *entries(): IterableIterator<[key: Uint8Array, value: Uint8Array]> {
    for (const [key] of this.elements(0)) {
      const value = this.get(key);
      if (value !== undefined) yield [key.slice(), value];
    }
  }

  /** Number of entries. */
  get size(): number {
    let count = 0;
    for (const entry of this.elements(0)) count += entry.length > 0 ? 1 : 0;
    return count;
  }

  /** Whether programs may write to values. */
  protected get writable(): boolean {
    return (this.flags & MAP_FLAG.RDONLY_PROG) === 0;
  }

  protected valueName(): string {
    return `value of map ${this.name}`;
  }

  protected require(condition: boolean, what: string): void {
    if (!condition) throw new BpfAsmError('ERR_INVALID_ARGUMENT', `map ${this.name} (${this.type}): ${what}`);
  }

  protected checkKey(key: Uint8Array): void {
    this.require(key.length === this.keySize, `a key has ${this.keySize} bytes, not ${key.length}`);
  }

  protected checkValue(value: Uint8Array, size: number): void {
    this.require(value.length === size, `a value has ${size} bytes, not ${value.length}`);
  }

  protected checkResult(what: string, result: number): void {
    this.require(result === 0, `${what}: ${errnoName(result)}`);
  }
}

/** Bytes that a value of each CPU takes: rounded up to 8. */
export function stride(valueSize: number): number {
  return (valueSize + 7) & ~7;
}

/** The error number of flags that no update has, else 0. */
export function invalidFlags(flags: number): number {
  return flags > UPDATE_FLAG.EXIST ? -ERRNO.EINVAL : 0;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}
