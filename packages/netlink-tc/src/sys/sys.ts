import type { FdTable } from './fd.ts';
import type { Platform, SyscallName } from './platform.ts';

/** An argument of a system call: an integer, an address, memory (its address is passed), or NULL. */
export type SysArg = number | bigint | Uint8Array | null;

/** What to map: mmap(2). */
export interface MmapRequest {
  /** File descriptor; -1 for anonymous memory. */
  readonly fd: number;
  /** Offset in the file, in bytes: whole pages. */
  readonly offset: number;
  /** Length in bytes. */
  readonly length: number;
  readonly writable: boolean;
}

/** Memory that the kernel shares. Reading `bytes` after `unmap` kills the process: keep it inside its owner. */
export interface Mapping {
  readonly bytes: Uint8Array;
  /** Gives the memory back. A second call does nothing. */
  unmap(): void;
}

/** The watch on a file descriptor. It stays until it is closed, and must be kept referenced. */
export interface Poll {
  /** Lets the process end although the watch is on. */
  unref(): void;
  /** Ends the watch. A second call does nothing. */
  close(): void;
}

/**
 * The one seam between this package and the machine. Calls return the negative error number and never throw; whoever calls
 * makes the typed error. Memory passed to a call stays referenced until it returns; who puts an address into a structure
 * keeps the memory referenced himself.
 */
export interface Sys {
  /** The library that makes the calls. */
  readonly backend: 'koffi' | 'ffi-rs' | 'fake';
  readonly platform: Platform;
  /** Size of a page in bytes. */
  readonly pageSize: number;
  /** Who owns which file descriptor. */
  readonly fds: FdTable;
  /** A system call by name; its 32-bit result, or the negative error number. */
  call(name: SyscallName, a?: SysArg, b?: SysArg, c?: SysArg, d?: SysArg, e?: SysArg, f?: SysArg): number;
  /** bpf(2). The size passed is that of `attr`. */
  bpf(command: number, attr: Uint8Array): number;
  /** bpf(2) on a structure at a known address: the shortest way, for the hot paths of maps. The caller keeps the memory alive. */
  bpfAt(command: number, address: number, size: number): number;
  /** Where the memory of `bytes` lies. Stable as long as `bytes` is referenced and its buffer not transferred. */
  addressOf(bytes: Uint8Array): bigint;
  /** Maps shared memory, or returns the negative error number. */
  mmap(request: MmapRequest): Mapping | number;
  /**
   * Calls `listener` whenever `fd` is readable, on Node's event loop. Level-triggered: read until EAGAIN.
   * @throws NetlinkTcError `ERR_BACKEND` where the backend cannot watch
   */
  poll(fd: number, listener: () => void): Poll;
}
