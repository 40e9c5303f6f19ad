import { BpfAsmError, checkObjects } from '../error.ts';
import type { AnyLayout, IntegerLayout } from '../layout/index.ts';
import type { BtfId, BtfMember } from './types.ts';
import { BtfBuilder, type BtfBuilderOptions } from './write.ts';

/** The C type below each of the kernel's names for integers. */
const INTEGERS: Readonly<Record<string, string>> = {
  __u8: 'unsigned char',
  __u16: 'unsigned short',
  __u32: 'unsigned int',
  __u64: 'unsigned long long',
  __s8: 'signed char',
  __s16: 'short',
  __s32: 'int',
  __s64: 'long long',
};

/**
 * Adds the C type of a layout, and all that it is made of: integers under the names of `linux/types.h` (`__u32`, `__be16`),
 * addresses as `__be32` and arrays, text as `char` arrays, structs under their own names.
 *
 * @returns the id of the type.
 */
export function addLayout(btf: BtfBuilder, layout: AnyLayout): BtfId {
  switch (layout.kind) {
    case 'integer':
      return addInteger(btf, layout);
    case 'address':
      if (layout.family === 'mac') return addArray(btf, addFixed(btf, 'u', 8), layout.size);
      return layout.family === 'ipv4' ? addNetwork(btf, 32) : addArray(btf, addNetwork(btf, 32), layout.size / 4);
    case 'bytes':
      return addArray(btf, addFixed(btf, 'u', 8), layout.size);
    case 'string': {
      const char = btf.add({ kind: 'int', name: 'char', size: 1, bits: 8, bitOffset: 0, encoding: 'signed' });
      return addArray(btf, char, layout.size);
    }
    case 'array':
      return addArray(btf, addLayout(btf, layout.element), layout.length);
    case 'struct': {
      const members = Object.values(layout.fields).map((field): BtfMember => ({
        name: field.name,
        type: addLayout(btf, field.layout),
        bitOffset: 8 * field.offset,
        bitSize: 0,
      }));
      return btf.add({ kind: 'struct', name: layout.name, size: layout.size, members });
    }
  }
}

/**
 * BTF of layouts alone.
 *
 * @param layouts - the layouts; what they share is there once.
 * @param options - byte order and base.
 * @returns the builder, and the id of each layout in their order.
 * @example
 * ```ts
 * const { btf, ids } = btfOf([Key, Value]);
 * load(btf.bytes(), { keyType: ids[0], valueType: ids[1] });
 * ```
 */
export function btfOf(
  layouts: readonly AnyLayout[],
  options: BtfBuilderOptions = {},
): { btf: BtfBuilder; ids: BtfId[] } {
  checkObjects(layouts, 'layouts');
  const btf = new BtfBuilder(options);
  return { btf, ids: layouts.map((layout) => addLayout(btf, layout)) };
}

function addInteger(btf: BtfBuilder, { bits, signed, network }: IntegerLayout): BtfId {
  return network ? addNetwork(btf, bits) : addFixed(btf, signed ? 's' : 'u', bits);
}

function addFixed(btf: BtfBuilder, sign: 'u' | 's', bits: number): BtfId {
  const name = `__${sign}${bits}`;
  const encoding = sign === 's' ? 'signed' : 'unsigned';
  const type = btf.add({ kind: 'int', name: INTEGERS[name] ?? name, size: bits / 8, bits, bitOffset: 0, encoding });
  return btf.add({ kind: 'typedef', name, type });
}

function addNetwork(btf: BtfBuilder, bits: number): BtfId {
  return btf.add({ kind: 'typedef', name: `__be${bits}`, type: addFixed(btf, 'u', bits) });
}

function addArray(btf: BtfBuilder, element: BtfId, length: number): BtfId {
  const name = '__ARRAY_SIZE_TYPE__';
  const index = btf.add({ kind: 'int', name, size: 4, bits: 32, bitOffset: 0, encoding: 'unsigned' });
  return btf.add({ kind: 'array', element, index, length });
}

/** `int`, which programs return. */
function addInt(btf: BtfBuilder): BtfId {
  return btf.add({ kind: 'int', name: 'int', size: 4, bits: 32, bitOffset: 0, encoding: 'signed' });
}

