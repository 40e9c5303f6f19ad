import { constants } from 'node:os';
import type { Fd, Sys } from '../sys/index.ts';
import { ENABLE_STATS_SIZE, GET_ID, GET_ID_SIZE } from './attr-table.ts';
import { Attr, checkU32 } from './attr.ts';
import { readBtfInfo, type BtfInfo } from './btf.ts';
import { BPF_COMMAND, bpfError, type BpfCommand } from './command.ts';
import { readLinkInfo, type LinkInfo } from './link.ts';
import { readMapInfo, type MapInfo } from './map-info.ts';
import { BpfObject, type ObjectKind } from './object.ts';
import { readProgramInfo, type ProgramInfo } from './program-info.ts';

const { ENOENT } = constants.errno;

const COMMANDS: Readonly<Record<ObjectKind, { readonly next: BpfCommand; readonly open: BpfCommand }>> = {
  program: { next: 'BPF_PROG_GET_NEXT_ID', open: 'BPF_PROG_GET_FD_BY_ID' },
  map: { next: 'BPF_MAP_GET_NEXT_ID', open: 'BPF_MAP_GET_FD_BY_ID' },
  btf: { next: 'BPF_BTF_GET_NEXT_ID', open: 'BPF_BTF_GET_FD_BY_ID' },
  link: { next: 'BPF_LINK_GET_NEXT_ID', open: 'BPF_LINK_GET_FD_BY_ID' },
};

/** Ids of all objects of a kind, ascending (4.13; BTF 5.1, links 5.8). Objects that come meanwhile may be missing. */
export function* objectIds(sys: Sys, kind: ObjectKind): Generator<number> {
  const command = COMMANDS[kind].next;
  const attr = new Attr(sys, GET_ID_SIZE);
  for (let id = 0; ;) {
    const result = sys.bpf(BPF_COMMAND[command], attr.u32(GET_ID.start_id, id).bytes);
    if (result === -ENOENT) return;
    if (result < 0)
      throw bpfError(sys, result, command, `cannot list the ids of ${kind} objects`, { needs: ['CAP_SYS_ADMIN'] });
    id = attr.getU32(GET_ID.next_id);
    yield id;
  }
}

/** Opens an object by its id; undefined where there is none (any more). */
export function openById(sys: Sys, kind: ObjectKind, id: number): BpfObject | undefined {
  const command = COMMANDS[kind].open;
  const attr = new Attr(sys, GET_ID_SIZE).u32(GET_ID.start_id, checkU32(`the id of a ${kind}`, id, 1));
  const result = sys.bpf(BPF_COMMAND[command], attr.bytes);
  if (result === -ENOENT) return undefined;
  if (result < 0) throw bpfError(sys, result, command, `cannot open ${kind} ${id}`, { needs: ['CAP_SYS_ADMIN'] });
  return new BpfObject(kind, sys.fds.own(result, `${kind} ${id}`));
}

/** What the kernel tells of each kind of object. */
export interface InfoOf {
  readonly program: ProgramInfo;
  readonly map: MapInfo;
  readonly link: LinkInfo;
  readonly btf: BtfInfo;
}

const READ: { readonly [K in ObjectKind]: (sys: Sys, fd: number) => InfoOf[K] } = {
  program: readProgramInfo,
  map: readMapInfo,
  link: readLinkInfo,
  btf: readBtfInfo,
};

/** What the kernel tells of all objects of a kind; those that go away while it is read are passed over. */
export function* objects<K extends ObjectKind>(sys: Sys, kind: K): Generator<InfoOf[K]> {
  for (const id of objectIds(sys, kind)) {
    using object = openById(sys, kind, id);
    if (object !== undefined) yield READ[kind](sys, object.fd);
  }
}

/** Lets the kernel count runs and run time of every program (5.8) until the owner is closed. Costs each run some nanoseconds. */
export function enableStatistics(sys: Sys): Fd {
  const result = sys.bpf(BPF_COMMAND.BPF_ENABLE_STATS, new Attr(sys, ENABLE_STATS_SIZE).bytes);
  if (result < 0)
    throw bpfError(sys, result, 'BPF_ENABLE_STATS', 'cannot turn statistics on', { needs: ['CAP_SYS_ADMIN'] });
  return sys.fds.own(result, 'statistics');
}
