import {
  isNetlinkTcError,
  listFilters,
  listLinks,
  openById,
  openPinnedProgram,
  queryHook,
  readProgramInfo,
  type BpfFilterOptions,
  type Direction,
  type Link,
  type Sys,
} from 'netlink-tc';
import { constants } from 'node:os';
import { lockHolder } from '../engine/lock.ts';
import { OWNER } from '../engine/pod-record.ts';
import { area, type Area, type Finding } from './finding.ts';
import { placeOf, readMounts } from './mount-table.ts';
import { ourPrograms, type MachineScene, type NetworkScene } from './scene.ts';

/** Codes of what is found of what earlier engines left. */
export type LeftoverCode = 'leftover-none' | 'leftover-filter' | 'leftover-link' | 'leftover-directory';

/** What nobody looks after. */
export const LEFTOVERS: Area<LeftoverCode> = area('leftovers', {
  'leftover-none': {
    severity: 'ok',
    title: 'Nothing of an earlier engine is left',
    cause: 'Every program with a name of ours is recorded in a state, and there is no other state.',
    see: ['bpftool net show', 'find /sys/fs/bpf -name records'],
    remedy: 'Nothing to do.',
  },
  'leftover-filter': {
    severity: 'error',
    title: 'A filter of clsact has a name of ours, and no state knows it',
    cause:
      'The state was removed by hand, and the filter went on: it redirects or drops by maps that nobody changes any more.',
    see: ['tc filter show dev DEV ingress', 'tc filter show dev DEV egress'],
    remedy:
      'Take it away by tc(8), with exactly this priority and handle: `tc filter del dev DEV SIDE pref PRIORITY handle HANDLE bpf`. Then enroll the pod anew.',
  },
  'leftover-link': {
    severity: 'error',
    title: 'A program of tcx has a name of ours, and no state knows it',
    cause:
      'Its link is held by a process, or by a pin in a place that is not known here: it redirects or drops by maps that nobody here changes.',
    see: ['bpftool net show dev DEV', 'bpftool link show', 'find /sys/fs/bpf'],
    remedy: 'Remove the pin of the link, end the process that holds it, or `bpftool link detach id LINK`.',
  },
  'leftover-directory': {
    severity: 'warning',
    title: 'There is the state of another engine',
    cause:
      'Another engine works on this node, or one has ended without tearing down: a demo, a test, or a self-test of the doctor that was killed. Two engines that enroll the same pods take the traffic from each other.',
    see: ['find /sys/fs/bpf -name records'],
    remedy: 'If no engine uses it any more: `ambient-redirect teardown --directory DIR`.',
  },
});

const DIRECTIONS: readonly Direction[] = ['ingress', 'egress'];
/** Names of programs that are on hooks of the host. */
const NAMES: ReadonlySet<string | undefined> = new Set([...Object.values(OWNER), 'ztunnel_host_in']);

/** Looks for states, filters and links that nobody looks after. */
export async function checkLeftovers(scene: NetworkScene): Promise<Finding[]> {
  const others = otherStates(scene);
  const looked = others.map((path) =>
    LEFTOVERS.finding('leftover-directory', path, contents(scene, path), { DIR: path }),
  );
  // Of what an engine at work has made since its state was looked at, and of a state that cannot be read, it is not known what is where.
  const known = new Set(scene.status?.programs.map(({ id }) => id));
  const unknown = pinnedPrograms(scene, scene.directory).filter((id) => !known.has(id));
  const elsewhere = new Set([...unknown, ...others.flatMap((path) => pinnedPrograms(scene, path))]);
  const found = [...looked, ...(await strays(scene, elsewhere))];
  return found.length > 0 ? found : [LEFTOVERS.finding('leftover-none', 'the host', [])];
}

/** Directories of a bpffs that have the records of an engine, each by one of its paths, but for the one that is looked at. */
function otherStates({ machine, directory }: MachineScene): readonly string[] {
  const mounts = readMounts(machine);
  const paths = mounts
    .filter(({ kind }) => kind === 'bpf')
    .flatMap(({ path: root }) => machine.list(root).map((name) => `${root}/${name}`));
  // The bpffs of the node may be mounted at several places: what is there is one all the same.
  const byPlace = new Map(paths.toReversed().map((path) => [placeOf(mounts, path), path]));
  byPlace.delete(placeOf(mounts, directory));
  return [...byPlace.values()].filter((path) => versionOf(machine, path) !== undefined).toSorted();
}

/** The directory of the version that has the records. */
function versionOf(machine: MachineScene['machine'], path: string): string | undefined {
  return machine
    .list(path)
    .filter((name) => /^v\d+$/.test(name))
    .find((name) => machine.list(`${path}/${name}/maps`).includes('records'));
}

