/**
 * `dst = (u32)(dst op src)`: arithmetic on the low words, which clears the high one (RFC 9669 section 4.1).
 *
 * @param code - bits 4 to 7 of the opcode; `sdiv` 0xd, `smod` 0xe.
 */
export function alu32(code: number, lo: Int32Array, hi: Int32Array, d: number, s: number): void {
  lo[d] = result(code, lo[d] as number, lo[s] as number);
  hi[d] = 0;
}

function result(code: number, a: number, b: number): number {
  switch (code) {
    case 0x0: // add
      return (a + b) | 0;
    case 0x1: // sub
      return (a - b) | 0;
    case 0x2: // mul
      return Math.imul(a, b);
    case 0x3: // div
      return b === 0 ? 0 : ((a >>> 0) / (b >>> 0)) | 0;
    case 0x4: // or
      return a | b;
    case 0x5: // and
      return a & b;
    case 0x6: // lsh: the engine masks the count by 31, as the RFC does
      return a << b;
    case 0x7: // rsh
      return (a >>> b) | 0;
    case 0x8: // neg
      return -a | 0;
    case 0x9: // mod
      return b === 0 ? a : ((a >>> 0) % (b >>> 0)) | 0;
    case 0xa: // xor
      return a ^ b;
    case 0xb: // mov
      return b;
    case 0xc: // arsh
      return a >> b;
    case 0xd: // sdiv
      return b === 0 ? 0 : (a / b) | 0;
    default: // smod
      return b === 0 ? a : (a % b) | 0;
  }
}
