// Made by packages/ambient-redirect/scripts/programs-build.generate.ts

/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */
export const PROGRAMS_BUILD = '8dca31fe0663aa2ce66cb201f7cdba2a';
