/**
 * An atomic operation on 32 bits (RFC 9669 section 5.3); the bounds have been checked.
 *
 * @param code - one of `ATOMIC_OPERATION`.
 * @param s - number of the source, which takes the old value where the operation fetches; `cmpxchg` uses register 0.
 */
export function atomic32(code: number, view: DataView, at: number, lo: Int32Array, hi: Int32Array, s: number): void {
  const old = view.getInt32(at, true);
  const value = lo[s] as number;
  if (code === 9) {
    if (old === lo[0]) view.setInt32(at, value, true);
    lo[0] = old;
    hi[0] = 0;
    return;
  }
  view.setInt32(at, combine(code, old, value), true);
  if (code >= 4) {
    lo[s] = old;
    hi[s] = 0;
  }
}

/** As {@link atomic32} on 64 bits. */
export function atomic64(code: number, view: DataView, at: number, lo: Int32Array, hi: Int32Array, s: number): void {
  const oldLo = view.getInt32(at, true);
  const oldHi = view.getInt32(at + 4, true);
  const low = lo[s] as number;
  const high = hi[s] as number;
  if (code === 9) {
    if (oldLo === lo[0] && oldHi === hi[0]) {
      view.setInt32(at, low, true);
      view.setInt32(at + 4, high, true);
    }
    lo[0] = oldLo;
    hi[0] = oldHi;
    return;
  }
  const adds = code === 0 || code === 4;
  const carry = adds && (oldLo >>> 0) + (low >>> 0) > 0xffff_ffff ? 1 : 0;
  view.setInt32(at, combine(code, oldLo, low), true);
  view.setInt32(at + 4, combine(code, oldHi, high) + carry, true);
  if (code >= 4) {
    lo[s] = oldLo;
    hi[s] = oldHi;
  }
}

/** One word of the new value. */
function combine(code: number, old: number, value: number): number {
  switch (code) {
    case 0: // add
    case 4: // fetch_add
      return (old + value) | 0;
    case 1: // or
    case 5: // fetch_or
      return old | value;
    case 2: // and
    case 6: // fetch_and
      return old & value;
    case 3: // xor
    case 7: // fetch_xor
      return old ^ value;
    default: // xchg
      return value;
  }
}
