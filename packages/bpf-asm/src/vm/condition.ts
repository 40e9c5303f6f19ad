/**
 * Tells whether a 64-bit compare holds (RFC 9669 section 4.3).
 *
 * @param code - bits 4 to 7 of the opcode.
 */
export function condition64(code: number, aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  switch (code) {
    case 0x1: // jeq
      return aLo === bLo && aHi === bHi;
    case 0x2: // jgt
      return below(bLo, bHi, aLo, aHi);
    case 0x3: // jge
      return !below(aLo, aHi, bLo, bHi);
    case 0x4: // jset
      return ((aLo & bLo) | (aHi & bHi)) !== 0;
    case 0x5: // jne
      return aLo !== bLo || aHi !== bHi;
    case 0x6: // jsgt
      return less(bLo, bHi, aLo, aHi);
    case 0x7: // jsge
      return !less(aLo, aHi, bLo, bHi);
    case 0xa: // jlt
      return below(aLo, aHi, bLo, bHi);
    case 0xb: // jle
      return !below(bLo, bHi, aLo, aHi);
    case 0xc: // jslt
      return less(aLo, aHi, bLo, bHi);
    default: // jsle
      return !less(bLo, bHi, aLo, aHi);
  }
}

/** Tells whether a compare of two low words holds (RFC 9669 section 4.3). */
export function condition32(code: number, a: number, b: number): boolean {
  switch (code) {
    case 0x1: // jeq
      return a === b;
    case 0x2: // jgt
      return a >>> 0 > b >>> 0;
    case 0x3: // jge
      return a >>> 0 >= b >>> 0;
    case 0x4: // jset
      return (a & b) !== 0;
    case 0x5: // jne
      return a !== b;
    case 0x6: // jsgt
      return a > b;
    case 0x7: // jsge
      return a >= b;
    case 0xa: // jlt
      return a >>> 0 < b >>> 0;
    case 0xb: // jle
      return a >>> 0 <= b >>> 0;
    case 0xc: // jslt
      return a < b;
    default: // jsle
      return a <= b;
  }
}

function below(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi >>> 0 < bHi >>> 0;
}

function less(aLo: number, aHi: number, bLo: number, bHi: number): boolean {
  return aHi === bHi ? aLo >>> 0 < bLo >>> 0 : aHi < bHi;
}
