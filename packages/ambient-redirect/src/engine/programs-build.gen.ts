// Made by packages/ambient-redirect/scripts/programs-build.generate.ts

/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */
export const PROGRAMS_BUILD = '468cff6b138d7c42eaff68cbb8241271';
