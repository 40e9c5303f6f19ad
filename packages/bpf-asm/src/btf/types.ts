/** Number of each kind of type (Linux' `include/uapi/linux/btf.h`; Documentation/bpf/btf.rst). */
export const BTF_KIND = {
  int: 1,
  ptr: 2,
  array: 3,
  struct: 4,
  union: 5,
  enum: 6,
  fwd: 7,
  typedef: 8,
  volatile: 9,
  const: 10,
  restrict: 11,
  func: 12,
  func_proto: 13,
  var: 14,
  datasec: 15,
  float: 16,
  decl_tag: 17,
  type_tag: 18,
  enum64: 19,
} as const;

/** Kind of a type that this package knows in full. */
export type BtfKind = keyof typeof BTF_KIND;

/** Id of a type: 0 is `void`, 1 the first of a BTF object without a base. */
export type BtfId = number;

/** An integer type. `bits` is less than eight times `size` only for bit fields of old compilers, which also use `bitOffset`. */
export interface BtfInt {
  readonly kind: 'int';
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly bits: number;
  readonly bitOffset: number;
  /** The kernel takes all but `signed char`, which gcc writes for `char`. */
  readonly encoding: 'unsigned' | 'signed' | 'char' | 'signed char' | 'bool';
}

/** A pointer; to 0 is `void *`. */
export interface BtfPtr {
  readonly kind: 'ptr';
  readonly type: BtfId;
}

/** An array; `index` is the type of its index, an integer. */
export interface BtfArray {
  readonly kind: 'array';
  readonly element: BtfId;
  readonly index: BtfId;
  readonly length: number;
}

/** A member of a struct or union; `bitSize` is 0 but for a bit field. */
export interface BtfMember {
  /** Empty for an unnamed struct or union in it. */
  readonly name: string;
  readonly type: BtfId;
  readonly bitOffset: number;
  readonly bitSize: number;
}

/** A struct or union with its members. */
export interface BtfComposite {
  readonly kind: 'struct' | 'union';
  /** Empty where it has none. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly members: readonly BtfMember[];
}

/** An enumeration of values up to 32 bits. */
export interface BtfEnum {
  readonly kind: 'enum';
  readonly name: string;
  readonly size: number;
  /** Whether values are signed (known from Linux 6.0 on; older objects say unsigned). */
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: number }[];
}

/** An enumeration of values up to 64 bits (Linux 6.0). */
export interface BtfEnum64 {
  readonly kind: 'enum64';
  readonly name: string;
  readonly size: number;
  readonly signed: boolean;
  readonly values: readonly { readonly name: string; readonly value: bigint }[];
}

/** A struct or union that is declared and not defined. */
export interface BtfFwd {
  readonly kind: 'fwd';
  readonly name: string;
  readonly of: 'struct' | 'union';
}

/** Another name for a type. */
export interface BtfTypedef {
  readonly kind: 'typedef';
  readonly name: string;
  readonly type: BtfId;
}

/** A qualifier. */
export interface BtfQualifier {
  readonly kind: 'volatile' | 'const' | 'restrict';
  readonly type: BtfId;
}

/** How a function or a variable is linked. */
export type BtfLinkage = 'static' | 'global' | 'extern';

/** A function; `type` is its prototype (Linux 5.0). */
export interface BtfFunc {
  readonly kind: 'func';
  readonly name: string;
  readonly type: BtfId;
  readonly linkage: BtfLinkage;
}

/** The type of a function. A last parameter without name and of type 0 means any more (`...`). */
export interface BtfFuncProto {
  readonly kind: 'func_proto';
  readonly returns: BtfId;
  readonly params: readonly { readonly name: string; readonly type: BtfId }[];
}

/** A variable (Linux 5.2). */
export interface BtfVar {
  readonly kind: 'var';
  readonly name: string;
  readonly type: BtfId;
  readonly linkage: BtfLinkage;
}

/** A section of variables, with the place of each in bytes (Linux 5.2). */
export interface BtfDatasec {
  readonly kind: 'datasec';
  readonly name: string;
  readonly size: number;
  readonly variables: readonly { readonly type: BtfId; readonly offset: number; readonly size: number }[];
}

/** A floating-point type (Linux 5.13). */
export interface BtfFloat {
  readonly kind: 'float';
  readonly name: string;
  readonly size: number;
}

/** A word attached to a declaration; `component` is the index of the member or parameter, -1 for the whole (Linux 5.16). */
export interface BtfDeclTag {
  readonly kind: 'decl_tag';
  readonly name: string;
  readonly type: BtfId;
  readonly component: number;
  /** Whether it stands for an attribute of the compiler as such, `name` being all of it (Linux 6.15). */
  readonly attribute: boolean;
}

/** A word attached to a type that a pointer points to (Linux 5.17). */
export interface BtfTypeTag {
  readonly kind: 'type_tag';
  readonly name: string;
  readonly type: BtfId;
  /** As in {@link BtfDeclTag}. */
  readonly attribute: boolean;
}

/**
 * A type of a kind that is newer than this package. It can be skipped because the object says how large each kind is
 * (its kind layout, Linux 7.0). It can be read and not written.
 */
export interface BtfUnknown {
  readonly kind: 'unknown';
  /** Number of the kind. */
  readonly code: number;
  readonly name: string;
  readonly vlen: number;
  readonly flag: boolean;
  /** The word that other kinds use for the size or the type. */
  readonly sizeOrType: number;
  /** What follows the common part, as it is. */
  readonly data: Uint8Array;
}

/** A type of BTF, told apart by `kind`. Other types are named by id. */
export type BtfType =
  | BtfInt
  | BtfPtr
  | BtfArray
  | BtfComposite
  | BtfEnum
  | BtfEnum64
  | BtfFwd
  | BtfTypedef
  | BtfQualifier
  | BtfFunc
  | BtfFuncProto
  | BtfVar
  | BtfDatasec
  | BtfFloat
  | BtfDeclTag
  | BtfTypeTag
  | BtfUnknown;

/** The same type with every id of another type replaced by what `map` gives for it, in the order in which they are written. */
export function mapReferences(type: BtfType, map: (id: BtfId) => BtfId): BtfType {
  switch (type.kind) {
    case 'ptr':
    case 'typedef':
    case 'volatile':
    case 'const':
    case 'restrict':
    case 'func':
    case 'var':
    case 'decl_tag':
    case 'type_tag':
      return { ...type, type: map(type.type) };
    case 'array':
      return { ...type, element: map(type.element), index: map(type.index) };
    case 'struct':
    case 'union':
      return { ...type, members: type.members.map((member) => ({ ...member, type: map(member.type) })) };
    case 'func_proto':
      return {
        ...type,
        returns: map(type.returns),
        params: type.params.map((param) => ({ ...param, type: map(param.type) })),
      };
    case 'datasec':
      return { ...type, variables: type.variables.map((variable) => ({ ...variable, type: map(variable.type) })) };
    case 'int':
    case 'enum':
    case 'enum64':
    case 'fwd':
    case 'float':
    case 'unknown':
      return type;
  }
}

/** The ids of the other types that a type names, in the order in which they are written. */
export function referencesOf(type: BtfType): BtfId[] {
  const ids: BtfId[] = [];
  mapReferences(type, (id) => {
    ids.push(id);
    return id;
  });
  return ids;
}
