const FIRST_MS = 250;
const MOST_MS = 15_000;

/** How long to wait before something is tried again that has failed so many times, in milliseconds: twice as long each time. */
export function backOff(attempts: number): number {
  return Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(16, attempts - 1));
}
