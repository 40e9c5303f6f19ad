import { isNetlinkTcError, queryHook } from 'netlink-tc';
import { constants } from 'node:os';
import type { EngineContext } from './context.ts';
import type { EngineSettings } from './options.ts';

/** How programs are attached from now on, and why so. */
export interface AttachStatus {
  /** What was asked for. */
  readonly wanted: EngineSettings['attach'];
  readonly mode: 'tcx' | 'clsact';
  readonly reason: string;
}

/** Index of the loopback interface, in every namespace. */
const LOOPBACK = 1;

/** Looks how the next program would be attached. */
export function attachStatus({ sys, host, settings }: Pick<EngineContext, 'sys' | 'host' | 'settings'>): AttachStatus {
  const wanted = settings.attach;
  if (wanted !== 'auto') return { wanted, mode: wanted, reason: 'it is asked for' };
  try {
    host.netns.run(() => queryHook(sys, { target: LOOPBACK, attachType: 'tcx_ingress' }));
    return { wanted, mode: 'tcx', reason: 'the kernel has it' };
  } catch (error) {
    if (!isNetlinkTcError(error) || error.errno !== constants.errno.EINVAL) throw error;
    return { wanted, mode: 'clsact', reason: 'this kernel has no tcx (Linux 6.6)' };
  }
}
