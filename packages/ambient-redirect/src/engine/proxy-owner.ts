import { fstatSync, readFileSync } from 'node:fs';
import {
  descendantsOf,
  isNetlinkTcError,
  openPidfd,
  socketsOf,
  systemError,
  type Fd,
  type InetSocket,
  type ProcessSocket,
  type Sys,
} from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { processesIn, processIds } from './proxy-place.ts';

/** A listening socket that the proxy handed over, or that its owner lets the engine have. */
export interface HandedListener {
  /** Its descriptor in this process. It stays the caller's, who closes it at once after `set`: a listener lives as long as somebody has it open. */
  readonly fd: number;
}

/** Where the process of the proxy is told: its id, a file that has it, or what gives it (undefined: not known right now). */
export type PidSource = number | string | (() => number | undefined);

/** Whose sockets connections are steered to. */
export interface ListenerOwner {
  /** The process that has them; undefined where that cannot be seen. */
  readonly pid: number | undefined;
  /** Who it is, in words. */
  readonly name: string;
  /** Its sockets among those of the namespace. */
  readonly sockets: readonly InetSocket[];
  /** Gives a socket's descriptor, to be closed at once. @throws NetlinkTcError `ERR_PERMISSION` without `CAP_SYS_PTRACE` */
  take(inode: number): Fd;
}

const F_DUPFD_CLOEXEC = 1030;

/**
 * Sockets that were handed over.
 * @param sockets all that listen in the proxy's namespace
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for a descriptor that is none of them
 */
export function handedOwner(
  sys: Sys,
  sockets: readonly InetSocket[],
  handed: readonly HandedListener[],
  pid: number | undefined,
): ListenerOwner {
  const fds = new Map<number, number>();
  for (const { fd } of handed) {
    const inode = inodeOf(fd);
    if (inode === undefined || !sockets.some((socket) => socket.inode === inode)) {
      throw new AmbientRedirectError(
        'ERR_INVALID_ARGUMENT',
        `descriptor ${String(fd)} is no listening socket of the proxy's namespace`,
        {
          hint: 'hand over sockets that were bound there, and listen',
        },
      );
    }
    fds.set(inode, fd);
  }
  return {
    pid,
    name: 'who handed its listeners over',
    sockets: sockets.filter(({ inode }) => fds.has(inode)),
    take: (inode) => {
      const result = sys.call('fcntl', fds.get(inode) ?? -1, F_DUPFD_CLOEXEC, 0);
      if (result < 0) throw systemError(result, 'fcntl', 'cannot use a listener that was handed over');
      return sys.fds.own(result, 'listener of the proxy');
    },
  };
}

function inodeOf(fd: number): number | undefined {
  try {
    return fstatSync(fd).ino;
  } catch {
    return undefined;
  }
}

/** Where a socket is open. */
interface Place {
  readonly pid: number;
  readonly fd: number;
}

function ownerIn(
  sys: Sys,
  sockets: readonly InetSocket[],
  places: ReadonlyMap<number, Place>,
  { name, pid }: { readonly name: string; readonly pid: number | undefined },
): ListenerOwner {
  const own = sockets.filter(({ inode }) => places.has(inode));
  const holders = own.flatMap(({ inode }) => places.get(inode)?.pid ?? []);
  return {
    pid: pid !== undefined && holders.includes(pid) ? pid : (holders[0] ?? pid),
    name,
    sockets: own,
    take: (inode) => {
      const place = places.get(inode) ?? gone(name);
      using pidfd = openPidfd(sys, place.pid);
      const fd = pidfd.takeFd(place.fd);
      // The number may be another file's by now.
      if (inodeOf(fd.number) === inode) return fd;
      fd.close();
      return gone(name);
    },
  };
}

/**
 * Sockets of a process, and of those that it started: a master has workers.
 * @throws AmbientRedirectError `ERR_PROXY_NOT_LISTENING` when there is no such process
 * @throws NetlinkTcError `ERR_PERMISSION` when it may not be looked at
 */
export function processOwner(sys: Sys, sockets: readonly InetSocket[], pid: number): ListenerOwner {
  const places = new Map<number, Place>();
  try {
    for (const { inode, fd } of socketsOf(pid)) places.set(inode, { pid, fd });
  } catch (cause) {
    if (!isNetlinkTcError(cause, 'ERR_NOT_FOUND')) throw cause;
    throw new AmbientRedirectError('ERR_PROXY_NOT_LISTENING', `there is no process ${pid}`, {
      cause,
      hint: 'give the id that the proxy has in the pid namespace of this process, or leave it out',
    });
  }
  for (const child of startedBy(pid)) {
    for (const { inode, fd } of readable(child)) if (!places.has(inode)) places.set(inode, { pid: child, fd });
  }
  return ownerIn(sys, sockets, places, { name: `process ${pid}`, pid });
}

/**
 * Who has the sockets of a namespace, looked for among the processes of this machine that may be looked at, those of the namespace first.
 * @param wanted the sockets that it is about; those of which no owner is found are not the owner's
 */
export function findOwner(
  sys: Sys,
  netns: string,
  sockets: readonly InetSocket[],
  wanted: readonly InetSocket[],
): ListenerOwner {
  const left = new Set(wanted.map(({ inode }) => inode));
  const places = new Map<number, Place>();
  for (const pid of candidates(netns)) {
    if (left.size === 0) break;
    for (const { inode, fd } of readable(pid)) if (left.delete(inode)) places.set(inode, { pid, fd });
  }
  return ownerIn(sys, sockets, places, { name: "the proxy's namespace", pid: undefined });
}

function* candidates(netns: string): Generator<number> {
  const inside = processesIn(netns);
  yield* inside;
  yield* processIds().filter((pid) => !inside.includes(pid));
}

function readable(pid: number): readonly ProcessSocket[] {
  try {
    return socketsOf(pid);
  } catch {
    // It has ended meanwhile, or is another user's.
    return [];
  }
}

function startedBy(pid: number): readonly number[] {
  try {
    return descendantsOf(pid);
  } catch (error) {
    // It has ended meanwhile, or the kernel does not tell: a process without children is the rule.
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND') || isNetlinkTcError(error, 'ERR_UNSUPPORTED')) return [];
    throw error;
  }
}

function gone(name: string): never {
  throw new AmbientRedirectError('ERR_PROXY_NOT_LISTENING', `${name} has closed its listener`, {
    hint: 'it has ended meanwhile: wait for its successor',
  });
}

/**
 * Asks where the process of the proxy is told.
 * @returns undefined where nothing is told, or the file is not there
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for what is no process id
 */
export function pidOf(source: PidSource | undefined): number | undefined {
  if (source === undefined) return undefined;
  const told = typeof source === 'function' ? source() : typeof source === 'string' ? readPidFile(source) : source;
  if (told === undefined || (Number.isInteger(told) && told > 0)) return told;
  throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', `${String(told)} is no process id`, {
    hint: 'give a number, the path of a file that has it, or a function that gives it',
  });
}

function readPidFile(path: string): number | undefined {
  try {
    const text = readFileSync(path, 'utf8').trim();
    // One that is being written is empty.
    return text === '' ? undefined : Number(text);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
