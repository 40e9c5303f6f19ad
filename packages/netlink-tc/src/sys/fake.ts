import { constants } from 'node:os';
import { NetlinkTcError } from '../error.ts';
import { FdTable } from './fd.ts';
import { SYSCALL_NUMBERS, type SyscallName } from './platform.ts';
import type { Mapping, MmapRequest, Poll, Sys, SysArg } from './sys.ts';

/** One system call that the fake saw. Memory is copied when the call is made. */
export interface RecordedCall {
  readonly name: SyscallName;
  readonly args: readonly SysArg[];
}

/** What answers the calls of a fake: the result, or the negative error number. It may write into the memory it is given. */
export type FakeAnswer = (name: SyscallName, args: readonly SysArg[], memory: FakeMemory) => number;

/** What lies where, for the answers of a fake. */
export interface FakeMemory {
  /** The memory at an address that `addressOf` gave out, from there to its end. */
  at(address: bigint): Uint8Array;
}

/** Options of {@link createFakeSys}. */
export interface FakeSysOptions {
  /** Answers every call but `close`; without it, everything is ENOSYS. */
  readonly answer?: FakeAnswer;
  /** Bytes of a mapping. Without it, mmap gives zeroed memory. */
  readonly mmap?: (request: MmapRequest) => Uint8Array | number;
  readonly pageSize?: number;
}

/** A {@link Sys} that makes no call: it records them and answers as it is told. Runs everywhere, without root. */
export interface FakeSys extends Sys {
  readonly backend: 'fake';
  readonly calls: readonly RecordedCall[];
  /** Tells every watch on `fd` that it is readable. */
  ready(fd: number): void;
}

/**
 * Makes a recording fake of the system, for unit tests. It behaves as little-endian x64.
 * @example
 * ```ts
 * const sys = createFakeSys({ answer: (name) => (name === 'socket' ? 7 : 0) });
 * ```
 */
export function createFakeSys(options: FakeSysOptions = {}): FakeSys {
  const { answer = () => -constants.errno.ENOSYS, pageSize = 4096 } = options;
  const calls: RecordedCall[] = [];
  const places: { readonly start: bigint; readonly bytes: Uint8Array }[] = [];
  const watches = new Set<{ readonly fd: number; readonly listener: () => void }>();
  let next = 0x1000n;

  const memory: FakeMemory = {
    at(address: bigint): Uint8Array {
      const place = places.find(({ start, bytes }) => address >= start && address < start + BigInt(bytes.length));
      if (place === undefined) throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `nothing lies at ${address}`);
      return place.bytes.subarray(Number(address - place.start));
    },
  };
  const call = (name: SyscallName, ...args: SysArg[]): number => {
    calls.push({ name, args: args.map((arg) => (arg instanceof Uint8Array ? arg.slice() : arg)) });
    return name === 'close' ? 0 : answer(name, args, memory);
  };

  return {
    backend: 'fake',
    platform: { architecture: 'x64', littleEndian: true, syscalls: SYSCALL_NUMBERS.x64 },
    pageSize,
    fds: new FdTable((fd) => void call('close', fd), true),
    calls,
    call,
    bpf: (command: number, attr: Uint8Array): number => call('bpf', command, attr, attr.byteLength),
    bpfAt: (command: number, address: number, size: number): number =>
      call('bpf', command, memory.at(BigInt(address)).subarray(0, size), size),
    addressOf(bytes: Uint8Array): bigint {
      if (bytes.byteLength === 0) return 0n;
      const known = places.find((place) => place.bytes === bytes);
      if (known !== undefined) return known.start;
      const start = next;
      places.push({ start, bytes });
      next += BigInt(bytes.length + 0xfff) & ~0xfffn;
      return start;
    },
    mmap(request: MmapRequest): Mapping | number {
      const bytes = options.mmap?.(request) ?? new Uint8Array(request.length);
      return typeof bytes === 'number' ? bytes : { bytes, unmap: () => undefined };
    },
    poll(fd: number, listener: () => void): Poll {
      const watch = { fd, listener };
      watches.add(watch);
      return { unref: () => undefined, close: () => void watches.delete(watch) };
    },
    ready(fd: number): void {
      for (const watch of watches) if (watch.fd === fd) watch.listener();
    },
  };
}
