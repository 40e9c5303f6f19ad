import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import { assertPid, NEEDS_SYS_PTRACE } from './pidfd.ts';

const { EACCES, ENOENT, EPERM, ESRCH } = constants.errno;

/** A descriptor of a process that is a socket. */
export interface ProcessSocket {
  /** The descriptor's number in the process. */
  readonly fd: number;
  /** The socket's inode number, as {@link InetSocket.inode} has it. Several descriptors may be of one socket. */
  readonly inode: number;
}

/** The inode number in what a link of `/proc/PID/fd` leads to; undefined where that is no socket. */
function socketInode(target: string): number | undefined {
  const digits = /^socket:\[(\d+)\]$/.exec(target)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** Whether something of a process went away while it was looked at. */
function isGone(error: unknown): boolean {
  const { errno = 0 } = error as NodeJS.ErrnoException;
  return errno === -ENOENT || errno === -ESRCH;
}

/** What `read` gives, or `otherwise` when it is gone by now. */
function unlessGone<T>(otherwise: T, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (isGone(error)) return otherwise;
    throw error;
  }
}

/** The error for a file of a process that cannot be read. */
function unreadable(error: unknown, pid: number, what: string): NetlinkTcError {
  const { errno = 0, syscall = 'open' } = error as NodeJS.ErrnoException;
  const message = `cannot read ${what} of process ${pid}`;
  if (isGone(error)) return systemError(errno, syscall, message, { cause: error, hint: 'there is no such process' });
  const denied = errno === -EACCES || errno === -EPERM;
  return systemError(errno, syscall, message, { cause: error, ...(denied ? { hint: NEEDS_SYS_PTRACE } : {}) });
}

/**
 * The descriptors of a process that are sockets, of any kind, in the order of their numbers. proc_pid_fd(5).
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such process, `ERR_PERMISSION` without `CAP_SYS_PTRACE` over another
 * user's, `ERR_INVALID_ARGUMENT` for what is no process id
 * @example
 * ```ts
 * socketsOf(process.pid); // [{ fd: 21, inode: 4026 }]
 * ```
 */
export function socketsOf(pid: number): ProcessSocket[] {
  assertPid(pid);
  const directory = `/proc/${pid}/fd`;
  const sockets: ProcessSocket[] = [];
  try {
    for (const name of readdirSync(directory)) {
      const inode = socketInode(unlessGone('', () => readlinkSync(`${directory}/${name}`)));
      if (inode !== undefined) sockets.push({ fd: Number(name), inode });
    }
  } catch (error) {
    throw unreadable(error, pid, 'the descriptors');
  }
  return sockets.toSorted((a, b) => a.fd - b.fd);
}

/** The inode number of a socket of this process; undefined where the descriptor is something else. */
export function ownSocketInode(fd: number): number | undefined {
  return socketInode(readlinkSync(`/proc/self/fd/${fd}`));
}

/**
 * The processes that a process has started, those that they have started, and so on, parents first. One whose parent has ended is
 * nobody's any more. proc_tid_children(5); since Linux 3.5, where the kernel is built with `CONFIG_PROC_CHILDREN`.
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such process, `ERR_UNSUPPORTED` where the kernel does not tell
 */
export function descendantsOf(pid: number): number[] {
  assertPid(pid);
  if (!existsSync('/proc/thread-self/children')) {
    throw new NetlinkTcError('ERR_UNSUPPORTED', 'this kernel does not tell the children of a process', {
      hint: 'it needs CONFIG_PROC_CHILDREN: ask for each process by its id instead',
    });
  }
  const found: number[] = [];
  const walk = (parent: number): void => {
    for (const child of childrenOf(parent)) {
      found.push(child);
      walk(child);
    }
  };
  try {
    readdirSync(`/proc/${pid}/task`);
    walk(pid);
  } catch (error) {
    throw unreadable(error, pid, 'the children');
  }
  return found;
}

/** What the threads of a process have started; nothing once it is gone. */
function childrenOf(pid: number): number[] {
  const threads = unlessGone([], () => readdirSync(`/proc/${pid}/task`));
  return threads.flatMap((thread) => {
    const text = unlessGone('', () => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
    return text.split(' ').filter(Boolean).map(Number);
  });
}
