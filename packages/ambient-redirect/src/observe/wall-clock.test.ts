import { expect, test } from 'vitest';
import { isoTime, wallClock } from './wall-clock.ts';

test('monotonic time is told as the time of day', () => {
  const told = wallClock()(process.hrtime.bigint());
  expect(Math.abs(Number(told / 1_000_000n) - Date.now())).toBeLessThan(1000);
});

test.each([
  [0n, '1970-01-01T00:00:00.000000Z'],
  [1_767_225_600_123_456_789n, '2026-01-01T00:00:00.123456Z'],
  [1_767_225_600_000_001_000n, '2026-01-01T00:00:00.000001Z'],
])('%s nanoseconds are %s', (time, text) => {
  expect(isoTime(time)).toBe(text);
});
