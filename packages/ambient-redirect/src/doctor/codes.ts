import { CHAINS } from './chains.ts';
import { CNI } from './cni.ts';
import { CONTAINER } from './container.ts';
import type { Area } from './finding.ts';
import { KERNEL } from './kernel.ts';
import { LEFTOVERS } from './leftovers.ts';
import { LOCKDOWN } from './lockdown.ts';
import { MOUNTS } from './mounts.ts';
import { PRIVILEGES } from './privileges.ts';
import { SELF_TEST } from './self-test.ts';
import { STATE } from './state.ts';
import { SYSCTLS } from './sysctls.ts';

/** Every area with all of its codes, in the order in which they are told: `docs/doctor.md` is made of it. */
export const ALL_AREAS: readonly Area[] = [
  KERNEL,
  PRIVILEGES,
  CONTAINER,
  MOUNTS,
  LOCKDOWN,
  STATE,
  SYSCTLS,
  CNI,
  CHAINS,
  LEFTOVERS,
  SELF_TEST,
];
