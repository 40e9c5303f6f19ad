import { ensureBpffs, findBpffs, type Sys } from 'netlink-tc';
import { existsSync, statfsSync } from 'node:fs';
import { dirname, isAbsolute, normalize } from 'node:path';
import { AmbientRedirectError } from '../error.ts';

/** `BPF_FS_MAGIC` of `include/uapi/linux/magic.h`. */
const BPF_FS_MAGIC = 0xcafe_4a11;

/** Where everyone expects bpffs. */
const BPFFS = '/sys/fs/bpf';

/**
 * Sees to it that a path is in bpffs, where things can be pinned.
 * @param mount whether bpffs may be mounted at its usual place, if the path is below that
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT`
 */
export function checkPlace(sys: Sys, path: string, mount: boolean): void {
  if (!isAbsolute(path) || normalize(path) !== path || path.includes('\0') || path.endsWith('/')) {
    throw refusal(path, 'is no plain absolute path', `as in ${BPFFS}/ambient`);
  }
  if (isInBpffs(path)) {
    if (existsSync(path) || !/\.[^/]*$/.test(path)) return;
    throw refusal(path, 'has a dot in its last part', 'names in bpffs have none');
  }
  if (mount && path.startsWith(`${BPFFS}/`)) {
    ensureBpffs(sys, BPFFS);
    return;
  }
  throw refusal(
    path,
    'is not in bpffs',
    `bpffs is mounted at ${findBpffs().join(', ') || `no place: mount it at ${BPFFS}`}`,
  );
}

function isInBpffs(path: string): boolean {
  let there = path;
  while (!existsSync(there)) there = dirname(there);
  return statfsSync(there).type >>> 0 === BPF_FS_MAGIC;
}

function refusal(path: string, problem: string, hint: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_INVALID_ARGUMENT', `the path ${JSON.stringify(path)} ${problem}`, { hint });
}
