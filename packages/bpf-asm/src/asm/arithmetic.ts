import { BpfAsmError } from '../error.ts';
import type { Alu, AluOp, Jump, JumpOp, Register, Target, Width } from '../isa/index.ts';

/** Makes `dst op= src`. An immediate for 64 bits is signed 32-bit; for 32 bits it may be given unsigned too. */
export type AluConstructor = (dst: Register, src: Register | number) => Alu;

/** Makes `if dst op src goto target`. The target is a label, or a number of slots. Immediates as in {@link AluConstructor}. */
export type JumpConstructor = <T extends Target>(dst: Register, src: Register | number, target: T) => Jump<T>;

function alu(op: AluOp, width: Width): AluConstructor {
  return (dst, src) => ({ kind: 'alu', op, width, dst, src: operand(`${op}${width}`, width, src) });
}

function jump(op: JumpOp, width: Width): JumpConstructor {
  return (dst, src, target) => ({ kind: 'jump', op, width, dst, src: operand(`${op}${width}`, width, src), target });
}

/**
 * Checks an immediate when it is written, not when it is encoded. 32-bit operations see only the low half, so that unsigned and signed
 * spellings are one; 64-bit operations sign-extend it, so that 0xffffffff would silently become 2^64 - 1.
 */
function operand(name: string, width: Width, src: Register | number): Register | number {
  if (typeof src !== 'number' || (src | 0) === src) return src;
  if (width === 32 && src >>> 0 === src) return src | 0;
  const range = width === 32 ? '-2^31 to 2^32 - 1' : '-2^31 to 2^31 - 1';
  throw new BpfAsmError('ERR_OUT_OF_RANGE', `${name}: field src: ${src} is not an integer from ${range}`, {
    field: 'src',
    ...(width === 64 ? { hint: 'load it into a register with lddw' } : {}),
  });
}

/** `dst += src`, 64 bits. */
export const add64: AluConstructor = alu('add', 64);
/** `dst -= src`, 64 bits. */
export const sub64: AluConstructor = alu('sub', 64);
/** `dst *= src`, 64 bits. */
export const mul64: AluConstructor = alu('mul', 64);
/** `dst /= src`, 64 bits, unsigned; 0 where src is 0. */
export const div64: AluConstructor = alu('div', 64);
/** `dst |= src`, 64 bits. */
export const or64: AluConstructor = alu('or', 64);
/** `dst &= src`, 64 bits. */
export const and64: AluConstructor = alu('and', 64);
/** `dst <<= src`, 64 bits. */
export const lsh64: AluConstructor = alu('lsh', 64);
/** `dst >>= src`, 64 bits, filling with zeros. */
export const rsh64: AluConstructor = alu('rsh', 64);
/** `dst %= src`, 64 bits, unsigned; dst unchanged where src is 0. */
export const mod64: AluConstructor = alu('mod', 64);
/** `dst ^= src`, 64 bits. */
export const xor64: AluConstructor = alu('xor', 64);
/** `dst = src`, 64 bits. */
export const mov64: AluConstructor = alu('mov', 64);
/** `dst >>= src`, 64 bits, filling with the sign. */
export const arsh64: AluConstructor = alu('arsh', 64);
/** `dst /= src`, 64 bits, signed (Linux 6.6). */
export const sdiv64: AluConstructor = alu('sdiv', 64);
/** `dst %= src`, 64 bits, signed (Linux 6.6). */
export const smod64: AluConstructor = alu('smod', 64);

/** `dst += src`, 32 bits. */
export const add32: AluConstructor = alu('add', 32);
/** `dst -= src`, 32 bits. */
export const sub32: AluConstructor = alu('sub', 32);
/** `dst *= src`, 32 bits. */
export const mul32: AluConstructor = alu('mul', 32);
/** `dst /= src`, 32 bits, unsigned; 0 where src is 0. */
export const div32: AluConstructor = alu('div', 32);
/** `dst |= src`, 32 bits. */
export const or32: AluConstructor = alu('or', 32);
/** `dst &= src`, 32 bits. */
export const and32: AluConstructor = alu('and', 32);
/** `dst <<= src`, 32 bits. */
export const lsh32: AluConstructor = alu('lsh', 32);
/** `dst >>= src`, 32 bits, filling with zeros. */
export const rsh32: AluConstructor = alu('rsh', 32);
/** `dst %= src`, 32 bits, unsigned; dst unchanged where src is 0. */
export const mod32: AluConstructor = alu('mod', 32);
/** `dst ^= src`, 32 bits. */
export const xor32: AluConstructor = alu('xor', 32);
/** `dst = src`, 32 bits. */
export const mov32: AluConstructor = alu('mov', 32);
/** `dst >>= src`, 32 bits, filling with the sign. */
export const arsh32: AluConstructor = alu('arsh', 32);
/** `dst /= src`, 32 bits, signed (Linux 6.6). */
export const sdiv32: AluConstructor = alu('sdiv', 32);
/** `dst %= src`, 32 bits, signed (Linux 6.6). */
export const smod32: AluConstructor = alu('smod', 32);

/** Jumps if dst == src. */
export const jeq: JumpConstructor = jump('jeq', 64);
/** Jumps if dst != src. */
export const jne: JumpConstructor = jump('jne', 64);
/** Jumps if dst > src, unsigned. */
export const jgt: JumpConstructor = jump('jgt', 64);
/** Jumps if dst >= src, unsigned. */
export const jge: JumpConstructor = jump('jge', 64);
/** Jumps if dst < src, unsigned. */
export const jlt: JumpConstructor = jump('jlt', 64);
/** Jumps if dst <= src, unsigned. */
export const jle: JumpConstructor = jump('jle', 64);
/** Jumps if dst & src is not 0. */
export const jset: JumpConstructor = jump('jset', 64);
/** Jumps if dst > src, signed. */
export const jsgt: JumpConstructor = jump('jsgt', 64);
/** Jumps if dst >= src, signed. */
export const jsge: JumpConstructor = jump('jsge', 64);
/** Jumps if dst < src, signed. */
export const jslt: JumpConstructor = jump('jslt', 64);
/** Jumps if dst <= src, signed. */
export const jsle: JumpConstructor = jump('jsle', 64);

/** Jumps if dst == src, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jeq32: JumpConstructor = jump('jeq', 32);
/** Jumps if dst != src, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jne32: JumpConstructor = jump('jne', 32);
/** Jumps if dst > src, unsigned, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jgt32: JumpConstructor = jump('jgt', 32);
/** Jumps if dst >= src, unsigned, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jge32: JumpConstructor = jump('jge', 32);
/** Jumps if dst < src, unsigned, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jlt32: JumpConstructor = jump('jlt', 32);
/** Jumps if dst <= src, unsigned, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jle32: JumpConstructor = jump('jle', 32);
/** Jumps if dst & src is not 0, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jset32: JumpConstructor = jump('jset', 32);
/** Jumps if dst > src, signed, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jsgt32: JumpConstructor = jump('jsgt', 32);
/** Jumps if dst >= src, signed, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jsge32: JumpConstructor = jump('jsge', 32);
/** Jumps if dst < src, signed, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jslt32: JumpConstructor = jump('jslt', 32);
/** Jumps if dst <= src, signed, comparing the low 32 bits (cpu v3; Linux 5.1). */
export const jsle32: JumpConstructor = jump('jsle', 32);
