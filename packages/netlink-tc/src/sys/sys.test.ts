import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { describeWith, file } from '../../../../test/support/needs.ts';
import { isNetlinkTcError } from '../error.ts';
import { cString, textOf } from './bytes.ts';
import { openSys } from './open.ts';
import { platformOf } from './platform.ts';
import type { Sys } from './sys.ts';

const { EBADF, ENOENT, EINVAL } = constants.errno;
const AF_UNIX = 1;
const SOCK_STREAM = 1;
const AT_FDCWD = -100;

describe.runIf(process.platform === 'linux')('both backends do the same', () => {
  describe.each(['koffi', 'ffi-rs'] as const)('%s', (backend) => {
    const open = (): Promise<Sys> => openSys({ backend, traceFds: true });

    test('a call without arguments', async () => {
      expect((await open()).call('getpid')).toBe(process.pid);
    });

    test('failures are negative error numbers, also right after other failures', async () => {
      const sys = await open();
      expect(sys.call('close', -1)).toBe(-EBADF);
      expect(sys.call('openat', AT_FDCWD, cString('/no/such/file'), 0, 0)).toBe(-ENOENT);
      expect(sys.call('openat', AT_FDCWD, null, 0, 0)).toBe(-constants.errno.EFAULT);
      expect(sys.bpf(0xffff, new Uint8Array(8))).toBeLessThan(0);
    });

    test('memory goes both ways, by itself and by address', async () => {
      const sys = await open();
      const fd = sys.fds.own(sys.call('openat', AT_FDCWD, cString('/proc/self/comm'), 0, 0), 'comm');
      const bytes = new Uint8Array(64);
      const address = sys.addressOf(bytes);
      const length = sys.call('read', fd.number, address, 64);
      expect(textOf(bytes.subarray(0, length))).toBe(readFileSync('/proc/self/comm', 'utf8'));
      expect(sys.addressOf(bytes.subarray(8))).toBe(address + 8n);
      fd.close();
      expect(sys.fds.open()).toEqual([]);
    });

    test('pages are mapped, written and given back once', async () => {
      const sys = await open();
      const mapping = sys.mmap({ fd: -1, offset: 0, length: sys.pageSize, writable: true });
      if (typeof mapping === 'number') throw new Error(`mmap: ${mapping}`);
      mapping.bytes[0] = 7;
      expect(mapping.bytes).toHaveLength(sys.pageSize);
      expect(mapping.bytes[0]).toBe(7);
      mapping.unmap();
      mapping.unmap();
      expect(sys.mmap({ fd: -1, offset: 0, length: 0, writable: false })).toBe(-EINVAL);
    });
  });

  test('koffi watches a descriptor until the watch is closed', async () => {
    const sys = await openSys();
    const pair = new Int32Array(2);
    expect(sys.call('socketpair', AF_UNIX, SOCK_STREAM, 0, new Uint8Array(pair.buffer))).toBe(0);
    const [reader, writer] = [...pair].map((fd) => sys.fds.own(fd, 'socket'));
    if (reader === undefined || writer === undefined) throw new Error('no sockets');
    let calls = 0;
    await new Promise<void>((resolve) => {
      const poll = sys.poll(reader.number, () => {
        calls += 1;
        poll.close();
        poll.close();
        resolve();
      });
      sys.call('write', writer.number, Uint8Array.of(1), 1);
    });
    await new Promise(setImmediate);
    expect(calls).toBe(1);
    reader.close();
    writer.close();
  });

  test('ffi-rs says that it cannot watch', async () => {
    const sys = await openSys({ backend: 'ffi-rs' });
    expect(() => sys.poll(0, () => undefined)).toThrow(/cannot watch file descriptors.*koffi/);
  });
});

test('an unknown backend is refused', async () => {
  await expect(openSys({ backend: 'other' as 'koffi' })).rejects.toThrow(/no backend other/);
});

test.each(['win32', 'darwin'])('importing is safe on %s; the first call says that it is not for it', (platform) => {
  const code = `
    Object.defineProperty(process, 'platform', { value: '${platform}' });
    const { openSys } = await import('netlink-tc');
    const { readFileSync } = await import('node:fs');
    const { code } = await openSys().catch((error) => error);
    const isLoaded = readFileSync('/proc/self/maps', 'latin1').includes('koffi');
    console.log(JSON.stringify({ code, isLoaded }));`;
  const args = ['--conditions=@ambient/source', '--import', 'tsx', '--input-type=module', '--eval', code];
  const answer = execFileSync(process.execPath, args, { encoding: 'utf8' });
  expect(JSON.parse(answer)).toEqual({ code: 'ERR_UNSUPPORTED_PLATFORM', isLoaded: false });
});

describe('platformOf', () => {
  test('tells byte order and numbers', () => {
    expect(platformOf('linux', 's390x', 'BE')).toMatchObject({ littleEndian: false, syscalls: { bpf: 351 } });
    expect(platformOf('linux', 'arm64', 'LE').syscalls.bpf).toBe(280);
  });

  test.each([
    ['darwin', 'arm64'],
    ['win32', 'x64'],
    ['linux', 'ia32'],
    ['linux', 'toString'],
  ])('refuses %s %s', (os, architecture) => {
    let caught: unknown;
    try {
      platformOf(os, architecture, 'LE');
    } catch (error) {
      caught = error;
    }
    expect(isNetlinkTcError(caught, 'ERR_UNSUPPORTED_PLATFORM')).toBe(true);
  });
});

const GENERIC = /#define __NR(?:3264)?_(\w+)\s+(\d+)/g;
describe.each([
  ['x64', '/usr/include/x86_64-linux-gnu/asm/unistd_64.h', /#define __NR_(\w+) (\d+)/g],
  ['arm64', '/usr/include/asm-generic/unistd.h', GENERIC],
  ['riscv64', '/usr/riscv64-linux-gnu/include/asm-generic/unistd.h', GENERIC],
  ['s390x', '/usr/s390x-linux-gnu/include/asm/unistd_64.h', /#define __NR_(\w+) (\d+)/g],
] as const)('system calls of %s', (architecture, path, pattern) => {
  describeWith([file(path)], "the kernel's header", () => {
    test('numbers them as we do', () => {
      const known = new Map(
        [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, name, nr]) => [name, Number(nr)]),
      );
      const { syscalls } = platformOf('linux', architecture, 'LE');
      expect(Object.entries(syscalls).filter(([name, nr]) => known.get(name) !== nr)).toEqual([]);
    });
  });
});

test('text is ended by a zero byte and has none inside', () => {
  expect([...cString('é')]).toEqual([0xc3, 0xa9, 0]);
  expect(() => cString('a\0b')).toThrow(/zero byte/);
  expect(textOf(Uint8Array.of(0x61, 0, 0x62))).toBe('a');
});
