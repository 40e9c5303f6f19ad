import { closeSync, mkdirSync, openSync, unlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { systemError } from '../error.ts';
import { cString, type Sys } from '../sys/index.ts';
import { enterNewNetns, NEEDS_SYS_ADMIN } from './enter.ts';
import { currentNetns, type Netns, NETNS_DIRECTORY, netnsPath, openNetns } from './netns.ts';

const MS_BIND = 4096;
const MS_REC = 16384;
const MS_SHARED = 1 << 20;
const MNT_DETACH = 2;
const { EACCES, EINVAL, ENOENT, EPERM } = constants.errno;

/** Runs what Node does with files, so that its errors are ours. */
function onFiles(what: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    const { errno = 0, syscall = 'open' } = cause as NodeJS.ErrnoException;
    throw systemError(errno, syscall, what, { cause, ...(errno === -EACCES ? { hint: NEEDS_SYS_ADMIN } : {}) });
  }
}

/**
 * Makes the directory of named namespaces a mount that other mount namespaces see changes of, as ip-netns(8) does: without it a
 * name deleted here would stay busy there.
 */
function shareDirectory(sys: Sys): void {
  onFiles(`cannot make ${NETNS_DIRECTORY}`, () => mkdirSync(NETNS_DIRECTORY, { recursive: true, mode: 0o755 }));
  const directory = cString(NETNS_DIRECTORY);
  const share = (): number => sys.call('mount', cString(''), directory, cString('none'), MS_SHARED | MS_REC, null);
  let result = share();
  if (result === -EINVAL) {
    // Not a mount point yet.
    result = sys.call('mount', directory, directory, cString('none'), MS_BIND | MS_REC, null);
    if (result >= 0) result = share();
  }
  if (result < 0)
    throw systemError(
      result,
      'mount',
      `cannot share ${NETNS_DIRECTORY}`,
      result === -EPERM ? { hint: NEEDS_SYS_ADMIN } : {},
    );
}

/**
 * Makes a network namespace and gives it a name below `/run/netns`, where `ip netns` and others find it. The thread is in its
 * old namespace when this returns.
 * @throws NetlinkTcError `ERR_EXISTS` when the name is taken, `ERR_PERMISSION` without `CAP_SYS_ADMIN`
 */
export function createNetns(sys: Sys, name: string): Netns {
  const path = netnsPath(name);
  shareDirectory(sys);
  onFiles(`cannot name network namespace ${name}`, () => closeSync(openSync(path, 'wx', 0o444)));
  try {
    enterNewNetns(sys, () => {
      const result = sys.call(
        'mount',
        cString('/proc/thread-self/ns/net'),
        cString(path),
        cString('none'),
        MS_BIND,
        null,
      );
      if (result < 0) throw systemError(result, 'mount', `cannot name network namespace ${name}`);
    });
    return openNetns(sys, { name });
  } catch (error) {
    sys.call('umount2', cString(path), MNT_DETACH);
    unlinkSync(path);
    throw error;
  }
}

/** Makes a network namespace without a name: it ends when this handle, every process and every other handle are gone. */
export function createAnonymousNetns(sys: Sys): Netns {
  return enterNewNetns(sys, () => currentNetns(sys));
}

/**
 * Takes a name below `/run/netns` away. The namespace lives on while a process or a handle is in it.
 * @throws NetlinkTcError `ERR_NOT_FOUND` when there is no such name, `ERR_PERMISSION` without `CAP_SYS_ADMIN`
 */
export function deleteNetns(sys: Sys, name: string): void {
  const path = netnsPath(name);
  const result = sys.call('umount2', cString(path), MNT_DETACH);
  if (result === -EPERM)
    throw systemError(result, 'umount2', `cannot delete network namespace ${name}`, { hint: NEEDS_SYS_ADMIN });
  // EINVAL: a file that nothing is mounted on, left by one that died half-way.
  if (result < 0 && result !== -EINVAL) {
    throw systemError(
      result,
      'umount2',
      `cannot delete network namespace ${name}`,
      result === -ENOENT ? { hint: 'netnsNames() lists those that have names' } : {},
    );
  }
  onFiles(`cannot delete network namespace ${name}`, () => unlinkSync(path));
}
