import type { Sys } from '../sys/index.ts';

const RLIMIT_MEMLOCK = 8;
const EPERM = 1;
const INFINITY = 0xffff_ffff_ffff_ffffn;

/**
 * Runs a call that may charge RLIMIT_MEMLOCK. Kernels before 5.11 answer EPERM where the limit is too low; only then the limit
 * is raised and the call made again. Where that did not help, the limit is put back: EPERM had another reason.
 * @returns what the last call returned
 */
export function withMemlock(sys: Sys, call: () => number): number {
  const first = call();
  if (first !== -EPERM) return first;
  const old = new BigUint64Array(2);
  const limits = (wanted: BigUint64Array | null, previous: BigUint64Array | null): number =>
    sys.call('prlimit64', 0, RLIMIT_MEMLOCK, bytesOf(wanted), bytesOf(previous));
  if (limits(null, old) < 0 || old[0] === INFINITY) return first;
  const hard = old[1] ?? 0n;
  if (limits(BigUint64Array.of(INFINITY, INFINITY), null) < 0 && limits(BigUint64Array.of(hard, hard), null) < 0)
    return first;
  const second = call();
  if (second === -EPERM) limits(old, null);
  return second;
}

function bytesOf(words: BigUint64Array | null): Uint8Array | null {
  return words === null ? null : new Uint8Array(words.buffer);
}
