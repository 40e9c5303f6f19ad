import type { AnyLayout, InputOf, MapDefinition, MapType, ValueOf } from 'bpf-asm';
import { readFileSync } from 'node:fs';
import { NetlinkTcError } from '../error.ts';

/** How a key or value becomes bytes and back. Every layout of `bpf-asm` is one. */
export interface Codec<Out, In = Out> {
  /** Bytes of one value. */
  readonly size: number;
  /** Writes a value in full, padding as zero; throws before it writes anything. */
  encode(value: In, into: Uint8Array, at?: number): unknown;
  /** Reads a value; it shares no memory with `bytes`. */
  read(bytes: Uint8Array, at: number): Out;
}

/** The codec of maps without a layout: bytes of exactly the right number. */
export function rawBytes(what: string, size: number): Codec<Uint8Array> {
  return {
    size,
    encode(value: Uint8Array, into: Uint8Array, at = 0): void {
      if (!(value instanceof Uint8Array) || value.length !== size) {
        const given = value instanceof Uint8Array ? `${value.length} bytes` : typeof value;
        throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${what} must be a Uint8Array of ${size} bytes, not ${given}`);
      }
      into.set(value, at);
    },
    read: (bytes: Uint8Array, at: number): Uint8Array => bytes.slice(at, at + size),
  };
}

/** The value of a per-CPU map: one element for every possible CPU, each in 8-byte steps. */
export function perCpu<Out, In>(element: Codec<Out, In>, cpus: number): Codec<Out[], readonly In[]> {
  const stride = perCpuStride(element.size);
  return {
    size: stride * cpus,
    encode(values: readonly In[], into: Uint8Array, at = 0): void {
      if (!Array.isArray(values) || values.length !== cpus) {
        throw new NetlinkTcError(
          'ERR_INVALID_ARGUMENT',
          `a per-CPU value is an array of ${cpus} elements, one a possible CPU`,
        );
      }
      const whole = new Uint8Array(stride * cpus);
      values.forEach((value, cpu) => element.encode(value as In, whole, cpu * stride));
      into.set(whole, at);
    },
    read: (bytes: Uint8Array, at: number): Out[] =>
      Array.from({ length: cpus }, (_, cpu) => element.read(bytes, at + cpu * stride)),
  };
}

/** Bytes from one CPU's value to the next. */
export function perCpuStride(valueSize: number): number {
  return Math.ceil(valueSize / 8) * 8;
}

/** How many CPUs a per-CPU value covers: all that this machine could ever have, as the kernel counts them. */
export function possibleCpus(): number {
  const text = readFileSync('/sys/devices/system/cpu/possible', 'utf8').trim();
  const last = /(\d+)$/.exec(text)?.[1];
  if (last === undefined)
    throw new NetlinkTcError('ERR_PROTOCOL', `cannot tell the possible CPUs from ${JSON.stringify(text)}`);
  return Number(last) + 1;
}

/** Types whose maps hold one value a CPU. */
export type PerCpuMapType = Extract<MapType, `${string}percpu_${'hash' | 'array' | 'cgroup_storage'}`>;

const PER_CPU: ReadonlySet<MapType> = new Set<PerCpuMapType>([
  'percpu_hash',
  'percpu_array',
  'lru_percpu_hash',
  'percpu_cgroup_storage',
]);

/** Whether maps of this type hold one value a CPU. */
export function isPerCpu(type: MapType): type is PerCpuMapType {
  return PER_CPU.has(type);
}

type LayoutOf<D, F extends 'key' | 'value'> = D extends { readonly [K in F]: infer L extends AnyLayout } ? L : never;
type Decoded<D, F extends 'key' | 'value'> =
  LayoutOf<D, F> extends never ? (F extends keyof D ? unknown : Uint8Array) : ValueOf<LayoutOf<D, F>>;
type Encoded<D, F extends 'key' | 'value'> =
  LayoutOf<D, F> extends never ? (F extends keyof D ? unknown : Uint8Array) : InputOf<LayoutOf<D, F>>;

/** What the keys of a map with this definition decode to: by its layout, or bytes where it has none. */
export type KeyOf<D extends MapDefinition> = Decoded<D, 'key'>;
/** What a map with this definition takes as a key. */
export type KeyInputOf<D extends MapDefinition> = Encoded<D, 'key'>;
/** What the values of a map with this definition decode to: an array, one element a CPU, for per-CPU types. */
export type ValueOfMap<D extends MapDefinition> = D['type'] extends PerCpuMapType
  ? Decoded<D, 'value'>[]
  : Decoded<D, 'value'>;
/** What a map with this definition takes as a value. */
export type ValueInputOf<D extends MapDefinition> = D['type'] extends PerCpuMapType
  ? readonly Encoded<D, 'value'>[]
  : Encoded<D, 'value'>;

/** The codecs of a definition's keys and values, in the byte order of the machine. */
export function codecsOf(
  definition: MapDefinition,
  littleEndian: boolean,
): { readonly key: Codec<unknown>; readonly value: Codec<unknown> } {
  const codec = (what: 'key' | 'value', size: number): Codec<unknown> => {
    const layout = definition[what];
    if (layout === undefined) return rawBytes(`the ${what} of map ${definition.name}`, size) as Codec<unknown>;
    return (littleEndian ? layout : layout.forByteOrder('big')) as Codec<unknown>;
  };
  const key = codec('key', definition.keySize);
  const value = codec('value', definition.valueSize);
  return { key, value: isPerCpu(definition.type) ? (perCpu(value, possibleCpus()) as Codec<unknown>) : value };
}
