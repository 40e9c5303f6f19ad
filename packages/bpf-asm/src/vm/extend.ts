/**
 * Moves with sign extension and byte swaps (RFC 9669 sections 4.1 and 4.2), on a little-endian machine: `le` cuts off, `be`
 * and `bswap` swap.
 *
 * @param code - one of `EXTEND_CODE`.
 */
export function extend(code: number, lo: Int32Array, hi: Int32Array, d: number, s: number): void {
  const low = lo[s] as number;
  const high = hi[s] as number;
  switch (code) {
    case 0: // s8to64
      lo[d] = (low << 24) >> 24;
      hi[d] = (low << 24) >> 31;
      return;
    case 1: // s16to64
      lo[d] = (low << 16) >> 16;
      hi[d] = (low << 16) >> 31;
      return;
    case 2: // s32to64
      lo[d] = low;
      hi[d] = low >> 31;
      return;
    case 3: // s8to32
      lo[d] = (low << 24) >> 24;
      hi[d] = 0;
      return;
    case 4: // s16to32
      lo[d] = (low << 16) >> 16;
      hi[d] = 0;
      return;
    case 5: // le16
      lo[d] = low & 0xffff;
      hi[d] = 0;
      return;
    case 6: // le32
      lo[d] = low;
      hi[d] = 0;
      return;
    case 7: // le64
      lo[d] = low;
      hi[d] = high;
      return;
    case 8: // swap16
      lo[d] = ((low & 0xff) << 8) | ((low >>> 8) & 0xff);
      hi[d] = 0;
      return;
    case 9: // swap32
      lo[d] = swap(low);
      hi[d] = 0;
      return;
    case 10: // swap64
      lo[d] = swap(high);
      hi[d] = swap(low);
      return;
  }
}

function swap(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
