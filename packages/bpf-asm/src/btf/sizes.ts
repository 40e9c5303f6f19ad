import { BpfAsmError } from '../error.ts';
import { MAX_DEPTH, resolve } from './names.ts';
import type { Btf } from './read.ts';
import type { BtfComposite, BtfId, BtfMember } from './types.ts';

/** Size and alignment of a type in bytes, and whether a struct has to be packed to be laid out so. */
export interface TypeSize {
  readonly size: number;
  readonly align: number;
  readonly packed: boolean;
}

/** Sizes of types on a 64-bit machine. BTF does not say how types are aligned: a struct is as its members make it. */
export class Sizes {
  readonly #btf: Btf;
  readonly #known = new Map<BtfId, TypeSize>();
  #depth = 0;

  constructor(btf: Btf) {
    this.#btf = btf;
  }

  /** @throws BpfAsmError `ERR_BTF` for a type that has no size, or contains itself. */
  of(id: BtfId): TypeSize {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    if (this.#depth >= MAX_DEPTH) throw new BpfAsmError('ERR_BTF', `type ${id} is nested too deep, or contains itself`);
    this.#depth++;
    try {
      const size = this.#measure(id);
      this.#known.set(id, size);
      return size;
    } finally {
      this.#depth--;
    }
  }

  #measure(id: BtfId): TypeSize {
    const type = resolve(this.#btf, id);
    switch (type?.kind) {
      case 'int':
      case 'float':
      case 'enum':
      case 'enum64':
        return {
          size: type.size,
          align: Math.min(16, 2 ** Math.ceil(Math.log2(Math.max(1, type.size)))),
          packed: false,
        };
      case 'ptr':
        return { size: 8, align: 8, packed: false };
      case 'array': {
        const { size, align } = this.of(type.element);
        return { size: size * type.length, align, packed: false };
      }
      case 'struct':
      case 'union': {
        const align = Math.max(1, ...type.members.map((member) => this.of(member.type).align));
        const packed = type.size % align !== 0 || type.members.some((member) => this.#misplaced(type, member));
        return { size: type.size, align: packed ? 1 : align, packed };
      }
      default:
        throw new BpfAsmError('ERR_BTF', `type ${id} (${type?.kind ?? 'void'}) has no size`);
    }
  }

  /** Whether a member is where C would not put it: a bit field across two of its type, another beside its alignment. */
  #misplaced({ kind }: BtfComposite, { type, bitOffset, bitSize }: BtfMember): boolean {
    const { size, align } = this.of(type);
    if (bitSize === 0) return bitOffset % (8 * align) !== 0;
    return (
      kind === 'struct' && Math.floor(bitOffset / (8 * size)) !== Math.floor((bitOffset + bitSize - 1) / (8 * size))
    );
  }
}
