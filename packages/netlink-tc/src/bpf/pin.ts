import type { MapDefinition } from 'bpf-asm';
import { mkdirSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { NetlinkTcError, systemError } from '../error.ts';
import { cString, type Sys } from '../sys/index.ts';
import { OBJ, OBJ_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';
import { BpfLink } from './link.ts';
import { adoptMap, type MapOf } from './map-create.ts';
import { BpfObject, type ObjectKind } from './object.ts';

const { EACCES, EPERM, EINVAL, ENOENT, EEXIST } = constants.errno;
const BPF_F_RDONLY = 1 << 3;

/** How a pin is opened. */
export interface OpenPinnedOptions {
  /** The kernel then refuses (`ERR_PERMISSION`) every change through this descriptor; maps only (4.15). */
  readonly readOnly?: boolean;
}

/** Where bpffs is mounted in this mount namespace, in the order of mounting. */
export function findBpffs(): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => / - bpf /.test(line))
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    );
}

/**
 * Sees to it that bpffs is mounted at `path`, and mounts it there where it is not (which needs CAP_SYS_ADMIN).
 * @returns whether it had to be mounted
 */
export function ensureBpffs(sys: Sys, path = '/sys/fs/bpf'): boolean {
  if (findBpffs().includes(path)) return false;
  mkdirSync(path, { recursive: true });
  const result = sys.call('mount', cString('bpf'), cString(path), cString('bpf'), 0, null);
  if (result < 0)
    throw systemError(result, 'mount', `cannot mount bpffs at ${path}`, {
      hint: 'it needs CAP_SYS_ADMIN in the mount namespace',
    });
  return true;
}

/**
 * Gives an object a name in bpffs (4.4): it lives until the name is removed, whatever becomes of this process.
 * @param path in bpffs; its parts may not contain a dot
 * @throws NetlinkTcError `ERR_EXISTS`
 */
export function pin(sys: Sys, object: { readonly fd: number }, path: string): void {
  const attr = new Attr(sys, OBJ_SIZE).pointer(OBJ.pathname, cString(path)).u32(OBJ.bpf_fd, object.fd);
  const result = sys.bpf(BPF_COMMAND.BPF_OBJ_PIN, attr.bytes);
  if (result < 0) throw pathError(sys, result, 'BPF_OBJ_PIN', `cannot pin to ${path}`, path);
}

/** Pins an object in the place of whatever has the name: at no time is the name without an object. */
export function repin(sys: Sys, object: { readonly fd: number }, path: string): void {
  const fresh = `${path}_${process.pid}_new`;
  rmSync(fresh, { force: true });
  pin(sys, object, fresh);
  try {
    renameSync(fresh, path);
  } catch (error) {
    rmSync(fresh, { force: true });
    throw error;
  }
}

/** Removes a name; tells whether it was there. Detach a link first where its program is to be attached again at once. */
export function unpin(path: string): boolean {
  try {
    rmSync(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

const KIND_OF_LINK: Readonly<Record<string, ObjectKind>> = {
  'anon_inode:bpf-map': 'map',
  'anon_inode:bpf-prog': 'program',
  'anon_inode:bpf_link': 'link',
  'anon_inode:bpf-link': 'link',
};

/** Opens what has a name in bpffs, whatever it is. @throws NetlinkTcError `ERR_NOT_FOUND`, `ERR_PERMISSION` */
export function openPinned(sys: Sys, path: string, { readOnly = false }: OpenPinnedOptions = {}): BpfObject {
  const attr = new Attr(sys, OBJ_SIZE)
    .pointer(OBJ.pathname, cString(path))
    .u32(OBJ.file_flags, readOnly ? BPF_F_RDONLY : 0);
  const result = sys.bpf(BPF_COMMAND.BPF_OBJ_GET, attr.bytes);
  if (result < 0) throw pathError(sys, result, 'BPF_OBJ_GET', `cannot open the pin ${path}`, path);
  const fd = sys.fds.own(result, `pin ${path}`);
  try {
    const link = readlinkSync(`/proc/self/fd/${result}`).replace(/\[|\]/g, '');
    const kind = KIND_OF_LINK[link];
    if (kind === undefined)
      throw new NetlinkTcError('ERR_UNSUPPORTED', `the pin ${path} is ${link}, which is not known here`);
    return new BpfObject(kind, fd);
  } catch (error) {
    fd.close();
    throw error;
  }
}

function openPinnedAs(sys: Sys, path: string, kind: ObjectKind, options?: OpenPinnedOptions): BpfObject {
  const object = openPinned(sys, path, options);
  if (object.kind === kind) return object;
  object.close();
  throw new NetlinkTcError('ERR_INCOMPATIBLE', `the pin ${path} is a ${object.kind}, not a ${kind}`);
}

/** Opens a pinned program. */
export function openPinnedProgram(sys: Sys, path: string): BpfObject {
  return openPinnedAs(sys, path, 'program');
}

/** Opens a pinned link (5.7). */
export function openPinnedLink(sys: Sys, path: string): BpfLink {
  return new BpfLink(sys, openPinnedAs(sys, path, 'link').take());
}

/**
 * Opens a pinned map for what a definition says.
 * @throws NetlinkTcError `ERR_INCOMPATIBLE` that lists every field that differs
 */
export function openPinnedMap<const D extends MapDefinition>(
  sys: Sys,
  path: string,
  definition: D,
  options: OpenPinnedOptions = {},
): MapOf<D> {
  return adoptMap(sys, openPinnedAs(sys, path, 'map', options).take(), definition);
}

function pathError(
  sys: Sys,
  result: number,
  command: 'BPF_OBJ_PIN' | 'BPF_OBJ_GET',
  message: string,
  path: string,
): NetlinkTcError {
  // Made only when asked for: that nothing is pinned is often no error to the caller.
  const hints: Readonly<Record<number, () => string>> = {
    [EPERM]: () =>
      /\.[^/]*$/.test(path)
        ? 'names in bpffs may not contain a dot'
        : `the path must be in bpffs (${findBpffs().join(', ') || 'mounted nowhere'}), and writable`,
    [EACCES]: () =>
      `the user ${process.geteuid?.() ?? 'of this process'} may not use this path: run it as root, or change its owner or mode`,
    [EINVAL]: () => 'the path must be in bpffs, and what is there a BPF object',
    [ENOENT]: () => (command === 'BPF_OBJ_PIN' ? 'the directory is not there' : 'nothing is pinned there'),
    [EEXIST]: () => 'something is pinned there already: repin replaces it',
  };
  const hint = hints[-result]?.();
  return bpfError(sys, result, command, message, hint === undefined ? {} : { hint });
}
