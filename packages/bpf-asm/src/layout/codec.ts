import { BpfAsmError } from '../error.ts';
import type { ByteOrder } from '../isa/byte-order.ts';
import type { DecodeOptions, Layout, LayoutFault } from './layout.ts';

/** Largest size of a layout in bytes: offsets in bits must fit the 32 bits that BTF has for them. */
export const MAX_SIZE = 0x1fff_ffff;

/** The parts that every layout shares: bounds, errors, and the order of checking before writing. */
export abstract class Codec<Out, In = Out> implements Layout<Out, In> {
  abstract readonly kind: string;
  abstract readonly label: string;
  abstract readonly size: number;
  abstract readonly align: number;
  abstract check(value: unknown): LayoutFault | undefined;
  abstract write(value: In, into: Uint8Array, at: number): void;
  abstract read(bytes: Uint8Array, at: number): Out;
  abstract checkPadding(bytes: Uint8Array, at: number): LayoutFault | undefined;
  abstract forByteOrder(byteOrder: ByteOrder): this;

  encode(value: In, into?: Uint8Array, at = 0): Uint8Array {
    const fault = this.check(value);
    if (fault !== undefined) throw this.#error(fault);
    const bytes = into ?? new Uint8Array(this.size);
    this.#inRange(bytes, at, 'written');
    this.write(value, bytes, at);
    return bytes;
  }

  decode(bytes: Uint8Array, at?: number, { checkPadding = false }: DecodeOptions = {}): Out {
    this.#inRange(bytes, at ?? 0, 'read');
    if (at === undefined && bytes.length !== this.size) {
      throw refuse(
        `${this.label} takes ${this.size} bytes, and ${bytes.length} were given`,
        'give the offset to read it out of a larger array',
      );
    }
    if (checkPadding) {
      const fault = this.checkPadding(bytes, at ?? 0);
      if (fault !== undefined) throw this.#error(fault);
    }
    return this.read(bytes, at ?? 0);
  }

  #error({ path, problem, hint }: LayoutFault): BpfAsmError {
    const field = `${this.label}${path}`;
    return new BpfAsmError('ERR_LAYOUT', `${field} ${problem}`, { field, ...(hint === undefined ? {} : { hint }) });
  }

  // Short, so that it is inlined.
  #inRange(bytes: Uint8Array, at: number, verb: string): void {
    const isInside = bytes instanceof Uint8Array && Number.isInteger(at) && at >= 0 && at + this.size <= bytes.length;
    if (!isInside) throw this.#outside(bytes, at, verb);
  }

  #outside(bytes: unknown, at: number, verb: string): BpfAsmError {
    if (!(bytes instanceof Uint8Array)) return refuse(`${this.label} can be ${verb} in a Uint8Array only`);
    return refuse(`${this.label} takes ${this.size} bytes and cannot be ${verb} at byte ${at} of ${bytes.length}`);
  }
}

/** The error for a description or an argument that makes no sense. */
export function refuse(message: string, hint?: string): BpfAsmError {
  return new BpfAsmError('ERR_LAYOUT', message, hint === undefined ? {} : { hint });
}

/** `fault` of a part, seen from the whole. */
export function within(step: string, fault: LayoutFault): LayoutFault {
  return { ...fault, path: `${step}${fault.path}` };
}

/** A value in an error: short, on one line. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value);
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'symbol' || typeof value === 'function') return `a ${typeof value}`;
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}

/** Refuses a number of bytes or elements that is not a positive integer within reason. */
export function positive(label: string, count: number, unit: number): void {
  if (!Number.isInteger(count) || count < 1 || count * unit > MAX_SIZE) {
    throw refuse(
      `${label} of ${show(count)} cannot be laid out`,
      `give a positive number, at most ${MAX_SIZE} bytes in all`,
    );
  }
}
