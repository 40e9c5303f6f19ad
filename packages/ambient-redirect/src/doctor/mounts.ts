import { hasOwn } from './container.ts';
import { area, type Area, type Finding } from './finding.ts';
import { mountOf, readMounts } from './mount-table.ts';
import type { MachineScene } from './scene.ts';

/** Codes of what is found of mounts. */
export type MountCode =
  'mounts-bpffs' | 'mounts-no-bpffs' | 'mounts-elsewhere' | 'mounts-bpffs-read-only' | 'mounts-bpffs-private';

const SEE = ['findmnt -t bpf', 'grep " - bpf " /proc/self/mountinfo'];

/** Where things can be pinned. */
export const MOUNTS: Area<MountCode> = area('mounts', {
  'mounts-bpffs': {
    severity: 'ok',
    title: 'The directory of the engine is in a bpffs',
    cause: 'What is pinned there lives on when the process ends.',
    see: SEE,
    remedy: 'Nothing to do.',
  },
  'mounts-no-bpffs': {
    severity: 'warning',
    title: 'No bpffs is mounted where the engine has its directory',
    cause:
      'Maps, links and programs are pinned in a bpffs, so that they outlive the process. The engine mounts one at /sys/fs/bpf where there is none; in a container that is a mount of the container, and is gone with it, with all that is pinned.',
    see: SEE,
    remedy:
      'Mount it on the node (`mount -t bpf bpf /sys/fs/bpf`; systemd does it by itself), and in a container mount the /sys/fs/bpf of the node (`hostPath`).',
  },
  'mounts-elsewhere': {
    severity: 'error',
    title: 'The directory of the engine is in no bpffs',
    cause: 'Nothing but a bpffs can hold what is pinned, and the engine mounts one at /sys/fs/bpf alone.',
    see: SEE,
    remedy: 'Name a directory in a bpffs by `--directory`, or mount one there.',
  },
  'mounts-bpffs-read-only': {
    severity: 'error',
    title: 'The bpffs cannot be written',
    cause: 'It is mounted read-only: nothing can be pinned.',
    see: SEE,
    remedy: 'Mount it again with `rw`; in Kubernetes, take `readOnly` off the volume mount.',
  },
  'mounts-bpffs-private': {
    severity: 'warning',
    title: 'The bpffs may be that of this container alone',
    cause:
      'The process is in a container, and its bpffs takes no part in the mounts of the node. If it is one of its own, all that is pinned is gone when the container ends, and with tcx redirection ends with it.',
    see: SEE,
    remedy:
      'Mount the /sys/fs/bpf of the node: a `hostPath` volume with `mountPropagation: Bidirectional`. If it is that of the node already, nothing to do.',
  },
});

/** Where the engine mounts a bpffs by itself. */
const USUAL = '/sys/fs/bpf';

/** Looks whether the directory is in a bpffs that lasts. */
export function checkMounts({ machine, directory }: MachineScene): Finding[] {
  const mounts = readMounts(machine);
  const mount = mountOf(mounts, directory);
  const all = mounts.filter(({ kind }) => kind === 'bpf').map(({ line }) => line);
  if (mount?.kind !== 'bpf') {
    const where = `${directory} is in ${mount?.path ?? 'nothing'} (${mount?.kind ?? 'not mounted'})`;
    const evidence = [where, ...(all.length === 0 ? ['/proc/self/mountinfo: no bpffs'] : all)];
    const code = `${directory}/`.startsWith(`${USUAL}/`) ? 'mounts-no-bpffs' : 'mounts-elsewhere';
    return [MOUNTS.finding(code, directory, evidence)];
  }
  if (mount.isReadOnly) return [MOUNTS.finding('mounts-bpffs-read-only', mount.path, [mount.line])];
  // Without a pid namespace of its own a process is hardly in a container.
  const code = hasOwn(machine, 'pid') && !mount.isShared ? 'mounts-bpffs-private' : 'mounts-bpffs';
  return [MOUNTS.finding(code, mount.path, [mount.line])];
}
