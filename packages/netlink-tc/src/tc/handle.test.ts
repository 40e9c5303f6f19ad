import { expect, test } from 'vitest';
import { formatHandle, handleNumber, type Handle } from './handle.ts';

test.each<[Handle, number, string]>([
  ['1:', 0x10000, '1:'],
  ['1:10', 0x10010, '1:10'],
  ['ffff:fff1', 0xffff_fff1, 'ffff:fff1'],
  ['root', 0xffff_ffff, 'root'],
  ['egress', 0xffff_fff3, 'ffff:fff3'],
  [0x2000a, 0x2000a, '2:a'],
])('the handle %s', (handle, number, text) => {
  expect(handleNumber(handle)).toBe(number);
  expect(formatHandle(number)).toBe(text);
});

test.each(['1', 'x:1', '12345:', ':', -1, 2 ** 32, 1.5])('%j is no handle', (handle) => {
  expect(() => handleNumber(handle as Handle)).toThrow(/is no handle/);
});
