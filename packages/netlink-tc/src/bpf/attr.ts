import { NetlinkTcError } from '../error.ts';
import type { Sys } from '../sys/index.ts';

/** Most bytes of a name of a map, program or BTF function in the kernel, its zero byte included (`BPF_OBJ_NAME_LEN`). */
const NAME_LENGTH = 16;

/**
 * One `union bpf_attr` in memory, zero at first, in the byte order of the machine. It keeps what it points at alive.
 */
export class Attr {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  readonly #little: boolean;
  readonly #sys: Sys;
  readonly #kept: Uint8Array[] = [];

  /** @param size bytes of the structure, as passed to the kernel */
  constructor(sys: Sys, size: number) {
    this.#sys = sys;
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
    this.#little = sys.platform.littleEndian;
  }

  /** Writes a 32-bit field; signed values keep their bits. */
  u32(offset: number, value: number): this {
    this.#view.setUint32(offset, value, this.#little);
    return this;
  }

  /** Writes a 64-bit field. */
  u64(offset: number, value: bigint): this {
    this.#view.setBigUint64(offset, value, this.#little);
    return this;
  }

  /** Writes the address of `bytes`, and keeps them as long as this structure lives. */
  pointer(offset: number, bytes: Uint8Array): this {
    this.#kept.push(bytes);
    return this.u64(offset, bytes.byteLength === 0 ? 0n : this.#sys.addressOf(bytes));
  }

  /** Writes the name of an object as the kernel will take it, cut and cleaned. */
  name(offset: number, name: string): this {
    const text = kernelName(name);
    for (let i = 0; i < text.length; i += 1) this.bytes[offset + i] = text.charCodeAt(i);
    return this;
  }

  /** Reads a 32-bit field. */
  getU32(offset: number): number {
    return this.#view.getUint32(offset, this.#little);
  }

  /** Reads a 64-bit field. */
  getU64(offset: number): bigint {
    return this.#view.getBigUint64(offset, this.#little);
  }
}

/**
 * The name that the kernel shows for an object: at most 15 characters, letters, digits, `_` and `.` only. Others become `_`.
 */
function kernelName(name: string): string {
  return name.slice(0, NAME_LENGTH - 1).replace(/[^A-Za-z0-9_.]/g, '_');
}

/**
 * Checks a number that goes into a 32-bit field of the kernel.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT`
 */
export function checkU32(what: string, value: number, min = 0): number {
  if (value >>> 0 === value && value >= min) return value;
  throw new NetlinkTcError(
    'ERR_INVALID_ARGUMENT',
    `${what} is ${String(value)}, not an integer from ${min} to 2^32 - 1`,
  );
}
