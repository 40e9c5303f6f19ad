import { NetlinkTcError } from '../error.ts';
import { openFfiRsSys } from './ffi-rs.ts';
import { openKoffiSys } from './koffi.ts';
import type { Sys } from './sys.ts';

/** Options of {@link openSys}. */
export interface OpenSysOptions {
  /** Library that makes the calls; `ffi-rs` is slower, cannot watch descriptors, and must be installed by the caller. */
  readonly backend?: 'koffi' | 'ffi-rs';
  /** Whether to keep the stack of every opening of a file descriptor, to find leaks by {@link Sys.fds}. */
  readonly traceFds?: boolean;
}

/**
 * Opens the door to the kernel. Nothing of this package touches the machine before this.
 * @throws NetlinkTcError `ERR_UNSUPPORTED_PLATFORM` when this is not Linux on a known architecture, `ERR_BACKEND` when the
 * library that makes the calls cannot be loaded
 * @example
 * ```ts
 * const sys = await openSys();
 * sys.call('getpid'); // process.pid
 * ```
 */
export async function openSys(options: OpenSysOptions = {}): Promise<Sys> {
  const { backend = 'koffi', traceFds = false } = options;
  switch (backend) {
    case 'koffi':
      return openKoffiSys(traceFds);
    case 'ffi-rs':
      return openFfiRsSys(traceFds);
    default:
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no backend ${String(backend)}`, {
        hint: "use 'koffi' or 'ffi-rs'",
      });
  }
}
