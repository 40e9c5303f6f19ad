import { ATTACH_TYPE, type AttachType } from 'bpf-asm';
import { constants } from 'node:os';
import type { Fd, Sys } from '../sys/index.ts';
import { LINK_DETACH_SIZE, LINK_UPDATE, LINK_UPDATE_SIZE } from './attr-table.ts';
import { Attr } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';
import { fillInfo, InfoBuffer, nameOf } from './object-info.ts';

const { ENOLINK, EPERM } = constants.errno;
const REPLACE = 1 << 2;

/** Kinds of links by their numbers (`enum bpf_link_type`). */
export const LINK_TYPE = {
  raw_tracepoint: 1,
  tracing: 2,
  cgroup: 3,
  iter: 4,
  netns: 5,
  xdp: 6,
  perf_event: 7,
  kprobe_multi: 8,
  struct_ops: 9,
  netfilter: 10,
  tcx: 11,
  uprobe_multi: 12,
  netkit: 13,
  sockmap: 14,
} as const;

/** Name of a kind of link. */
export type LinkType = keyof typeof LINK_TYPE;

/** What the kernel tells of a link. Fields that its kind does not have are undefined. */
export interface LinkInfo {
  readonly id: number;
  /** Kind of the link, or its number where it is newer than this package. */
  readonly type: LinkType | number;
  readonly programId: number;
  readonly attachType: AttachType | number | undefined;
  /** Interface of tcx, netkit and xdp; 0 once the interface is gone. */
  readonly ifindex: number | undefined;
  /** Inode of the network namespace; 0 once the namespace is gone. */
  readonly netnsInode: number | undefined;
  readonly cgroupId: bigint | undefined;
  readonly mapId: number | undefined;
}

/** `struct bpf_link_info`: type, id, prog_id, and from 16 on what the kind has. */
const LINK_INFO_SIZE = 40;

/** Reads what the kernel tells of a link (5.8). */
export function readLinkInfo(sys: Sys, fd: number): LinkInfo {
  const info = fillInfo(sys, fd, new InfoBuffer(sys, LINK_INFO_SIZE), `link fd ${fd}`);
  const type = nameOf(LINK_TYPE, info.getU32(0));
  const first = info.getU32(16);
  const at = type === 'cgroup' ? 24 : 20;
  const hasAttachType =
    type === 'tcx' || type === 'netkit' || type === 'netns' || type === 'cgroup' || type === 'sockmap';
  return {
    id: info.getU32(4),
    type,
    programId: info.getU32(8),
    attachType: hasAttachType ? nameOf(ATTACH_TYPE, info.getU32(at)) : undefined,
    ifindex: type === 'tcx' || type === 'netkit' || type === 'xdp' ? first : undefined,
    netnsInode: type === 'netns' ? first : undefined,
    cgroupId: type === 'cgroup' ? info.getU64(16) : undefined,
    mapId: type === 'sockmap' ? first : undefined,
  };
}

/**
 * A program's attachment to a hook, owned. It ends when the last descriptor is closed, unless it is pinned; garbage collection
 * never closes it. Made by `attachTcx` and its sisters, or opened from a pin.
 */
export class BpfLink implements Disposable {
  readonly #sys: Sys;
  readonly #fd: Fd;

  constructor(sys: Sys, fd: Fd) {
    this.#sys = sys;
    this.#fd = fd;
  }

  /** The file descriptor, still owned by this link. @throws NetlinkTcError `ERR_CLOSED` */
  get fd(): number {
    return this.#fd.number;
  }

  /** What the kernel tells of it. */
  info(): LinkInfo {
    return readLinkInfo(this.#sys, this.fd);
  }

  /**
   * Puts another program in place of this one, with no packet in between unprocessed (5.7).
   * @param program of the same type and expected attach type
   * @param options `expected`: refuse (`ERR_PERMISSION`) if the link runs another program than this by now
   * @throws NetlinkTcError `ERR_DETACHED` when what it was attached to is gone, `ERR_EXISTS` when the hook runs that program already
   */
  update(program: { readonly fd: number }, options: { readonly expected?: { readonly fd: number } } = {}): void {
    const { expected } = options;
    const attr = new Attr(this.#sys, LINK_UPDATE_SIZE)
      .u32(LINK_UPDATE.link_fd, this.fd)
      .u32(LINK_UPDATE.new_prog_fd, program.fd)
      .u32(LINK_UPDATE.flags, expected === undefined ? 0 : REPLACE)
      .u32(LINK_UPDATE.old_prog_fd, expected?.fd ?? 0);
    const result = this.#sys.bpf(BPF_COMMAND.BPF_LINK_UPDATE, attr.bytes);
    if (result === 0) return;
    const hint =
      result === -EPERM && expected !== undefined ? 'the link runs another program than the expected one' : undefined;
    throw bpfError(
      this.#sys,
      result,
      'BPF_LINK_UPDATE',
      'cannot replace the program of a link',
      hint === undefined ? {} : { hint },
    );
  }

  /**
   * Takes the program off the hook at once, pinned or not (5.9); the link itself stays, defunct. What is gone already is no error.
   * Detach before a pin is removed where the same program is to be attached again: unpinning alone frees it some time later.
   */
  detach(): void {
    const attr = new Attr(this.#sys, LINK_DETACH_SIZE).u32(0, this.fd);
    const result = this.#sys.bpf(BPF_COMMAND.BPF_LINK_DETACH, attr.bytes);
    if (result < 0 && result !== -ENOLINK) throw bpfError(this.#sys, result, 'BPF_LINK_DETACH', 'cannot detach a link');
  }

  /** Closes the descriptor; the attachment ends with it unless the link is pinned. A second call does nothing. */
  close(): void {
    this.#fd.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
