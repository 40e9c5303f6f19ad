import { NetlinkTcError } from '../error.ts';
import { FdTable } from './fd.ts';
import { platformOf, type SyscallName } from './platform.ts';
import type { Mapping, MmapRequest, Poll, Sys, SysArg } from './sys.ts';

const LIBRARY = 'process';
const MAP_SHARED = 1;
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_ANONYMOUS = 0x20;

/**
 * The system through ffi-rs, an optional peer dependency: the way out where koffi cannot be had. A call takes microseconds
 * rather than a hundred nanoseconds, and descriptors cannot be watched: {@link Sys.poll} throws.
 * @throws NetlinkTcError `ERR_UNSUPPORTED_PLATFORM`, `ERR_BACKEND` when ffi-rs is not installed
 */
export async function openFfiRsSys(traceFds: boolean): Promise<Sys> {
  const platform = platformOf();
  const { default: ffi } = await import('ffi-rs').catch((cause: unknown) => {
    throw new NetlinkTcError('ERR_BACKEND', 'ffi-rs cannot be loaded', {
      cause,
      hint: 'npm install ffi-rs, or use koffi',
    });
  });
  const { DataType, load, createExternalBuffer } = ffi;
  // The empty path is the process itself: its C library is already there.
  ffi.open({ library: LIBRARY, path: '' });
  const { syscalls } = platform;

  const word = (value: number | bigint): bigint => BigInt.asIntN(64, BigInt(value));
  const call = (name: SyscallName, ...args: SysArg[]): number => {
    const { value, errnoCode } = load({
      library: LIBRARY,
      funcName: 'syscall',
      retType: DataType.I32,
      paramsType: [
        DataType.I64,
        ...args.map((arg) => (arg instanceof Uint8Array ? DataType.U8Array : DataType.BigInt)),
      ],
      paramsValue: [syscalls[name], ...args.map((arg) => (arg instanceof Uint8Array ? arg : word(arg ?? 0)))],
      errno: true as const,
    });
    return value < 0 ? -errnoCode : value;
  };

  const addressOf = (bytes: Uint8Array): bigint => {
    if (bytes.byteLength === 0) return 0n;
    const address = load({
      library: LIBRARY,
      funcName: 'memcpy',
      retType: DataType.BigInt,
      paramsType: [DataType.U8Array, DataType.U8Array, DataType.BigInt],
      paramsValue: [bytes, bytes, 0n],
    });
    return BigInt.asUintN(64, address.valueOf());
  };

  const pageSize = load({
    library: LIBRARY,
    funcName: 'getpagesize',
    retType: DataType.I32,
    paramsType: [],
    paramsValue: [],
  });

  return {
    backend: 'ffi-rs',
    platform,
    pageSize,
    fds: new FdTable((fd) => void call('close', fd), traceFds),
    call,
    bpf: (command: number, attr: Uint8Array): number => call('bpf', command, attr, attr.byteLength),
    bpfAt: (command: number, address: number, size: number): number => call('bpf', command, address, size),
    addressOf,
    mmap({ fd, offset, length, writable }: MmapRequest): Mapping | number {
      const protection = PROT_READ | (writable ? PROT_WRITE : 0);
      const flags = MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0);
      const { I32, BigInt: Word, External } = DataType;
      const { value, errnoCode } = load({
        library: LIBRARY,
        funcName: 'mmap',
        retType: External,
        paramsType: [Word, Word, I32, I32, I32, Word],
        paramsValue: [0n, BigInt(length), protection, flags, fd, BigInt(offset)],
        errno: true as const,
      });
      if (errnoCode !== 0) return -errnoCode;
      const bytes = createExternalBuffer(value, length);
      const address = addressOf(bytes);
      let mapped = true;
      return {
        bytes: new Uint8Array(bytes.buffer, bytes.byteOffset, length),
        unmap(): void {
          if (mapped) call('munmap', address, length);
          mapped = false;
        },
      };
    },
    poll(): Poll {
      throw new NetlinkTcError('ERR_BACKEND', 'ffi-rs cannot watch file descriptors', {
        hint: "open the system with { backend: 'koffi' } for ring buffers and monitors",
      });
    },
  };
}
