import { endianness } from 'node:os';
import type { Layout } from 'bpf-asm/layout';

/** Whether this machine is little-endian: netlink speaks the machine's own byte order, save where a field is named `be`. */
export const LITTLE_ENDIAN: boolean = endianness() === 'LE';

/** A struct layout as this machine lays it out. */
export function native<Out, In>(layout: Layout<Out, In>): Layout<Out, In> {
  return layout.forByteOrder(LITTLE_ENDIAN ? 'little' : 'big');
}
