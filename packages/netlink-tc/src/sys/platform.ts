import { NetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from './byte-order.ts';

// Linux' arch/x86/entry/syscalls/syscall_64.tbl.
// prettier-ignore
const X64 = {
  read: 0, write: 1, close: 3, munmap: 11, rt_sigprocmask: 14, ioctl: 16, getpid: 39, socket: 41, connect: 42, sendto: 44,
  recvfrom: 45, sendmsg: 46, recvmsg: 47, shutdown: 48, bind: 49, listen: 50, getsockname: 51, getpeername: 52, socketpair: 53,
  setsockopt: 54, getsockopt: 55, fcntl: 72, flock: 73, capget: 125, statfs: 137, fstatfs: 138, mount: 165, umount2: 166,
  gettid: 186, openat: 257, ppoll: 271, unshare: 272, accept4: 288, eventfd2: 290, dup3: 292, perf_event_open: 298, prlimit64: 302,
  setns: 308, renameat2: 316, memfd_create: 319, bpf: 321, pidfd_open: 434, pidfd_getfd: 438,
} as const;

/** A system call that this package makes, by its kernel name. */
export type SyscallName = keyof typeof X64;

type Numbers = Readonly<Record<SyscallName, number>>;

// Linux' include/uapi/asm-generic/unistd.h: arm64 and riscv64.
// prettier-ignore
const GENERIC: Numbers = {
  eventfd2: 19, dup3: 24, fcntl: 25, ioctl: 29, flock: 32, umount2: 39, mount: 40, statfs: 43, fstatfs: 44, openat: 56,
  close: 57, read: 63, write: 64, ppoll: 73, capget: 90, unshare: 97, rt_sigprocmask: 135, getpid: 172, gettid: 178,
  socket: 198, socketpair: 199, bind: 200, listen: 201, connect: 203, getsockname: 204, getpeername: 205, sendto: 206, recvfrom: 207,
  setsockopt: 208, getsockopt: 209, shutdown: 210, sendmsg: 211, recvmsg: 212, munmap: 215, perf_event_open: 241, accept4: 242,
  prlimit64: 261, setns: 268, renameat2: 276, memfd_create: 279, bpf: 280, pidfd_open: 434, pidfd_getfd: 438,
};

// Linux' arch/s390/kernel/syscalls/syscall.tbl, 64-bit column.
// prettier-ignore
const S390X: Numbers = {
  read: 3, write: 4, close: 6, getpid: 20, mount: 21, umount2: 52, ioctl: 54, fcntl: 55, munmap: 91, statfs: 99,
  fstatfs: 100, flock: 143, rt_sigprocmask: 175, capget: 184, gettid: 236, openat: 288, ppoll: 302, unshare: 303,
  eventfd2: 323, dup3: 326, perf_event_open: 331, prlimit64: 334, setns: 339, renameat2: 347, memfd_create: 350, bpf: 351, socket: 359,
  socketpair: 360, bind: 361, connect: 362, listen: 363, accept4: 364, getsockopt: 365, setsockopt: 366,
  getsockname: 367, getpeername: 368, sendto: 369, sendmsg: 370, recvfrom: 371, recvmsg: 372, shutdown: 373,
  pidfd_open: 434, pidfd_getfd: 438,
};

/** Architectures whose system call numbers are known, as `process.arch` names them. */
export const SYSCALL_NUMBERS: Readonly<Record<Architecture, Numbers>> = {
  x64: X64,
  arm64: GENERIC,
  riscv64: GENERIC,
  s390x: S390X,
};

/** An architecture that this package knows. All are 64-bit; s390x is big-endian. */
export type Architecture = 'x64' | 'arm64' | 'riscv64' | 's390x';

/** The machine: what system calls are numbered, and how integers lie in memory. */
export interface Platform {
  readonly architecture: Architecture;
  /** Whether the machine is little-endian: bpf(2) and netlink speak the machine's own byte order. */
  readonly littleEndian: boolean;
  /** Numbers of the system calls. */
  readonly syscalls: Numbers;
}

/**
 * The platform for an operating system and architecture, as Node names them.
 * @throws NetlinkTcError `ERR_UNSUPPORTED_PLATFORM` when it is not 64-bit Linux on a known architecture
 */
export function platformOf(
  os: string = typeof process === 'undefined' ? 'a browser' : process.platform,
  architecture: string = typeof process === 'undefined' ? 'unknown' : process.arch,
  order: 'LE' | 'BE' = LITTLE_ENDIAN ? 'LE' : 'BE',
): Platform {
  if (os !== 'linux') {
    throw new NetlinkTcError('ERR_UNSUPPORTED_PLATFORM', `this needs Node on Linux, not ${os}`, {
      hint: 'the assembler, the interpreter and the recording fake work everywhere',
    });
  }
  if (!Object.hasOwn(SYSCALL_NUMBERS, architecture)) {
    throw new NetlinkTcError('ERR_UNSUPPORTED_PLATFORM', `system call numbers of ${architecture} are not known`, {
      hint: `known are ${Object.keys(SYSCALL_NUMBERS).join(', ')}`,
    });
  }
  const known = architecture as Architecture;
  return { architecture: known, littleEndian: order === 'LE', syscalls: SYSCALL_NUMBERS[known] };
}
