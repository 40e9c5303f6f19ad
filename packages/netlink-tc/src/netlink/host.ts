import type { Layout } from 'bpf-asm/layout';
import { LITTLE_ENDIAN } from '../sys/byte-order.ts';

// Netlink speaks the machine's own byte order, save where a field is named `be`.
export { LITTLE_ENDIAN };

/** A struct layout as this machine lays it out. */
export function native<Out, In>(layout: Layout<Out, In>): Layout<Out, In> {
  return layout.forByteOrder(LITTLE_ENDIAN ? 'little' : 'big');
}
