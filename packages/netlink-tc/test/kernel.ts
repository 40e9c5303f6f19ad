import { release } from 'node:os';
import { expect } from 'vitest';
import { createProbes, type ProbeResult } from '../src/bpf/probe.ts';
import type { Sys } from '../src/sys/index.ts';

/** Whether the running kernel is at least `major.minor`. */
export function kernelAtLeast(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [ourMajor = 0, ourMinor = 0] = release().split('.').map(Number);
  return ourMajor > major || (ourMajor === major && ourMinor >= minor);
}

/** How the running kernel can have programs on an interface, by its version: for names of tests, which are given before anything can be probed. */
export function attachModes(): readonly ('tcx' | 'clsact')[] {
  return kernelAtLeast('6.6') ? ['tcx', 'clsact'] : ['clsact'];
}

/**
 * Whether the kernel lacks what a test needs. A lack must be right: a kernel of the version that has the thing may not lack it.
 * @example `if (lacks(probes.link('tcx'))) return;`
 */
export function lacks({ answer, since }: ProbeResult): boolean {
  if (answer === 'yes') return false;
  expect(
    since !== undefined && kernelAtLeast(since),
    `the probe says ${answer}, though this is ${release()}, and it is of ${since}`,
  ).toBe(false);
  return true;
}

/** Whether the kernel has no tcx, found by trying; one of 6.6 or later that says so fails the test. */
export function lacksTcx(sys: Sys): boolean {
  return lacks(createProbes(sys).link('tcx'));
}
