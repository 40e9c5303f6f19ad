import { BpfAsmError } from '../../error.ts';
import { Region, type FieldAccess, type RegisterWriter } from '../region.ts';
import {
  allowedField,
  fieldBytes,
  type ContextField,
  type ContextLayout,
  type ContextValue,
  type ContextValues,
} from './context-layout.ts';

/** Where a pointer field points. */
export interface FieldAddress {
  readonly region: Region;
  readonly offset: number;
}

/** Says where a pointer field points now; nothing where it is null. */
export type PointerSource = (name: string) => FieldAddress | undefined;

/** A context of one run: the bytes of its fields, and the rules by which a program reaches them. */
export class Context implements FieldAccess {
  readonly layout: ContextLayout;
  /** What the program's context pointer points at. */
  readonly region: Region;
  readonly #view: DataView;
  readonly #pointers: PointerSource;

  /**
   * @param values - the fields; those not given are 0.
   * @throws BpfAsmError `ERR_INVALID_ARGUMENT` when there is no such field or a value is of the wrong shape.
   */
  constructor(layout: ContextLayout, values: ContextValues, pointers: PointerSource) {
    this.layout = layout;
    this.region = new Region(layout.name, new Uint8Array(layout.size), { fields: this, object: this });
    this.#view = this.region.view;
    this.#pointers = pointers;
    for (const name in values) {
      const value = values[name];
      if (value !== undefined) this.#write(this.#field(name), value);
    }
  }

  load(to: RegisterWriter, register: number, offset: number, size: number, signed: boolean): boolean {
    const field = allowedField(this.layout, offset, size, false);
    if (field === undefined || (signed && field.pointer === true)) return false;
    if (field.pointer === true) {
      const target = this.#pointers(field.name);
      if (target === undefined) to.setWords(register, 0, 0);
      else to.setAddress(register, target.region, target.offset);
      return true;
    }
    const view = this.#view;
    if (size === 8) to.setWords(register, view.getInt32(offset, true), view.getInt32(offset + 4, true));
    else {
      const low =
        size === 4
          ? view.getInt32(offset, true)
          : size === 2
            ? signed ? view.getInt16(offset, true) : view.getUint16(offset, true) // prettier-ignore
            : signed ? view.getInt8(offset) : view.getUint8(offset); // prettier-ignore
      to.setWords(register, low, signed ? low >> 31 : 0);
    }
    return true;
  }

  store(offset: number, size: number, low: number, high: number): boolean {
    if (allowedField(this.layout, offset, size, true) === undefined) return false;
    const view = this.#view;
    if (size === 1) view.setInt8(offset, low);
    else if (size === 2) view.setInt16(offset, low, true);
    else view.setInt32(offset, low, true);
    if (size === 8) view.setInt32(offset + 4, high, true);
    return true;
  }

  /** A field of 32 bits, as helpers read it. */
  get(name: string): number {
    return this.#view.getUint32(this.#field(name).offset, true);
  }

  /** Sets a field, as helpers do. */
  set(name: string, value: number): void {
    this.#write(this.#field(name), value);
  }

  /** Whether the layout has a field. */
  has(name: string): boolean {
    return this.layout.fields.some((field) => field.name === name);
  }

  /** Every field that is no pointer. 64-bit fields are bigint. */
  values(): Record<string, ContextValue> {
    const values: Record<string, ContextValue> = {};
    for (const field of this.layout.fields) if (field.pointer !== true) values[field.name] = this.#read(field);
    return values;
  }

  #field(name: string): ContextField {
    const field = this.layout.fields.find((one) => one.name === name);
    if (field !== undefined && field.pointer !== true) return field;
    const hint = `fields: ${this.layout.fields.filter((one) => one.pointer !== true).map((one) => one.name).join(', ')}`; // prettier-ignore
    throw new BpfAsmError('ERR_INVALID_ARGUMENT', `${this.layout.name} has no field ${name} to set`, { hint });
  }

  #write(field: ContextField, value: ContextValue): void {
    // Nearly every field of nearly every packet is one of these.
    if (typeof value === 'number' && value >>> 0 === value && field.size === 4 && field.count === undefined) {
      this.#view.setUint32(field.offset, value, true);
      return;
    }
    const values = typeof value === 'object' ? value : [value];
    if (values.length !== (field.count ?? 1)) throw wrong(this.layout, field, value);
    for (const [index, one] of values.entries()) {
      if (typeof one === 'number' ? !Number.isSafeInteger(one) : typeof one !== 'bigint')
        throw wrong(this.layout, field, value);
      const bits = field.size * 8;
      const number = BigInt(one);
      if (BigInt.asUintN(bits, number) !== number && BigInt.asIntN(bits, number) !== number) {
        throw wrong(this.layout, field, value);
      }
      writeBytes(this.#view, field.offset + index * field.size, field.size, number);
    }
  }

  #read(field: ContextField): ContextValue {
    const view = this.#view;
    if (field.size === 8) return view.getBigUint64(field.offset, true);
    if (field.size === 1) return view.getUint8(field.offset);
    if (field.size === 2) return view.getUint16(field.offset, true);
    if (field.count === undefined) return view.getUint32(field.offset, true);
    return Array.from({ length: fieldBytes(field) / 4 }, (_, index) => view.getUint32(field.offset + 4 * index, true));
  }
}

function writeBytes(view: DataView, at: number, size: number, value: bigint): void {
  for (let i = 0; i < size; i++) view.setUint8(at + i, Number((value >> BigInt(8 * i)) & 0xffn));
}

function wrong(layout: ContextLayout, field: ContextField, value: unknown): BpfAsmError {
  const count = field.count === undefined ? 'a number' : `${field.count} numbers`;
  return new BpfAsmError(
    'ERR_INVALID_ARGUMENT',
    `${layout.name}.${field.name} takes ${count} of ${field.size * 8} bits, not ${String(value)}`,
  );
}
