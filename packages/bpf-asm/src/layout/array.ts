import type { ByteOrder } from '../isa/byte-order.ts';
import { Codec, positive, show, within } from './codec.ts';
import type { AnyLayout, ArrayLayout, InputOf, LayoutFault, ValueOf } from './layout.ts';

class FixedArray<L extends AnyLayout> extends Codec<ValueOf<L>[], readonly InputOf<L>[]> implements ArrayLayout<L> {
  readonly kind = 'array';
  readonly label: string;
  readonly element: L;
  readonly length: number;
  readonly size: number;
  readonly align: number;

  constructor(element: L, length: number) {
    super();
    this.label = `${element.label}[${length}]`;
    this.element = element;
    this.length = length;
    this.size = element.size * length;
    this.align = element.align;
  }

  check(value: unknown): LayoutFault | undefined {
    if (!Array.isArray(value)) return { path: '', problem: `is ${show(value)}, and must be an array` };
    if (value.length !== this.length) {
      return { path: '', problem: `has ${value.length} elements, and must have ${this.length}` };
    }
    for (let i = 0; i < this.length; i++) {
      const fault = this.element.check(value[i]);
      if (fault !== undefined) return within(`[${i}]`, fault);
    }
    return undefined;
  }

  write(value: readonly InputOf<L>[], into: Uint8Array, at: number): void {
    for (let i = 0; i < this.length; i++) this.element.write(value[i] as never, into, at + i * this.element.size);
  }

  read(bytes: Uint8Array, at: number): ValueOf<L>[] {
    const values: ValueOf<L>[] = [];
    for (let i = 0; i < this.length; i++)
      values.push(this.element.read(bytes, at + i * this.element.size) as ValueOf<L>);
    return values;
  }

  checkPadding(bytes: Uint8Array, at: number): LayoutFault | undefined {
    for (let i = 0; i < this.length; i++) {
      const fault = this.element.checkPadding(bytes, at + i * this.element.size);
      if (fault !== undefined) return within(`[${i}]`, fault);
    }
    return undefined;
  }

  forByteOrder(byteOrder: ByteOrder): this {
    const element = this.element.forByteOrder(byteOrder);
    return element === this.element ? this : (new FixedArray(element, this.length) as this);
  }
}

/**
 * `T name[length]`: elements one after the other.
 *
 * @param element - the layout of each.
 * @param length - how many, at least one.
 * @throws BpfAsmError `ERR_LAYOUT` when the length is not a positive integer.
 * @example
 * ```ts
 * array(u16, 4).encode([80, 443, 0, 0]); // 50 00 bb 01 00 00 00 00
 * ```
 */
export function array<L extends AnyLayout>(element: L, length: number): ArrayLayout<L> {
  positive(`array of ${element.label}`, length, element.size);
  return new FixedArray(element, length);
}
