import { textOf, type Sys } from '../sys/index.ts';
import { GET_INFO, GET_INFO_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';

/** A structure that `BPF_OBJ_GET_INFO_BY_FD` fills: pointers and lengths may be written into it before. */
export class InfoBuffer extends Attr {
  /** Bytes that the kernel filled. Fields beyond are unknown to it. */
  length = 0;

  /** A 32-bit field, or undefined where the kernel does not know it. */
  knownU32(offset: number): number | undefined {
    return offset + 4 <= this.length ? this.getU32(offset) : undefined;
  }

  /** A 64-bit field, or undefined where the kernel does not know it. */
  knownU64(offset: number): bigint | undefined {
    return offset + 8 <= this.length ? this.getU64(offset) : undefined;
  }

  /** A text field of a fixed size. */
  text(offset: number, size: number): string {
    return textOf(this.bytes.subarray(offset, offset + size));
  }
}

/**
 * Fills an information structure (4.13).
 * @param what the object, for the error
 */
export function fillInfo(sys: Sys, fd: number, info: InfoBuffer, what: string): InfoBuffer {
  const attr = new Attr(sys, GET_INFO_SIZE)
    .u32(GET_INFO.bpf_fd, fd)
    .u32(GET_INFO.info_len, info.bytes.length)
    .pointer(GET_INFO.info, info.bytes);
  const result = sys.bpf(BPF_COMMAND.BPF_OBJ_GET_INFO_BY_FD, attr.bytes);
  if (result < 0) throw bpfError(sys, result, 'BPF_OBJ_GET_INFO_BY_FD', `cannot read the information of ${what}`);
  info.length = attr.getU32(GET_INFO.info_len);
  return info;
}

/** Name of a number in a table of the kernel's names; the number where this package does not know it. */
export function nameOf<T extends string>(table: Readonly<Record<T, number>>, number: number): T | number {
  const entry = (Object.entries(table) as [T, number][]).find(([, value]) => value === number);
  return entry?.[0] ?? number;
}
