// Made by packages/ambient-redirect/scripts/programs-build.generate.ts

/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */
export const PROGRAMS_BUILD = '705e8c4de8f3f4a4ae03a63de0b2c28f';
