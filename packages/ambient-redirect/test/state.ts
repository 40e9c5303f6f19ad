import { ensureBpffs } from 'netlink-tc';
import type { Sys } from 'netlink-tc';
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { onTestFinished } from 'vitest';

/** A path in bpffs that is not there yet, and is removed with all that is in it when the running test ends. */
export function statePath(sys: Sys): string {
  ensureBpffs(sys);
  const path = `/sys/fs/bpf/ambient_test_${process.pid}_${randomBytes(4).toString('hex')}`;
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
