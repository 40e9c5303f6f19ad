import type { Machine } from './machine.ts';

/** A mount of this process's mount namespace (`/proc/self/mountinfo`, proc(5)). */
export interface Mount {
  readonly path: string;
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
    const [, , , , path = '', options = '', ...tags] = own.split(' ');
    return {
      path: path.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
      kind: rest.split(' ')[0] ?? '',
      isReadOnly: options.split(',').includes('ro'),
      isShared: tags.some((tag) => /^(shared|master):/.test(tag)),
      line,
    };
  });
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
