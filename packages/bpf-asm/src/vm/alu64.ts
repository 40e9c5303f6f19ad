import { divideSigned, divideUnsigned } from './division.ts';

/**
 * `dst = dst op src` on 64 bits (RFC 9669 section 4.1). Registers are pairs of words; the code is that of the RFC.
 *
 * @param code - bits 4 to 7 of the opcode; `sdiv` 0xd, `smod` 0xe.
 * @param lo - low words of the registers.
 * @param hi - high words of the registers.
 * @param d - number of the destination.
 * @param s - number of the source.
 */
export function alu64(code: number, lo: Int32Array, hi: Int32Array, d: number, s: number): void {
  const aLo = lo[d] as number;
  const aHi = hi[d] as number;
  const bLo = lo[s] as number;
  const bHi = hi[s] as number;
  switch (code) {
    case 0x0: {
      const sum = (aLo >>> 0) + (bLo >>> 0);
      lo[d] = sum;
      hi[d] = aHi + bHi + (sum > 0xffff_ffff ? 1 : 0);
      return;
    }
    case 0x1: // sub
      lo[d] = aLo - bLo;
      hi[d] = aHi - bHi - (aLo >>> 0 < bLo >>> 0 ? 1 : 0);
      return;
    case 0x2: // mul
      lo[d] = Math.imul(aLo, bLo);
      hi[d] = multiplyHigh(aLo, bLo) + Math.imul(aHi, bLo) + Math.imul(aLo, bHi);
      return;
    case 0x3: // div
      if ((bLo | bHi) === 0) lo[d] = hi[d] = 0;
      else divideUnsigned(false, lo, hi, d, aLo, aHi, bLo, bHi);
      return;
    case 0x4: // or
      lo[d] = aLo | bLo;
      hi[d] = aHi | bHi;
      return;
    case 0x5: // and
      lo[d] = aLo & bLo;
      hi[d] = aHi & bHi;
      return;
    case 0x6: {
      const n = bLo & 63;
      if (n >= 32) {
        hi[d] = aLo << (n - 32);
        lo[d] = 0;
      } else if (n > 0) {
        hi[d] = (aHi << n) | (aLo >>> (32 - n));
        lo[d] = aLo << n;
      }
      return;
    }
    case 0x7: {
      const n = bLo & 63;
      if (n >= 32) {
        lo[d] = aHi >>> (n - 32);
        hi[d] = 0;
      } else if (n > 0) {
        lo[d] = (aLo >>> n) | (aHi << (32 - n));
        hi[d] = aHi >>> n;
      }
      return;
    }
    case 0x8: // neg
      lo[d] = -aLo;
      hi[d] = ~aHi + (aLo === 0 ? 1 : 0);
      return;
    case 0x9: // mod: by 0 leaves the destination
      if ((bLo | bHi) !== 0) divideUnsigned(true, lo, hi, d, aLo, aHi, bLo, bHi);
      return;
    case 0xa: // xor
      lo[d] = aLo ^ bLo;
      hi[d] = aHi ^ bHi;
      return;
    case 0xb: // mov
      lo[d] = bLo;
      hi[d] = bHi;
      return;
    case 0xc: {
      const n = bLo & 63;
      if (n >= 32) {
        lo[d] = aHi >> (n - 32);
        hi[d] = aHi >> 31;
      } else if (n > 0) {
        lo[d] = (aLo >>> n) | (aHi << (32 - n));
        hi[d] = aHi >> n;
      }
      return;
    }
    case 0xd: // sdiv
      if ((bLo | bHi) === 0) lo[d] = hi[d] = 0;
      else divideSigned(false, lo, hi, d, aLo, aHi, bLo, bHi);
      return;
    case 0xe: // smod
      if ((bLo | bHi) !== 0) divideSigned(true, lo, hi, d, aLo, aHi, bLo, bHi);
      return;
  }
}

/** The high word of the product of two unsigned words, by halves: each partial sum stays below 2^32. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const middle = a1 * b0 + ((a0 * b0) >>> 16);
  const cross = a0 * b1 + (middle & 0xffff);
  return a1 * b1 + (middle >>> 16) + (cross >>> 16);
}
