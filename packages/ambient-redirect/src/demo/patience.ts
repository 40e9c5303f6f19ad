/** How often the time is looked at. */
const TICK_MS = 50;

/**
 * Gives up after some time. However long this process stood still meanwhile, it counts as one look: the engine and the servers that it is to hear from may
 * all be in this process, and programs are compiled, which takes long on a machine that is emulated.
 * @param giveUp called when the time is over
 * @returns what ends the wait
 */
export function giveUpAfter(ms: number, giveUp: () => void): () => void {
  let looks = Math.ceil(ms / TICK_MS);
  const timer = setInterval(() => {
    looks -= 1;
    if (looks > 0) return;
    clearInterval(timer);
    giveUp();
  }, TICK_MS);
  return () => clearInterval(timer);
}