function contents({ machine }: MachineScene, path: string): string[] {
  const folder = `${path}/${versionOf(machine, path) ?? ''}`;
  const links = machine.list(`${folder}/links`);
  const holder = holderOf(path);
  return [
    `${folder}/links: ${links.length === 0 ? 'nothing' : links.join(', ')}`,
    `${folder}/programs: ${machine.list(`${folder}/programs`).length}`,
    holder === undefined ? 'no process has its lock' : `in use by process ${holder}`,
  ];
}

/** Which process has the lock of a state. */
function holderOf(path: string): number | undefined {
  try {
    return lockHolder(path);
  } catch (error) {
    // It was torn down meanwhile.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Ids of the programs that a state has pinned. */
function pinnedPrograms({ sys, machine }: MachineScene, path: string): readonly number[] {
  const folder = `${path}/${versionOf(machine, path) ?? ''}/programs`;
  return machine.list(folder).flatMap((name) => {
    try {
      using program = openPinnedProgram(sys, `${folder}/${name}`);
      return [readProgramInfo(sys, program.fd).id];
    } catch (error) {
      // It was unpinned meanwhile, or is not ours to open.
      if (isNetlinkTcError(error)) return [];
      throw error;
    }
  });
}

/** Programs of our names at places that no state has. */
async function strays(scene: NetworkScene, elsewhere: ReadonlySet<number>): Promise<Finding[]> {
  const { sys, host } = scene;
  const names = new Map<number, string | undefined>();
  const nameOf = (id: number): string | undefined => {
    if (!names.has(id)) names.set(id, programName(sys, id));
    return names.get(id);
  };
  const links = await host.socket.request(listLinks());
  const found: Finding[] = [];
  for (const link of links.filter(({ kind }) => kind === 'veth' || kind === 'netkit')) {
    for (const direction of DIRECTIONS) {
      const ours = ourPrograms(scene, link.index, direction);
      const isStray = (id: number | undefined, name: string | undefined): boolean =>
        NAMES.has(name) && (id === undefined || !(elsewhere.has(id) || ours.has(id)));
      const place = `${link.name} ${direction}`;
      for (const { programId, linkId } of tcxEntries(scene, link, direction)) {
        const name = nameOf(programId);
        if (!isStray(programId, name)) continue;
        const evidence = [`program ${name} id ${programId} link_id ${linkId}`];
        found.push(LEFTOVERS.finding('leftover-link', place, evidence, { LINK: `${linkId}` }));
      }
      for (const { name, id, priority, handle } of await filtersOf(scene, link, direction)) {
        if (!isStray(id, name)) continue;
        const places = { DEV: link.name, SIDE: direction, PRIORITY: `${priority}`, HANDLE: `0x${handle.toString(16)}` };
        const evidence = [`filter ${name} pref ${priority} handle ${places.HANDLE} id ${id ?? '?'}`];
        found.push(LEFTOVERS.finding('leftover-filter', place, evidence, places));
      }
    }
  }
  return found;
}

function programName(sys: Sys, id: number): string | undefined {
  using object = openById(sys, 'program', id);
  return object === undefined ? undefined : readProgramInfo(sys, object.fd).name;
}

function tcxEntries(
  { sys, host }: NetworkScene,
  { index: target }: Link,
  direction: Direction,
): ReturnType<typeof queryHook>['entries'] {
  try {
    return host.netns.run(() => queryHook(sys, { target, attachType: `tcx_${direction}` })).entries;
  } catch (error) {
    // No tcx, or no link any more.
    if (isNetlinkTcError(error) && (error.errno === constants.errno.EINVAL || error.code === 'ERR_NOT_FOUND'))
      return [];
    throw error;
  }
}

interface FoundFilter {
  readonly name: string | undefined;
  readonly id: number | undefined;
  readonly priority: number;
  readonly handle: number;
}

async function filtersOf({ host }: NetworkScene, { index: device }: Link, parent: Direction): Promise<FoundFilter[]> {
  const { EINVAL, ENOENT, EOPNOTSUPP } = constants.errno;
  try {
    const filters = await host.socket.request(listFilters({ device, parent }));
    const bpf = filters.filter(({ kind }) => kind === 'bpf');
    return bpf.map(({ priority, handle, options }) => {
      const { name, id } = (options ?? {}) as BpfFilterOptions;
      return { name, id, priority, handle };
    });
  } catch (error) {
    if (isNetlinkTcError(error) && [EINVAL, ENOENT, EOPNOTSUPP].some((errno) => errno === error.errno)) return [];
    throw error;
  }
}
