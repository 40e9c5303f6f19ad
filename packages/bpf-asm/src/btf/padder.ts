import type { BtfMember } from './types.ts';

/** Writes the padding of a struct out as members, wherever C by itself would put the next member elsewhere. */
export class Padder {
  readonly #packed: boolean;
  readonly #align: number;
  #end = 0;
  readonly #name: () => string;

  /** @param name - gives a name that no member has: members of a struct without a name count as those around it. */
  constructor(packed: boolean, align: number, name: () => string) {
    this.#packed = packed;
    this.#align = align;
    this.#name = name;
  }

  /** Padding in front of a member of a struct; `size` and `align` are of its type. */
  before({ bitOffset, bitSize }: BtfMember, size: number, align: number): string[] {
    return bitOffset > this.#natural(bitSize, size, align) ? this.#fill(bitOffset) : [];
  }

  /** Takes note of a member. */
  after({ bitOffset, bitSize }: BtfMember, size: number): void {
    this.#end = Math.max(this.#end, bitOffset + (bitSize === 0 ? 8 * size : bitSize));
  }

  /** Padding after the last member. A union is made as large as it is by a member of that size. */
  end(size: number, union: boolean): string[] {
    const used = Math.ceil(this.#end / 8);
    const natural = this.#packed ? used : Math.ceil(used / this.#align) * this.#align;
    if (size <= natural) return [];
    if (union) this.#end = 0;
    return this.#fill(8 * size);
  }

  /** Where C puts a member that comes next, in bits. */
  #natural(bitSize: number, size: number, align: number): number {
    const unit = 8 * (bitSize === 0 ? align : size);
    if (bitSize === 0) return this.#packed ? Math.ceil(this.#end / 8) * 8 : Math.ceil(this.#end / unit) * unit;
    const crosses = Math.floor(this.#end / unit) !== Math.floor((this.#end + bitSize - 1) / unit);
    return crosses && !this.#packed ? Math.ceil(this.#end / unit) * unit : this.#end;
  }

  /** Fills with bits to the end of a byte, with whole bytes, and with bits again. */
  #fill(to: number): string[] {
    const lines: string[] = [];
    const bits = (count: number): void => {
      if (count > 0) lines.push(`unsigned char : ${count};`);
      this.#end += count;
    };
    if (this.#end % 8 !== 0) bits(Math.min(8 - (this.#end % 8), to - this.#end));
    const bytes = Math.floor((to - this.#end) / 8);
    if (bytes > 0) lines.push(`unsigned char ${this.#name()}[${bytes}];`);
    this.#end += 8 * bytes;
    bits(to - this.#end);
    return lines;
  }
}
