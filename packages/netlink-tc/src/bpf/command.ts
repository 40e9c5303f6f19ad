import { systemError, type NetlinkTcError, type SystemErrorContext } from '../error.ts';
import type { Sys } from '../sys/index.ts';
import { explainPermission, type Capability } from './permission.ts';

/** Commands of bpf(2) by their kernel names (`enum bpf_cmd` in Linux' include/uapi/linux/bpf.h). */
export const BPF_COMMAND = {
  BPF_MAP_CREATE: 0,
  BPF_MAP_LOOKUP_ELEM: 1,
  BPF_MAP_UPDATE_ELEM: 2,
  BPF_MAP_DELETE_ELEM: 3,
  BPF_MAP_GET_NEXT_KEY: 4,
  BPF_PROG_LOAD: 5,
  BPF_OBJ_PIN: 6,
  BPF_OBJ_GET: 7,
  BPF_PROG_ATTACH: 8,
  BPF_PROG_DETACH: 9,
  BPF_PROG_TEST_RUN: 10,
  BPF_PROG_GET_NEXT_ID: 11,
  BPF_MAP_GET_NEXT_ID: 12,
  BPF_PROG_GET_FD_BY_ID: 13,
  BPF_MAP_GET_FD_BY_ID: 14,
  BPF_OBJ_GET_INFO_BY_FD: 15,
  BPF_PROG_QUERY: 16,
  BPF_BTF_LOAD: 18,
  BPF_BTF_GET_FD_BY_ID: 19,
  BPF_MAP_LOOKUP_AND_DELETE_ELEM: 21,
  BPF_MAP_FREEZE: 22,
  BPF_BTF_GET_NEXT_ID: 23,
  BPF_MAP_LOOKUP_BATCH: 24,
  BPF_MAP_LOOKUP_AND_DELETE_BATCH: 25,
  BPF_MAP_UPDATE_BATCH: 26,
  BPF_MAP_DELETE_BATCH: 27,
  BPF_LINK_CREATE: 28,
  BPF_LINK_UPDATE: 29,
  BPF_LINK_GET_FD_BY_ID: 30,
  BPF_LINK_GET_NEXT_ID: 31,
  BPF_ENABLE_STATS: 32,
  BPF_LINK_DETACH: 34,
} as const;

/** Name of a command of bpf(2). */
export type BpfCommand = keyof typeof BPF_COMMAND;

/** What {@link bpfError} may say beyond the error number. */
export interface BpfErrorContext extends SystemErrorContext {
  /** What the command needs, for the hint of EPERM; `CAP_BPF` where nothing is said. */
  readonly needs?: readonly Capability[];
}

/**
 * The error for a bpf(2) command that failed. EPERM gets a hint that says which capability, limit or setting is missing.
 * @param result the negative error number
 */
export function bpfError(
  sys: Sys,
  result: number,
  command: BpfCommand,
  message: string,
  context: BpfErrorContext = {},
): NetlinkTcError {
  const { needs = ['CAP_BPF'], ...rest } = context;
  const hint = rest.hint ?? (result === -1 ? explainPermission(sys, needs) : undefined);
  return systemError(result, `bpf(${command})`, message, hint === undefined ? rest : { ...rest, hint });
}
