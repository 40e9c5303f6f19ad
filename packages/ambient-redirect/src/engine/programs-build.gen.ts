// Made by packages/ambient-redirect/scripts/programs-build.generate.ts

/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */
export const PROGRAMS_BUILD = '4f0737a65f977fa72f0dd5bc185ab6cb';
