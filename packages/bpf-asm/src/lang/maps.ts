import { MAP_FLAG, type MapType } from '../asm/kernel-types.ts';
import type { MapDefinition } from '../asm/program.ts';
import { u32, type AnyLayout, type IntegerLayout } from '../layout/index.ts';
import { languageError, show } from './language-error.ts';

/** The definition of a map of a type, with its layouts in the type: what a loader makes of it knows its keys and values. */
export type DefinitionOf<T extends MapType, K extends AnyLayout | undefined, V extends AnyLayout | undefined> = Omit<
  MapDefinition,
  'type' | 'key' | 'value'
> & { readonly type: T } & (K extends AnyLayout ? { readonly key: K } : unknown) &
  (V extends AnyLayout ? { readonly value: V } : unknown);

/** A map as programs use it: what it is, and the layouts of its keys and values. A pure value, shared by programs. */
export interface MapHandle<
  T extends MapType = MapType,
  K extends AnyLayout | undefined = AnyLayout | undefined,
  V extends AnyLayout | undefined = AnyLayout | undefined,
> {
  readonly type: T;
  readonly key: K;
  readonly value: V;
  /** What the loader and the interpreter make a map of. */
  readonly definition: DefinitionOf<T, K, V>;
}

/** Types of map whose values programs look up by a key. */
export type KeyedType = 'hash' | 'lru_hash' | 'percpu_hash' | 'lru_percpu_hash' | 'array' | 'percpu_array' | 'lpm_trie';

/** A map with keys and values of given layouts. */
export type KeyedMap<
  K extends AnyLayout = AnyLayout,
  V extends AnyLayout = AnyLayout,
  T extends KeyedType = KeyedType,
> = MapHandle<T, K, V>;

type U32 = IntegerLayout<number, 'u32'>;

/** Options of maps with keys. */
export interface KeyedMapOptions<K extends AnyLayout, V extends AnyLayout> {
  readonly key: K;
  readonly value: V;
  /** Most entries. */
  readonly maxEntries: number;
  /** Further bits of `MAP_FLAG`. */
  readonly flags?: number;
}

/** Options of arrays. */
export interface ArrayMapOptions<V extends AnyLayout> {
  readonly value: V;
  /** Number of entries. */
  readonly maxEntries: number;
  /** Further bits of `MAP_FLAG`. */
  readonly flags?: number;
}

/** Options of maps that hold sockets, programs or devices. */
export interface ObjectMapOptions {
  readonly maxEntries: number;
}

function make<T extends MapType, K extends AnyLayout | undefined, V extends AnyLayout | undefined>(
  type: T,
  name: string,
  key: K,
  value: V,
  { maxEntries, flags = 0 }: { readonly maxEntries: number; readonly flags?: number },
  sizes: { readonly key?: number; readonly value?: number } = {},
): MapHandle<T, K, V> {
  if (!/^[A-Za-z0-9_.]{1,15}$/.test(name)) {
    throw languageError(
      `${show(name)} is no name for a map`,
      'use 1 to 15 letters, digits, underscores and dots, as the kernel does',
    );
  }
  if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > 0xffff_ffff) {
    throw languageError(`map ${name} has ${maxEntries} entries`, 'give a whole number above 0');
  }
  return {
    type,
    key,
    value,
    definition: {
      name,
      type,
      keySize: sizes.key ?? key?.size ?? 0,
      valueSize: sizes.value ?? value?.size ?? 0,
      maxEntries,
      ...(flags === 0 ? {} : { flags }),
      ...(key === undefined ? {} : { key }),
      ...(value === undefined ? {} : { value }),
    } as MapDefinition as DefinitionOf<T, K, V>,
  };
}

/**
 * A hash table (`BPF_MAP_TYPE_HASH`).
 *
 * @throws BpfAsmError `ERR_LANGUAGE` when the kernel would not take the name or the number of entries; so do the others.
 * @example
 * ```ts
 * const pods = hashMap('pods', { key: struct('pod_key', { address: ipv4Address }), value: struct('pod', { ifindex: u32 }), maxEntries: 1024 });
 * ```
 */
