import { isNetlinkTcError, openNetns, type Netns, type NetnsReference, type Sys } from 'netlink-tc';
import { readdirSync, statSync } from 'node:fs';
import type { PodReference } from '../topology/index.ts';

/**
 * A path by which a network namespace that a caller named can be found again; undefined where it was named by its interface alone.
 *
 * A descriptor's path is good while this process has it; a process id's while the process runs. {@link openPodNetns} looks further where
 * neither is.
 */
export function pathOfNetns(reference: PodReference['netns']): string | undefined {
  if (reference === undefined) return undefined;
  if ('fd' in reference) return `/proc/${process.pid}/fd/${reference.fd}`;
  if ('path' in reference) return reference.path;
  if ('pid' in reference) return `/proc/${reference.pid}/ns/net`;
  return undefined;
}

/**
 * Opens the network namespace with an inode number: by the path that it had, or by any process that is in it.
 *
 * It is not kept open longer than it is needed: an open descriptor keeps the namespace of a pod that has ended.
 * @returns undefined when it is not found
 */
export function openPodNetns(sys: Sys, inode: string | undefined, path: string | undefined): Netns | undefined {
  if (inode === undefined) return undefined;
  if (path !== undefined) {
    const netns = openIf(sys, { path });
    if (String(netns?.inode) === inode) return netns;
    netns?.close();
  }
  const pid = readdirSync('/proc').find((name) => /^\d+$/.test(name) && inodeOf(`/proc/${name}/ns/net`) === inode);
  return pid === undefined ? undefined : openIf(sys, { path: `/proc/${pid}/ns/net` });
}

function openIf(sys: Sys, reference: NetnsReference): Netns | undefined {
  try {
    return openNetns(sys, reference);
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return undefined;
    throw error;
  }
}

/** Of a process that has ended, or that this one may not look at, it is undefined: its namespace is not known. */
function inodeOf(path: string): string | undefined {
  try {
    return String(statSync(path, { bigint: true }).ino);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
