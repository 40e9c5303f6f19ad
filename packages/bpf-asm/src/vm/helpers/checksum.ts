/** Adds words with end-around carry, as the kernel's `csum_add` does. Words are unsigned 32-bit numbers. */
function checksumAdd(a: number, b: number): number {
  const sum = a + b;
  return sum > 0xffff_ffff ? sum - 0xffff_ffff : sum;
}

/** The kernel's `csum_sub`. */
export function checksumSubtract(a: number, b: number): number {
  return checksumAdd(a, ~b >>> 0);
}

/** The kernel's `csum_fold`: the complement of the sum of both halves. */
function checksumFold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return ~((once & 0xffff) + (once >>> 16)) & 0xffff;
}

/** The kernel's `csum_partial`: the sum of 32-bit little-endian words; the length is a multiple of 4. */
export function checksumPartial(bytes: Uint8Array, seed: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let sum = seed;
  for (let at = 0; at < bytes.length; at += 4) sum = checksumAdd(sum, view.getUint32(at, true));
  return sum;
}

/** Replaces 16 bits under a checksum (`csum_replace2`). */
export function checksumReplace2(checksum: number, from: number, to: number): number {
  const add16 = (a: number, b: number): number => (a + b > 0xffff ? a + b - 0xffff : a + b);
  return ~add16(add16(~checksum & 0xffff, ~from & 0xffff), to & 0xffff) & 0xffff;
}

/** Replaces 32 bits under a checksum (`csum_replace4`). */
export function checksumReplace4(checksum: number, from: number, to: number): number {
  return checksumFold(checksumAdd(checksumSubtract(~checksum >>> 0, from), to));
}

/** Adds a difference to a checksum (`csum_replace_by_diff`). */
export function checksumReplaceByDifference(checksum: number, difference: number): number {
  return checksumFold(checksumAdd(difference, ~checksum >>> 0));
}

/** Folds 32 bits to 16 without the complement (`csum_from32to16`). */
export function checksumTo16(sum: number): number {
  const swapped = ((sum >>> 16) | (sum << 16)) >>> 0;
  return ((sum + swapped) % 0x1_0000_0000) >>> 16;
}
