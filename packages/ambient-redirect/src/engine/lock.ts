import { cString, systemError, type Fd, type Sys } from 'netlink-tc';
import { constants as fsConstants, mkdirSync, readFileSync, statSync, type BigIntStats } from 'node:fs';
import { constants } from 'node:os';
import { AmbientRedirectError } from '../error.ts';

const { EAGAIN } = constants.errno;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const LOCK_EX = 2;
const LOCK_NB = 4;

/**
 * Takes the lock of a directory. The kernel gives it back when the descriptor is closed: by its owner, or by the owner's death.
 * @param options `create`: the directory is made if it is not there
 * @throws AmbientRedirectError `ERR_LOCKED` when somebody has it
 * @throws NetlinkTcError `ERR_NOT_FOUND`
 */
export function lockDirectory(sys: Sys, path: string, options: { readonly create: boolean }): Fd {
  for (;;) {
    if (options.create) mkdirSync(path, { recursive: true, mode: 0o700 });
    const fd = openDirectory(sys, path);
    try {
      const result = sys.call('flock', fd.number, LOCK_EX | LOCK_NB);
      if (result === -EAGAIN) throw locked(path);
      if (result < 0) throw systemError(result, 'flock', `cannot lock ${path}`);
      // Who had it may have removed the directory before he let go: then this is the lock of nothing.
      if (statSync(path, { throwIfNoEntry: false })?.ino === statSync(`/proc/self/fd/${fd.number}`).ino) return fd;
    } catch (error) {
      fd.close();
      throw error;
    }
    fd.close();
  }
}

function openDirectory(sys: Sys, path: string): Fd {
  const fd = sys.call('openat', AT_FDCWD, cString(path), fsConstants.O_DIRECTORY | O_CLOEXEC, 0);
  if (fd < 0) throw systemError(fd, 'openat', `cannot open ${path}`);
  return sys.fds.own(fd, `lock of ${path}`);
}

function locked(path: string): AmbientRedirectError {
  const pid = lockHolder(path);
  const who = pid === undefined ? 'another process' : pid === process.pid ? 'this very process' : `process ${pid}`;
  return new AmbientRedirectError('ERR_LOCKED', `${path} is in use by ${who}`, {
    hint: 'one engine at a time: close or end the other, or give this one a directory of its own',
  });
}

/** Who has a lock, as /proc/locks tells it: not where the holder is of another pid namespace. */
export function lockHolder(path: string): number | undefined {
  const { dev, ino }: BigIntStats = statSync(path, { bigint: true });
  const major = (dev >> 8n) & 0xfffn;
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xfff00n);
  const hex = (value: bigint): string => value.toString(16).padStart(2, '0');
  const line = readFileSync('/proc/locks', 'utf8')
    .split('\n')
    .find((each) => each.includes(` FLOCK `) && each.includes(` ${hex(major)}:${hex(minor)}:${ino} `));
  const pid = Number(line?.trim().split(/\s+/)[4]);
  return Number.isInteger(pid) && pid > 0 ? pid : undefined;
}
