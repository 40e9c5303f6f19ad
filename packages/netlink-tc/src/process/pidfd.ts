import { constants } from 'node:os';
import { NetlinkTcError, systemError, type SystemErrorContext } from '../error.ts';
import { LITTLE_ENDIAN } from '../netlink/host.ts';
import type { Fd, Poll, Sys } from '../sys/index.ts';

const { EBADF, EINVAL, ENOSYS, EPERM, ESRCH } = constants.errno;
const POLLIN = 1;

/** What to say where the kernel does not let one process look into another. */
export const NEEDS_SYS_PTRACE =
  'it needs CAP_SYS_PTRACE in the user namespace of the process; without it, the process must hand over what is wanted';

/**
 * A process, held by a descriptor: unlike its id, it never means another one. Made by {@link openPidfd}.
 */
export class Pidfd implements Disposable {
  /** Its process id; another process may have it once this one has ended. */
  readonly pid: number;
  readonly #sys: Sys;
  readonly #fd: Fd;
  readonly #waiting = new Set<(reason?: unknown) => void>();
  #poll: Poll | undefined;

  constructor(sys: Sys, pid: number, fd: Fd) {
    this.#sys = sys;
    this.pid = pid;
    this.#fd = fd;
  }

  /** The number of its descriptor. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /**
   * Whether the process has not ended. One that has ended and that its parent has not waited for (a zombie) does not run.
   * @throws NetlinkTcError `ERR_CLOSED`
   */
  get running(): boolean {
    // struct pollfd: descriptor, events, returned events. The time out is zero: it only looks.
    const request = new Uint8Array(8);
    const view = new DataView(request.buffer);
    view.setInt32(0, this.#fd.number, LITTLE_ENDIAN);
    view.setInt16(4, POLLIN, LITTLE_ENDIAN);
    const ready = this.#sys.call('ppoll', request, 1, new Uint8Array(16), null, 0);
    if (ready < 0) throw systemError(ready, 'ppoll', `cannot see whether process ${this.pid} runs`);
    return ready === 0;
  }

  /**
   * Waits for the end of the process. Needs no rights over it, and not to be its parent.
   * @param options a signal that ends the wait: the promise rejects with its reason
   * @throws NetlinkTcError `ERR_CLOSED` when this is closed, before or meanwhile; `ERR_BACKEND` where the backend cannot watch
   * @example
   * ```ts
   * using proxy = openPidfd(sys, pid);
   * await proxy.exited();
   * ```
   */
  async exited({ signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    signal?.throwIfAborted();
    this.#poll ??= this.#sys.poll(this.#fd.number, () => this.#settle());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => {
        settle(signal?.reason);
        if (this.#waiting.size === 0) this.#unwatch();
      };
      const settle = (reason?: unknown): void => {
        this.#waiting.delete(settle);
        signal?.removeEventListener('abort', onAbort);
        if (reason === undefined) resolve();
        else reject(reason as Error);
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(settle);
    });
  }

  /**
   * A copy of a descriptor of the process: the same open file, as after dup(2). It stays open when the process ends: who takes a
   * listening socket and keeps it has clients connect to nobody. Since Linux 5.6; pidfd_getfd(2).
   * @param number the descriptor's number in the process
   * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_SYS_PTRACE` over another user's process (and, where Yama says so, over any),
   * `ERR_NOT_FOUND` when the process has no such descriptor, or has ended
   */
  takeFd(number: number): Fd {
    if (!Number.isInteger(number) || number < 0 || number > 0x7fff_ffff)
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(number)} is no number of a descriptor`);
    const fd = this.#sys.call('pidfd_getfd', this.#fd.number, number, 0);
    if (fd < 0) throw systemError(fd, 'pidfd_getfd', `cannot take fd ${number} of process ${this.pid}`, meaning(fd));
    return this.#sys.fds.own(fd, `fd ${number} of process ${this.pid}`);
  }

  /** Closes it; who waits for the process gets `ERR_CLOSED`. A second call does nothing. */
  close(): void {
    this.#fd.close();
    this.#settle(new NetlinkTcError('ERR_CLOSED', `the descriptor of process ${this.pid} was closed`));
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  #settle(reason?: unknown): void {
    this.#unwatch();
    for (const settle of this.#waiting) settle(reason);
  }

  #unwatch(): void {
    this.#poll?.close();
    this.#poll = undefined;
  }
}

function meaning(result: number): SystemErrorContext {
  switch (-result) {
    case EPERM:
      return { hint: NEEDS_SYS_PTRACE };
    case EBADF:
      return { code: 'ERR_NOT_FOUND', hint: 'the process has closed it' };
    case ESRCH:
      return { hint: 'the process has ended' };
    case ENOSYS:
      return { hint: 'pidfd_getfd is in Linux from 5.6 on' };
    default:
      return {};
  }
}

const OPEN_HINTS: Readonly<Record<number, SystemErrorContext>> = {
  [ENOSYS]: { hint: 'pidfd_open is in Linux from 5.3 on' },
  [EINVAL]: { code: 'ERR_NOT_FOUND', hint: 'it is a thread: give the id of its process' },
};

/** Refuses what is no process id. @throws NetlinkTcError `ERR_INVALID_ARGUMENT` */
export function assertPid(pid: number): void {
  if (!Number.isInteger(pid) || pid < 1 || pid > 0x7fff_ffff)
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(pid)} is no process id`);
}

/**
 * Holds a process. Needs no rights over it. Since Linux 5.3; pidfd_open(2).
 * @param pid its id, as this process's pid namespace numbers it
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is none, `ERR_INVALID_ARGUMENT` for what is no id
 */
export function openPidfd(sys: Sys, pid: number): Pidfd {
  assertPid(pid);
  const fd = sys.call('pidfd_open', pid, 0);
  if (fd < 0) throw systemError(fd, 'pidfd_open', `cannot hold process ${pid}`, OPEN_HINTS[-fd] ?? {});
  return new Pidfd(sys, pid, sys.fds.own(fd, `process ${pid}`));
}