export function hashMap<K extends AnyLayout, V extends AnyLayout>(
  name: string,
  options: KeyedMapOptions<K, V>,
): MapHandle<'hash', K, V> {
  return make('hash', name, options.key, options.value, options);
}

/** A hash table that forgets the entries that were used least recently when it is full (Linux 4.10). */
export function lruHashMap<K extends AnyLayout, V extends AnyLayout>(
  name: string,
  options: KeyedMapOptions<K, V>,
): MapHandle<'lru_hash', K, V> {
  return make('lru_hash', name, options.key, options.value, options);
}

/** A hash table with a value for each CPU (Linux 4.6). */
export function percpuHashMap<K extends AnyLayout, V extends AnyLayout>(
  name: string,
  options: KeyedMapOptions<K, V>,
): MapHandle<'percpu_hash', K, V> {
  return make('percpu_hash', name, options.key, options.value, options);
}

/** A hash table with a value for each CPU that forgets what was used least recently (Linux 4.10). */
export function lruPercpuHashMap<K extends AnyLayout, V extends AnyLayout>(
  name: string,
  options: KeyedMapOptions<K, V>,
): MapHandle<'lru_percpu_hash', K, V> {
  return make('lru_percpu_hash', name, options.key, options.value, options);
}

/** An array: every index is there from the start, with a value of zeros. */
export function arrayMap<V extends AnyLayout>(name: string, options: ArrayMapOptions<V>): MapHandle<'array', U32, V> {
  return make('array', name, u32, options.value, options);
}

/** An array with a value for each CPU (Linux 4.6): counters that no CPU has to wait for. */
export function percpuArrayMap<V extends AnyLayout>(
  name: string,
  options: ArrayMapOptions<V>,
): MapHandle<'percpu_array', U32, V> {
  return make('percpu_array', name, u32, options.value, options);
}

/**
 * A table of prefixes that gives the longest one (Linux 4.11). The key is a struct: first the length as a `u32`, then the bytes in network order.
 *
 * @throws BpfAsmError `ERR_LANGUAGE` when the key does not begin with a `u32`.
 */
export function lpmTrieMap<K extends AnyLayout, V extends AnyLayout>(
  name: string,
  options: KeyedMapOptions<K, V>,
): MapHandle<'lpm_trie', K, V> {
  const first = options.key.kind === 'struct' ? Object.values(options.key.fields)[0]?.layout : undefined;
  if (first?.kind !== 'integer' || first.label !== 'u32') {
    throw languageError(
      `the key of ${name} does not begin with a length`,
      "lay it out as struct('key', { length: u32, address: ipv4Address })",
    );
  }
  return make('lpm_trie', name, options.key, options.value, {
    ...options,
    flags: (options.flags ?? 0) | MAP_FLAG.NO_PREALLOC,
  });
}

/** A ring buffer that carries records to user space (Linux 5.8). `size` in bytes is a power of two, of whole pages. */
export function ringbufMap(
  name: string,
  { size }: { readonly size: number },
): MapHandle<'ringbuf', undefined, undefined> {
  if (!Number.isInteger(Math.log2(size)) || size < 4096) {
    throw languageError(`the ring buffer ${name} has ${size} bytes`, 'give a power of two, at least 4096');
  }
  return make('ringbuf', name, undefined, undefined, { maxEntries: size });
}

/** Programs to go on with, by index (Linux 4.2). */
export function progArrayMap(name: string, options: ObjectMapOptions): MapHandle<'prog_array', U32, U32> {
  return make('prog_array', name, u32, u32, options);
}

/** Sockets by index (Linux 4.14). */
export function sockmap(name: string, options: ObjectMapOptions): MapHandle<'sockmap', U32, undefined> {
  return make('sockmap', name, u32, undefined, options, { value: 8 });
}

/** Sockets by key (Linux 4.18). */
export function sockhash<K extends AnyLayout>(
  name: string,
  options: ObjectMapOptions & { readonly key: K },
): MapHandle<'sockhash', K, undefined> {
  return make('sockhash', name, options.key, undefined, options, { value: 8 });
}

/** Network devices by index, to redirect to from XDP (Linux 4.14). */
export function devmap(name: string, options: ObjectMapOptions): MapHandle<'devmap', U32, U32> {
  return make('devmap', name, u32, u32, options);
}
