import type { MapDefinition } from 'bpf-asm';
import { NetlinkTcError, systemError } from '../error.ts';
import type { Mapping, Sys } from '../sys/index.ts';
import type { Codec } from './codec.ts';

/** The values of an mmapable array, read and written in place. A value larger than 8 bytes is not read in one piece. */
export interface MapMemory<V, VIn = V> extends Disposable {
  /** The value of an element. @throws NetlinkTcError `ERR_INVALID_ARGUMENT`, `ERR_CLOSED` */
  get(index: number): V;
  /** Sets the value of an element. @throws NetlinkTcError `ERR_INVALID_ARGUMENT`, `ERR_CLOSED` */
  set(index: number, value: VIn): void;
  /** Gives the memory back. A second call does nothing. */
  close(): void;
}

/** Maps the memory of an array; elements lie in 8-byte steps. */
export function mapMemory<V, VIn>(
  sys: Sys,
  fd: number,
  definition: MapDefinition,
  codec: Codec<V, VIn>,
  writable: boolean,
): MapMemory<V, VIn> {
  const { name, type, maxEntries } = definition;
  const stride = Math.ceil(codec.size / 8) * 8;
  const length = Math.ceil((stride * maxEntries) / sys.pageSize) * sys.pageSize;
  const mapping = sys.mmap({ fd, offset: 0, length, writable });
  if (typeof mapping === 'number') {
    throw systemError(mapping, 'mmap', `cannot map the memory of ${type} map ${name}`, {
      hint: 'it must be an array made with the flag MMAPABLE, and not frozen if the memory is to be written',
    });
  }
  let open: Mapping | undefined = mapping;
  const at = (index: number): Uint8Array => {
    if (open === undefined) throw new NetlinkTcError('ERR_CLOSED', `the memory of map ${name} is closed`);
    if (index >>> 0 !== index || index >= maxEntries) {
      throw new NetlinkTcError(
        'ERR_INVALID_ARGUMENT',
        `${String(index)} is no element of map ${name}: they are 0 to ${maxEntries - 1}`,
      );
    }
    return open.bytes;
  };
  const close = (): void => {
    open?.unmap();
    open = undefined;
  };
  return {
    get: (index: number): V => codec.read(at(index), index * stride),
    set(index: number, value: VIn): void {
      const bytes = at(index);
      // The mapping is read-only for the process where it was not asked for: a write would kill it.
      if (!writable)
        throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `the memory of map ${name} was mapped for reading only`);
      codec.encode(value, bytes, index * stride);
    },
    close,
    [Symbol.dispose]: close,
  };
}
