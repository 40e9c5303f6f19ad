import { expect, test } from 'vitest';
import { AmbientRedirectError, isAmbientRedirectError } from './error.ts';

test('carries its fields, and the hint in its message', () => {
  const cause = new Error('first');
  const error = new AmbientRedirectError('ERR_NOT_A_VETH', 'eth0 is a tap', {
    interface: 'eth0',
    hint: 'use a veth',
    cause,
  });
  expect(error.message).toBe('eth0 is a tap; use a veth');
  expect(error).toMatchObject({
    code: 'ERR_NOT_A_VETH',
    interface: 'eth0',
    hint: 'use a veth',
    cause,
    address: undefined,
  });
});

test('is told by name and code, not by class', () => {
  const error = new AmbientRedirectError('ERR_CONFLICT', 'taken');
  expect(isAmbientRedirectError(error)).toBe(true);
  expect(isAmbientRedirectError(error, 'ERR_CONFLICT')).toBe(true);
  expect(isAmbientRedirectError(error, 'ERR_NETNS_GONE')).toBe(false);
  const copy = Object.assign(new Error('x'), { name: 'AmbientRedirectError', code: 'ERR_CONFLICT' });
  expect(isAmbientRedirectError(copy)).toBe(true);
  expect(isAmbientRedirectError(Object.assign(copy, { code: 'ERR_OTHER' }))).toBe(false);
  expect(isAmbientRedirectError('ERR_CONFLICT')).toBe(false);
});
