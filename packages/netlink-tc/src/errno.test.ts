import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { describe, expect, test } from 'vitest';
import { errnoName } from './errno.ts';

describe('errnoName', () => {
  test('names what bpf(2) and netlink return most', () => {
    expect([1, 2, 17, 22, 28].map(errnoName)).toEqual(['EPERM', 'ENOENT', 'EEXIST', 'EINVAL', 'ENOSPC']);
  });

  test('takes the negative numbers that system calls return', () => {
    expect(errnoName(-constants.errno.EBUSY)).toBe('EBUSY');
    expect(errnoName(-999)).toBe('errno 999');
  });

  test('names what a link or a dump returns, and of two names the usual one', () => {
    const { EAGAIN, ENOLINK, EOPNOTSUPP, ESTALE } = constants.errno;
    expect([ENOLINK, ESTALE, EAGAIN, EOPNOTSUPP, 132].map(errnoName)).toEqual([
      'ENOLINK',
      'ESTALE',
      'EAGAIN',
      'ENOTSUP',
      'ERFKILL',
    ]);
  });

  test.skipIf(process.platform !== 'linux')('agrees with Node', () => {
    const known = Array.from({ length: 200 }, (_, index) => index + 1)
      .map((errno) => [getSystemErrorName(-errno), errnoName(errno)])
      .filter(([name = '']) => !name.startsWith('Unknown'));
    expect(known.length).toBeGreaterThan(60);
    expect(known.filter(([name, ours]) => name !== ours)).toEqual([]);
  });

  test('keeps the number of what has no name', () => {
    expect([524, 0, 1.5, Number.NaN].map(errnoName)).toEqual(['errno 524', 'errno 0', 'errno 1.5', 'errno NaN']);
  });
});
