/**
 * Divides two unsigned 64-bit numbers, each given as two words, and puts the quotient or the remainder in a register.
 * The caller has excluded a divisor of 0.
 */
export function divideUnsigned(
  remainder: boolean,
  lo: Int32Array,
  hi: Int32Array,
  d: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): void {
  if ((aHi | bHi) === 0) {
    lo[d] = remainder ? (aLo >>> 0) % (bLo >>> 0) : (aLo >>> 0) / (bLo >>> 0);
    hi[d] = 0;
    return;
  }
  if (((aHi | bHi) & 0xffe0_0000) === 0) {
    // Both are below 2^53, where the remainder of doubles is exact, and so is the division once it is taken off.
    const a = aHi * 0x1_0000_0000 + (aLo >>> 0);
    const b = bHi * 0x1_0000_0000 + (bLo >>> 0);
    const rest = a % b;
    const result = remainder ? rest : (a - rest) / b;
    lo[d] = result;
    hi[d] = result / 0x1_0000_0000;
    return;
  }
  const a = (BigInt(aHi >>> 0) << 32n) | BigInt(aLo >>> 0);
  const b = (BigInt(bHi >>> 0) << 32n) | BigInt(bLo >>> 0);
  const result = remainder ? a % b : a / b;
  lo[d] = Number(result & 0xffff_ffffn);
  hi[d] = Number(result >> 32n);
}

/** As {@link divideUnsigned} for signed numbers: the quotient is cut towards 0, the remainder has the dividend's sign. */
export function divideSigned(
  remainder: boolean,
  lo: Int32Array,
  hi: Int32Array,
  d: number,
  aLo: number,
  aHi: number,
  bLo: number,
  bHi: number,
): void {
  const negativeA = aHi < 0;
  const negativeB = bHi < 0;
  // The magnitude of the least number is itself, read as unsigned: its division by -1 wraps back to it, as the RFC asks.
  const [mLo, mHi] = negativeA ? negate(aLo, aHi) : [aLo, aHi];
  const [nLo, nHi] = negativeB ? negate(bLo, bHi) : [bLo, bHi];
  divideUnsigned(remainder, lo, hi, d, mLo, mHi, nLo, nHi);
  if (remainder ? negativeA : negativeA !== negativeB) {
    const [rLo, rHi] = negate(lo[d] as number, hi[d] as number);
    lo[d] = rLo;
    hi[d] = rHi;
  }
}

function negate(low: number, high: number): [number, number] {
  return [-low | 0, (~high + (low === 0 ? 1 : 0)) | 0];
}
