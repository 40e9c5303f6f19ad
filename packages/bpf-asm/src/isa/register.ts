/**
 * A register by its name. `r0` carries results, `r1`–`r5` arguments, `r6`–`r9` survive calls, `r10` is the read-only frame
 * pointer (RFC 9669 section 2). `r11` is the kernel's own scratch register (`BPF_REG_AX` in `include/linux/filter.h`): it
 * appears in dumps of loaded programs and may not be used in a program of one's own, which lint reports.
 */
export type Register = (typeof REGISTERS)[number];

/** Every register, in the order of its number in an encoded instruction. */
export const REGISTERS = ['r0', 'r1', 'r2', 'r3', 'r4', 'r5', 'r6', 'r7', 'r8', 'r9', 'r10', 'r11'] as const;

/** The number of each register, 0 to 11. */
export const REGISTER_NUMBER: Readonly<Record<Register, number>> = {
  r0: 0,
  r1: 1,
  r2: 2,
  r3: 3,
  r4: 4,
  r5: 5,
  r6: 6,
  r7: 7,
  r8: 8,
  r9: 9,
  r10: 10,
  r11: 11,
};

/** Return value of functions and helpers, and exit value of the program. */
export const r0 = 'r0' as const;
/** First argument; the context on entry. */
export const r1 = 'r1' as const;
/** Second argument. */
export const r2 = 'r2' as const;
/** Third argument. */
export const r3 = 'r3' as const;
/** Fourth argument. */
export const r4 = 'r4' as const;
/** Fifth argument. */
export const r5 = 'r5' as const;
/** Survives calls. */
export const r6 = 'r6' as const;
/** Survives calls. */
export const r7 = 'r7' as const;
/** Survives calls. */
export const r8 = 'r8' as const;
/** Survives calls. */
export const r9 = 'r9' as const;
/** Frame pointer: the top of 512 bytes of stack, read-only. */
export const r10 = 'r10' as const;
