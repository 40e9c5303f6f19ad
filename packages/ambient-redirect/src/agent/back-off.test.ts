import { expect, test } from 'vitest';
import { backOff } from './back-off.ts';

test('the time between attempts doubles, and has an end', () => {
  expect([1, 2, 3, 7, 8, 1000].map(backOff)).toEqual([250, 500, 1000, 15_000, 15_000, 15_000]);
});
