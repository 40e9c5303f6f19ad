import { ATTACH_TYPE, type AttachType } from 'bpf-asm';
import { constants } from 'node:os';
import type { Sys } from '../sys/index.ts';
import type { Attachable } from './attach.ts';
import { PROG_ATTACH, PROG_ATTACH_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';

const { ENOENT } = constants.errno;
const ALLOW_MULTI = 1 << 1;
const REPLACE = 1 << 2;

/** A place that holds programs by itself, without links: a control group, a sockmap, a network interface's tcx hook. */
export interface ProgramTarget {
  /** Descriptor of the control group or map, or index of the interface. */
  readonly target: number;
  readonly attachType: AttachType;
}

/**
 * Attaches a program without a link (4.10): for kernels that have no link for the hook. It stays until {@link detachProgram}, or
 * until its control group, map or interface goes: nothing ends with this process.
 * @param options `multi`: beside others (control groups); `replace`: in the place of this program (control groups 5.5, tcx 6.6)
 */
export function attachProgram(
  sys: Sys,
  program: Attachable,
  { target, attachType }: ProgramTarget,
  options: { readonly multi?: boolean; readonly replace?: Attachable } = {},
): void {
  const { multi = false, replace } = options;
  const attr = new Attr(sys, PROG_ATTACH_SIZE)
    .u32(PROG_ATTACH.target_fd, target)
    .u32(PROG_ATTACH.attach_bpf_fd, program.fd)
    .u32(PROG_ATTACH.attach_type, ATTACH_TYPE[attachType])
    .u32(PROG_ATTACH.attach_flags, (multi ? ALLOW_MULTI : 0) | (replace === undefined ? 0 : REPLACE))
    .u32(PROG_ATTACH.replace_bpf_fd, replace?.fd ?? 0);
  const result = sys.bpf(BPF_COMMAND.BPF_PROG_ATTACH, attr.bytes);
  if (result < 0) {
    throw bpfError(sys, result, 'BPF_PROG_ATTACH', `cannot attach to ${attachType}`, {
      needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
    });
  }
}

/** Detaches a program that was attached without a link; tells whether it was there. */
export function detachProgram(sys: Sys, program: Attachable, { target, attachType }: ProgramTarget): boolean {
  const attr = new Attr(sys, PROG_ATTACH_SIZE)
    .u32(PROG_ATTACH.target_fd, target)
    .u32(PROG_ATTACH.attach_bpf_fd, program.fd)
    .u32(PROG_ATTACH.attach_type, ATTACH_TYPE[attachType]);
  const result = sys.bpf(BPF_COMMAND.BPF_PROG_DETACH, attr.bytes);
  if (result < 0 && result !== -ENOENT)
    throw bpfError(sys, result, 'BPF_PROG_DETACH', `cannot detach from ${attachType}`);
  return result === 0;
}