/** What BTF says of a function of a program. */
export interface BtfFunction {
  readonly name: string;
  /**
   * The program itself: global, takes its context. Another function is static with arguments unknown: the verifier then follows
   * every call into it, instead of judging it once by its prototype.
   */
  readonly main: boolean;
}

/** Adds a function and its prototype. Characters that the kernel refuses in a name become `_`. */
export function addFunction(btf: BtfBuilder, { name, main }: BtfFunction): BtfId {
  const params = main ? [{ name: 'ctx', type: btf.add({ kind: 'ptr', type: 0 }) }] : [];
  const type = btf.add({ kind: 'func_proto', returns: addInt(btf), params });
  const valid = name.replace(/\W/g, '_').replace(/^(?=\d|$)/, '_');
  return btf.add({ kind: 'func', name: valid, type, linkage: main ? 'global' : 'static' });
}

/** What BTF says of a map. */
export interface BtfMap {
  readonly name: string;
  /** Number of its type (`enum bpf_map_type`). */
  readonly type: number;
  /** Bytes; 0 for a map without keys. */
  readonly keySize: number;
  /** Bytes; 0 for a map without values. */
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly flags?: number;
  readonly key?: AnyLayout;
  readonly value?: AnyLayout;
  /** What the maps in a map of maps are. */
  readonly inner?: BtfMap;
}

/** The `.maps` section of an object file, as {@link addMaps} lays it out. */
export interface MapSection {
  /** Size of the section in bytes; all zero. */
  readonly size: number;
  /** The variable of each map: its symbol's place and size in bytes, in the order of the maps. */
  readonly variables: readonly { readonly name: string; readonly offset: number; readonly size: number }[];
}

/**
 * Adds maps the way libbpf reads them out of an object file (BTF-defined maps): a variable for each in the section `.maps`, of a
 * struct without name whose members say a number by the length of an array behind a pointer, and a type by a pointer to it.
 *
 * @throws BpfAsmError `ERR_BTF` when the layout of a key or a value has another size than the map says.
 */
export function addMaps(btf: BtfBuilder, maps: readonly BtfMap[]): MapSection {
  const variables: { name: string; offset: number; size: number; type: BtfId }[] = [];
  let end = 0;
  for (const map of maps) {
    const { id, size } = addMapStruct(btf, map);
    const type = btf.add({ kind: 'var', name: map.name, type: id, linkage: 'global' });
    variables.push({ name: map.name, offset: end, size, type });
    end += size;
  }
  if (maps.length > 0) btf.add({ kind: 'datasec', name: '.maps', size: end, variables });
  return { size: end, variables: variables.map(({ name, offset, size }) => ({ name, offset, size })) };
}

function addMapStruct(btf: BtfBuilder, map: BtfMap): { id: BtfId; size: number } {
  const members: BtfMember[] = [];
  const pointer = (name: string, type: BtfId): void => {
    members.push({ name, type: btf.add({ kind: 'ptr', type }), bitOffset: 64 * members.length, bitSize: 0 });
  };
  const number = (name: string, value: number): void => {
    if (value !== 0) pointer(name, addArray(btf, addInt(btf), value));
  };
  const part = (role: 'key' | 'value', size: number, layout: AnyLayout | undefined): void => {
    if (layout === undefined) return number(`${role}_size`, size);
    if (layout.size !== size) {
      throw new BpfAsmError(
        'ERR_BTF',
        `the ${role} of map ${map.name} has ${size} bytes, and its layout ${layout.label} ${layout.size}`,
      );
    }
    return pointer(role, addLayout(btf, layout));
  };
  number('type', map.type);
  part('key', map.keySize, map.key);
  part('value', map.valueSize, map.value);
  number('max_entries', map.maxEntries);
  number('map_flags', map.flags ?? 0);
  const size = 8 * members.length;
  if (map.inner !== undefined) {
    const inner = btf.add({ kind: 'ptr', type: addMapStruct(btf, map.inner).id });
    members.push({ name: 'values', type: addArray(btf, inner, 0), bitOffset: 8 * size, bitSize: 0 });
  }
  return { id: btf.add({ kind: 'struct', name: '', size, members }), size };
}
