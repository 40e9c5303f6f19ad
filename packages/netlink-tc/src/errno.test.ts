import { constants } from 'node:os';
import { describe, expect, test } from 'vitest';
import { errnoName } from './errno.ts';

describe('errnoName', () => {
  test('names what bpf(2) and netlink return most', () => {
    expect([1, 2, 17, 22, 28].map(errnoName)).toEqual(['EPERM', 'ENOENT', 'EEXIST', 'EINVAL', 'ENOSPC']);
  });

  test('takes the negative numbers that system calls return', () => {
    expect(errnoName(-constants.errno.EBUSY)).toBe('EBUSY');
  });

  test('keeps the number of what has no name', () => {
    expect([524, 0, 1.5, Number.NaN].map(errnoName)).toEqual(['errno 524', 'errno 0', 'errno 1.5', 'errno NaN']);
  });
});
