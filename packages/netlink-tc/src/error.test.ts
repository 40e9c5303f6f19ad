import { constants } from 'node:os';
import { expect, test } from 'vitest';
import { codeOfErrno, ENOTSUPP, isNetlinkTcError, NetlinkTcError, systemError } from './error.ts';

test('the message says what was tried, what the kernel said and what to do', () => {
  const error = systemError(-constants.errno.EPERM, 'bpf(BPF_MAP_CREATE)', 'cannot create map a', {
    hint: 'run it as root',
  });
  expect(error.message).toBe('cannot create map a: EPERM from bpf(BPF_MAP_CREATE); run it as root');
  expect(error).toMatchObject({
    code: 'ERR_PERMISSION',
    errno: 1,
    syscall: 'bpf(BPF_MAP_CREATE)',
    hint: 'run it as root',
  });
});

test('error numbers mean codes', () => {
  expect([-2, -17, ENOTSUPP, 67, 12345].map(codeOfErrno)).toEqual([
    'ERR_NOT_FOUND',
    'ERR_EXISTS',
    'ERR_UNSUPPORTED',
    'ERR_DETACHED',
    'ERR_SYSCALL',
  ]);
});

test('the guard takes errors of another copy of the class, and nothing else', () => {
  class Copy extends Error {
    override readonly name = 'NetlinkTcError';
    readonly code = 'ERR_CLOSED';
  }
  expect(isNetlinkTcError(new Copy('x'), 'ERR_CLOSED')).toBe(true);
  expect(isNetlinkTcError(new NetlinkTcError('ERR_STALE', 'x'), 'ERR_CLOSED')).toBe(false);
  expect(isNetlinkTcError(new Error('x'))).toBe(false);
  expect(isNetlinkTcError({ name: 'NetlinkTcError', code: 'ERR_CLOSED' })).toBe(false);
});
