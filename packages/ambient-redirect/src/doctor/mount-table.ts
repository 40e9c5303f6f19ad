import type { Machine } from './machine.ts';

/** A mount of this process's mount namespace (`/proc/self/mountinfo`, proc(5)). */
export interface Mount {
  readonly path: string;
  /** Number of the file system, and the place in it that is mounted: two mounts can be of one. */
  readonly device: string;
  readonly root: string;
  readonly kind: string;
  readonly isReadOnly: boolean;
  /** Whether mounts go to and fro between it and other mount namespaces. */
  readonly isShared: boolean;
  /** The line as it was read. */
  readonly line: string;
}

/** Reads what is mounted. */
export function readMounts(machine: Machine): readonly Mount[] {
  const lines = (machine.read('/proc/self/mountinfo') ?? '').split('\n').filter((line) => line !== '');
  return lines.map((line) => {
    const [own = '', rest = ''] = line.split(' - ');
    const [, , device = '', root = '', path = '', options = '', ...tags] = own.split(' ');
    const [kind = '', , ofAll = ''] = rest.split(' ');
    return {
      path: plain(path),
      device,
      root: plain(root),
      kind,
      // The mount itself, or the file system with all of its mounts.
      isReadOnly: [options, ofAll].some((each) => each.split(',').includes('ro')),
      isShared: tags.some((tag) => /^(shared|master):/.test(tag)),
      line,
    };
  });
}

/** A path as it is, without the escapes of the table. */
function plain(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}

/** Where a path is in its file system, by whatever mount it is reached. */
export function placeOf(mounts: readonly Mount[], path: string): string {
  const mount = mountOf(mounts, path);
  if (mount === undefined) return path;
  const [above, below] = [mount.root, path.slice(mount.path.length)].map((each) => each.replace(/^\/|\/$/g, ''));
  return `${mount.device} /${[above, below].filter((each) => each !== '').join('/')}`;
}

/** The mount that a path is in: of several at one place, the last. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const covers = (mount: Mount): boolean =>
    mount.path === '/' || path === mount.path || path.startsWith(`${mount.path}/`);
  return mounts
    .filter(covers)
    .reduce<Mount | undefined>(
      (best, each) => (best !== undefined && best.path.length > each.path.length ? best : each),
      undefined,
    );
}
