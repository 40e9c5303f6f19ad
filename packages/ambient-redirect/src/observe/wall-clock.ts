/**
 * How `CLOCK_MONOTONIC`, which programs know, is told as the time of day.
 * @returns what turns nanoseconds of the one into nanoseconds since 1970; it holds until the time of day is set
 */
export function wallClock(): (monotonic: bigint) => bigint {
  // Both are read in one go; the time of day with the microseconds that Date.now() does not have.
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000)) * 1000n;
  const offset = now - process.hrtime.bigint();
  return (monotonic) => monotonic + offset;
}

/** A time of day as ISO 8601 tells it, in UTC, with microseconds. @param nanoseconds since 1970 */
export function isoTime(nanoseconds: bigint): string {
  const micros = nanoseconds / 1000n;
  const date = new Date(Number(micros / 1000n));
  return `${date.toISOString().slice(0, -1)}${String(micros % 1000n).padStart(3, '0')}Z`;
}
