import { ATTACH_TYPE } from 'bpf-asm';
import { constants } from 'node:os';
import type { Sys } from '../sys/index.ts';
import type { ProgramTarget } from './attach-program.ts';
import { PROG_QUERY, PROG_QUERY_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';

const { ENOSPC } = constants.errno;
const ATTEMPTS = 20;

/** One program on a hook, in the order they run. */
export interface HookEntry {
  readonly programId: number;
  /** Id of the link that holds it; 0 where it was attached without one, or the hook does not tell. */
  readonly linkId: number;
}

/** What is attached to a hook. */
export interface HookState {
  readonly entries: readonly HookEntry[];
  /** Number of changes so far, for `expectedRevision`; 0 where the hook does not count (only tcx and netkit do). */
  readonly revision: bigint;
}

/**
 * What is attached to a hook: a control group, a network namespace, a sockmap, the tcx or netkit hook of an interface.
 * First kernels: control groups 4.15, namespaces 5.9, tcx 6.6, netkit 6.7.
 */
export function queryHook(sys: Sys, { target, attachType }: ProgramTarget): HookState {
  const isOrdered = attachType.startsWith('tcx') || attachType.startsWith('netkit');
  let room = 16;
  for (let attempt = 0; ; attempt += 1) {
    const programs = new Uint32Array(room);
    const links = new Uint32Array(isOrdered ? room : 0);
    const attr = new Attr(sys, PROG_QUERY_SIZE)
      .u32(PROG_QUERY.target_fd, target)
      .u32(PROG_QUERY.attach_type, ATTACH_TYPE[attachType])
      .u32(PROG_QUERY.prog_cnt, room)
      .pointer(PROG_QUERY.prog_ids, new Uint8Array(programs.buffer))
      .pointer(PROG_QUERY.link_ids, new Uint8Array(links.buffer));
    const result = sys.bpf(BPF_COMMAND.BPF_PROG_QUERY, attr.bytes);
    const count = attr.getU32(PROG_QUERY.prog_cnt);
    if (result === -ENOSPC && attempt < ATTEMPTS) {
      room = Math.max(room * 2, count);
      continue;
    }
    if (result < 0) {
      throw bpfError(sys, result, 'BPF_PROG_QUERY', `cannot query ${attachType} of ${target}`, {
        needs: ['CAP_NET_ADMIN'],
      });
    }
    return {
      entries: Array.from({ length: count }, (_, i) => ({ programId: programs[i] ?? 0, linkId: links[i] ?? 0 })),
      revision: isOrdered ? attr.getU64(PROG_QUERY.revision) : 0n,
    };
  }
}
