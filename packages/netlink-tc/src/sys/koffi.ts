import { NetlinkTcError } from '../error.ts';
import { FdTable } from './fd.ts';
import { platformOf, type SyscallName } from './platform.ts';
import type { Mapping, MmapRequest, Poll, Sys, SysArg } from './sys.ts';

/** `MAP_SHARED`, `PROT_READ`, `PROT_WRITE` of `include/uapi/asm-generic/mman-common.h`. */
const MAP_SHARED = 1;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_ANONYMOUS = 0x20;
const MAP_FAILED = 0xffff_ffff_ffff_ffffn;

type Syscall7 = (nr: number, a: SysArg, b: SysArg, c: SysArg, d: SysArg, e: SysArg, f: SysArg) => number;
type Syscall4 = (nr: number, command: number, attr: Uint8Array, size: number) => number;
type Syscall4At = (nr: number, command: number, address: number, size: number) => number;
type Mmap = (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint;

/** What koffi really passes to the listener of a poll: its declaration leaves the status out. */
type PollListener = (status: number) => void;

/**
 * The system through koffi: system calls on the calling thread, errors read from the thread's own `errno`.
 *
 * The prototypes are fixed, though syscall(2) is variadic in C: on every supported architecture both pass integers alike, and
 * a variadic call costs five times as much in koffi.
 * @throws NetlinkTcError `ERR_UNSUPPORTED_PLATFORM`, `ERR_BACKEND` when koffi has no binary for this machine
 */
export async function openKoffiSys(traceFds: boolean): Promise<Sys> {
  const platform = platformOf();
  const { default: koffi } = await import('koffi').catch((cause: unknown) => {
    throw new NetlinkTcError('ERR_BACKEND', 'koffi cannot be loaded', {
      cause,
      hint: 'run npm install for this platform',
    });
  });
  const libc = koffi.load(null);
  const argument = 'void *';
  const syscall7 = libc.func('syscall', 'int', ['int64', ...Array.from({ length: 6 }, () => argument)]) as Syscall7;
  const syscall4 = libc.func('syscall', 'int', ['int', 'int', argument, 'uint']) as Syscall4;
  // A plain number is the cheapest way to pass an address.
  const syscall4At = libc.func('syscall', 'int', ['int', 'int', 'int64', 'uint']) as Syscall4At;
  const mmap = libc.func('mmap', argument, [argument, 'size_t', 'int', 'int', 'int', 'int64']) as Mmap;
  const pageSize = (libc.func('getpagesize', 'int', []) as () => number)();
  // Every thread has its own errno, and a module instance never leaves its thread. Reading this view allocates nothing, so
  // that no garbage collection (which makes system calls of its own) can come between the call and the reading.
  const errno = new Int32Array(koffi.view((libc.func('__errno_location', argument, []) as () => bigint)(), 4));
  const { syscalls } = platform;
  const bpfNumber = syscalls.bpf;
  const failure = (): number => -(errno[0] ?? 0);

  const call = (
    name: SyscallName,
    a: SysArg = 0,
    b: SysArg = 0,
    c: SysArg = 0,
    d: SysArg = 0,
    e: SysArg = 0,
    f: SysArg = 0,
  ): number => {
    const result = syscall7(syscalls[name], a, b, c, d, e, f);
    return result < 0 ? failure() : result;
  };

  return {
    backend: 'koffi',
    platform,
    pageSize,
    fds: new FdTable((fd) => void call('close', fd), traceFds),
    call,
    bpf(command: number, attr: Uint8Array): number {
      const result = syscall4(bpfNumber, command, attr, attr.byteLength);
      return result < 0 ? failure() : result;
    },
    bpfAt(command: number, address: number, size: number): number {
      const result = syscall4At(bpfNumber, command, address, size);
      return result < 0 ? failure() : result;
    },
    addressOf: (bytes: Uint8Array): bigint => koffi.address(bytes),
    mmap({ fd, offset, length, writable }: MmapRequest): Mapping | number {
      const protection = PROT_READ | (writable ? PROT_WRITE : 0);
      const address = mmap(null, length, protection, MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, offset);
      if (address === MAP_FAILED) return failure();
      let mapped = true;
      return {
        bytes: new Uint8Array(koffi.view(address, length)),
        unmap(): void {
          if (mapped) call('munmap', address, length);
          mapped = false;
        },
      };
    },
    poll(fd: number, listener: () => void): Poll {
      const onEvent: PollListener = () => listener();
      const handle = koffi.node.poll(fd, { readable: true }, onEvent as () => void);
      let open = true;
      return {
        unref: () => handle.unref(),
        close(): void {
          if (open) handle.close();
          open = false;
        },
      };
    },
  };
}
