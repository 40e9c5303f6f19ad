import { readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import { cString, type Fd, type Sys } from '../sys/index.ts';
import { enterNetns } from './enter.ts';

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const { ENOENT } = constants.errno;

/** Where named namespaces are: ip-netns(8) and container runtimes use it too. */
export const NETNS_DIRECTORY = '/run/netns';

/** A reference to a network namespace: by name below `/run/netns`, by path, by a process of its, or by an open descriptor. */
export type NetnsReference =
  { readonly name: string } | { readonly path: string } | { readonly pid: number } | { readonly fd: number };

/** An open network namespace: it lives at least as long as this. */
export class Netns implements Disposable {
  readonly #sys: Sys;
  readonly #fd: Fd;

  constructor(sys: Sys, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /** Its descriptor, for messages that carry one. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /** Its inode number: two handles are of one namespace when these are equal. */
  get inode(): bigint {
    return statSync(`/proc/self/fd/${this.fd}`, { bigint: true }).ino;
  }

  /**
   * Runs a synchronous block of this thread inside the namespace. See {@link enterNetns}.
   * @example
   * ```ts
   * const sockets = netns.run(() => openListener());
   * ```
   */
  run<T>(block: () => T): T {
    return enterNetns(this.#sys, this.fd, block);
  }

  /** Closes the handle. A namespace without name, process or other handle ends with it. A second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/**
 * The path of a name below `/run/netns`.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for a name that is no plain file name
 */
export function netnsPath(name: string): string {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name) || Buffer.byteLength(name) > 255) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `'${name}' is no name for a network namespace`, {
      hint: 'give a file name without slashes, of 255 bytes at most',
    });
  }
  return `${NETNS_DIRECTORY}/${name}`;
}

function number(value: number, least: number, what: string): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(value)} is no ${what}`);
}

/** The path that a reference means. */
export function referencePath(reference: NetnsReference): string {
  if ('name' in reference) return netnsPath(reference.name);
  if ('path' in reference) return reference.path;
  if ('fd' in reference) return `/proc/self/fd/${number(reference.fd, 0, 'descriptor')}`;
  return `/proc/${number(reference.pid, 1, 'process id')}/ns/net`;
}

/**
 * Opens a network namespace, with a descriptor of its own. What is opened by path or descriptor and is no network namespace is found out
 * when it is entered.
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is none, `ERR_PERMISSION` (another user's process needs `CAP_SYS_PTRACE`)
 */
export function openNetns(sys: Sys, reference: NetnsReference): Netns {
  const path = referencePath(reference);
  const fd = sys.call('openat', AT_FDCWD, cString(path), O_CLOEXEC, 0);
  if (fd < 0) {
    throw systemError(
      fd,
      'openat',
      `cannot open network namespace ${path}`,
      fd === -ENOENT ? { hint: 'netnsNames() lists those that have names' } : {},
    );
  }
  return new Netns(sys, sys.fds.own(fd, `network namespace ${path}`));
}

/** Opens the network namespace that this thread is in. */
export function currentNetns(sys: Sys): Netns {
  return openNetns(sys, { path: '/proc/thread-self/ns/net' });
}

/** The names of the network namespaces below `/run/netns`, sorted. */
export function netnsNames(): string[] {
  try {
    return readdirSync(NETNS_DIRECTORY).toSorted();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
