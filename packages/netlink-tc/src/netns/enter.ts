import { writeSync } from 'node:fs';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import { cString, type Sys } from '../sys/index.ts';

const CLONE_NEWNET = 0x4000_0000;
const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
const { EPERM } = constants.errno;

/** What to say where the kernel refuses to enter or make a namespace. */
export const NEEDS_SYS_ADMIN = 'it needs CAP_SYS_ADMIN, also in the user namespace that owns the network namespace';

function openCurrent(sys: Sys): number {
  const fd = sys.call('openat', AT_FDCWD, cString('/proc/thread-self/ns/net'), O_CLOEXEC, 0);
  if (fd < 0) throw systemError(fd, 'openat', 'cannot open the network namespace of this thread');
  return fd;
}

/**
 * Ends the process: its thread is in a namespace that it must not go on in. Neither exit handlers nor pending callbacks run,
 * since they would run there.
 */
function lost(result: number): never {
  writeSync(2, `netlink-tc: setns back to the old network namespace failed (errno ${-result}); ending the process\n`);
  process.kill(process.pid, 'SIGKILL');
  // The signal has been delivered when the system call returns; this keeps the thread from going on if it were not.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
}

/**
 * Leaves the namespace of this thread by `leave`, runs the block, and comes back, whatever happens. Threads of Node's pool stay
 * where they are, so that nothing asynchronous may be part of the block. When coming back fails, the process is killed.
 */
function away<T>(sys: Sys, leave: (home: number) => void, block: () => T): T {
  const home = openCurrent(sys);
  try {
    leave(home);
    let result: T;
    try {
      result = block();
    } finally {
      const back = sys.call('setns', home, CLONE_NEWNET);
      if (back < 0) lost(back);
    }
    if (typeof result === 'object' && result !== null && 'then' in result) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'the block for a network namespace returned a promise', {
        hint: 'only what is synchronous runs inside: open sockets there, and use them outside',
      });
    }
    return result;
  } finally {
    sys.call('close', home);
  }
}

/**
 * Runs a synchronous block of this thread in another network namespace: sockets that it opens belong there for good. The
 * thread is back when this returns or throws; if it cannot come back, the process is killed rather than go on in the wrong one.
 * @param fd descriptor of the namespace
 * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_SYS_ADMIN`, `ERR_INVALID_ARGUMENT` when the block returned a promise (what
 * it had left to do ran outside), and what the block throws
 */
export function enterNetns<T>(sys: Sys, fd: number, block: () => T): T {
  const leave = (): void => must(sys.call('setns', fd, CLONE_NEWNET), 'setns', 'cannot enter the network namespace');
  return away(sys, leave, block);
}

/**
 * Runs a synchronous block of this thread in a network namespace that is made for it, like {@link enterNetns}.
 * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_SYS_ADMIN`, and in a user namespace that does not own the old network namespace: there
 * one may be made, but the way back is barred
 */
export function enterNewNetns<T>(sys: Sys, block: () => T): T {
  const leave = (home: number): void => {
    // Whether there is a way back is seen by going where the thread is.
    must(sys.call('setns', home, CLONE_NEWNET), 'setns', 'cannot make a network namespace and come back');
    must(sys.call('unshare', CLONE_NEWNET), 'unshare', 'cannot make a network namespace');
  };
  return away(sys, leave, block);
}

function must(result: number, syscall: string, what: string): void {
  if (result < 0) throw systemError(result, syscall, what, result === -EPERM ? { hint: NEEDS_SYS_ADMIN } : {});
}
