// Made by packages/ambient-redirect/scripts/programs-build.generate.ts

/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */
export const PROGRAMS_BUILD = 'f00b9670ceeeb498cfd63e0833ea0f5e';
