import type { JumpOp } from '../../isa/index.ts';

/** What a comparison becomes when its operands change places. */
export const SWAPPED_COMPARE: Readonly<Record<JumpOp, JumpOp>> = {
  jeq: 'jeq',
  jne: 'jne',
  jset: 'jset',
  jgt: 'jlt',
  jge: 'jle',
  jlt: 'jgt',
  jle: 'jge',
  jsgt: 'jslt',
  jsge: 'jsle',
  jslt: 'jsgt',
  jsle: 'jsge',
};

/** Comparisons by their opposites; `jset` has none. */
export const INVERSE_COMPARE: Readonly<Partial<Record<JumpOp, JumpOp>>> = {
  jeq: 'jne',
  jne: 'jeq',
  jgt: 'jle',
  jle: 'jgt',
  jge: 'jlt',
  jlt: 'jge',
  jsgt: 'jsle',
  jsle: 'jsgt',
  jsge: 'jslt',
  jslt: 'jsge',
};

/** Tells whether a comparison is of signed numbers. */
export function isSigned(compare: JumpOp): boolean {
  return compare === 'jsgt' || compare === 'jsge' || compare === 'jslt' || compare === 'jsle';
}
