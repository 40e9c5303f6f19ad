import { BTF_KIND, type BtfInt, type BtfKind, type BtfLinkage } from './types.ts';

/** How long a type is: 12 bytes, `fixed` more, and `each` for every one of its `vlen` elements. */
export interface KindSize {
  readonly fixed: number;
  readonly each: number;
}

/** Sizes of the known kinds by number. */
export const KIND_SIZE: readonly (KindSize | undefined)[] = [
  undefined,
  { fixed: 4, each: 0 }, // int: encoding, offset, bits
  { fixed: 0, each: 0 }, // ptr
  { fixed: 12, each: 0 }, // array: element, index, length
  { fixed: 0, each: 12 }, // struct: name, type, offset
  { fixed: 0, each: 12 }, // union
  { fixed: 0, each: 8 }, // enum: name, value
  { fixed: 0, each: 0 }, // fwd
  { fixed: 0, each: 0 }, // typedef
  { fixed: 0, each: 0 }, // volatile
  { fixed: 0, each: 0 }, // const
  { fixed: 0, each: 0 }, // restrict
  { fixed: 0, each: 0 }, // func: vlen is the linkage
  { fixed: 0, each: 8 }, // func_proto: name, type
  { fixed: 4, each: 0 }, // var: linkage
  { fixed: 0, each: 12 }, // datasec: type, offset, size
  { fixed: 0, each: 0 }, // float
  { fixed: 4, each: 0 }, // decl_tag: component
  { fixed: 0, each: 0 }, // type_tag
  { fixed: 0, each: 12 }, // enum64: name, low, high
];

/** Names of the known kinds by number. */
export const KIND_NAME: readonly (BtfKind | undefined)[] = [undefined, ...(Object.keys(BTF_KIND) as BtfKind[])];

/** First two bytes of `.BTF` and `.BTF.ext`, as a number in the byte order of the rest. */
export const BTF_MAGIC = 0xeb9f;

/** Offset of each field of the header of `.BTF` (`struct btf_header`); the last two only where the header is long enough. */
export const BTF_HEADER = {
  magic: 0,
  version: 2,
  flags: 3,
  headerLength: 4,
  typeOffset: 8,
  typeLength: 12,
  stringOffset: 16,
  stringLength: 20,
  layoutOffset: 24,
  layoutLength: 28,
} as const;

/** Size of the header without the kind layout. */
export const BTF_HEADER_SIZE = 24;

/** Linkages by their numbers. */
export const LINKAGES: readonly BtfLinkage[] = ['static', 'global', 'extern'];

/** Encodings of an integer by their numbers. */
export const ENCODINGS: Readonly<Record<BtfInt['encoding'], number>> = {
  unsigned: 0,
  signed: 1,
  char: 2,
  'signed char': 3,
  bool: 4,
};
