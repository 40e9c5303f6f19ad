import { ATTACH_TYPE, type AttachType } from 'bpf-asm';
import { constants } from 'node:os';
import { isNetlinkTcError, NetlinkTcError, systemError } from '../error.ts';
import { cString, type Fd, type Sys } from '../sys/index.ts';
import { anchorOf, type Order } from './anchor.ts';
import { LINK_CREATE, LINK_CREATE_ORDERED_SIZE, LINK_CREATE_SIZE, PROG_QUERY, PROG_QUERY_SIZE } from './attr-table.ts';
import { Attr, checkU32 } from './attr.ts';
import { BPF_COMMAND, bpfError } from './command.ts';
import { BpfLink } from './link.ts';

const { EEXIST, EINVAL, ENODEV, ENOENT, ESTALE, EBUSY } = constants.errno;
const AT_FDCWD = -100;
const O_CLOEXEC = 0x80000;

/** A loaded program, as attaching takes it. */
export interface Attachable {
  readonly fd: number;
}

/** Options of {@link attachTcx} and {@link attachNetkit}. */
export interface OrderedOptions {
  /** Where among the hook's programs; last where nothing is said. */
  readonly order?: Order;
  /** Refuse (`ERR_STALE`) if the hook has changed since `queryHook` told this revision. */
  readonly expectedRevision?: bigint;
}

/** Side of an interface: `ingress` is what arrives from outside, `egress` what leaves. */
export type Direction = 'ingress' | 'egress';

/** Hints that hold for every hook with an order. */
const ORDERED_HINTS: Readonly<Record<number, string>> = {
  [EEXIST]: 'this very program is on the hook already: load it a second time, or update the link that has it',
  [ENOENT]: 'the neighbour is not on this hook',
  [ESTALE]: 'the hook has changed since the revision was read: query it again',
};

/**
 * Attaches a `sched_cls` program to an interface by tcx (6.6): several programs an interface, in an order, beside the filters of
 * clsact, which run after them.
 * @throws NetlinkTcError `ERR_UNSUPPORTED` where the kernel has no tcx, `ERR_EXISTS`, `ERR_STALE`, `ERR_NOT_FOUND`
 * @example
 * ```ts
 * const link = attachTcx(sys, program, ifindex, 'ingress', { order: 'head' });
 * ```
 */
export function attachTcx(
  sys: Sys,
  program: Attachable,
  ifindex: number,
  direction: Direction,
  options: OrderedOptions = {},
): BpfLink {
  const attachType = choose('direction', direction, { ingress: 'tcx_ingress', egress: 'tcx_egress' } as const);
  return ordered(sys, program, ifindex, attachType, options, `tcx ${direction} of interface ${ifindex}`);
}

/** Attaches a `sched_cls` program to a netkit device (6.7): `primary` is the host's end, `peer` the other. */
export function attachNetkit(
  sys: Sys,
  program: Attachable,
  ifindex: number,
  end: 'primary' | 'peer',
  options: OrderedOptions = {},
): BpfLink {
  const attachType = choose('end', end, { primary: 'netkit_primary', peer: 'netkit_peer' } as const);
  return ordered(sys, program, ifindex, attachType, options, `netkit ${end} of interface ${ifindex}`);
}

function ordered(
  sys: Sys,
  program: Attachable,
  ifindex: number,
  attachType: AttachType,
  { order, expectedRevision = 0n }: OrderedOptions,
  what: string,
): BpfLink {
  checkU32('the interface index', ifindex, 1);
  const { flags, relative } = anchorOf(order);
  const attr = new Attr(sys, LINK_CREATE_ORDERED_SIZE)
    .u32(LINK_CREATE.relative_fd, relative)
    .u64(LINK_CREATE.expected_revision, expectedRevision);
  try {
    return create(sys, attr, { program, target: ifindex, attachType, flags, what, hints: ORDERED_HINTS });
  } catch (error) {
    if (!isNetlinkTcError(error) || error.errno !== EINVAL || hasOrderedHook(sys, attachType) !== false) throw error;
    throw new NetlinkTcError('ERR_UNSUPPORTED', `this kernel has no ${attachType}`, {
      cause: error,
      hint: attachType.startsWith('tcx') ? 'tcx is of Linux 6.6: use a filter of clsact' : 'netkit is of Linux 6.7',
    });
  }
}

/**
 * Whether the kernel knows a hook of tcx or netkit: asked about an interface that cannot be, it says so only if it does.
 * @returns the negative error number where it cannot be told
 */
export function hasOrderedHook(sys: Sys, attachType: AttachType): boolean | number {
  const attr = new Attr(sys, PROG_QUERY_SIZE)
    .u32(PROG_QUERY.target_fd, 0x7fff_ffff)
    .u32(PROG_QUERY.attach_type, ATTACH_TYPE[attachType]);
  const result = sys.bpf(BPF_COMMAND.BPF_PROG_QUERY, attr.bytes);
  if (result === -ENODEV || result === 0) return true;
  return result === -EINVAL ? false : result;
}

/** How an XDP program runs: in the driver, in the network stack, or on the card; the kernel chooses between the first two if unsaid. */
export type XdpMode = 'driver' | 'generic' | 'offload';

/** Attaches an `xdp` program to an interface (5.9). */
export function attachXdp(
  sys: Sys,
  program: Attachable,
  ifindex: number,
  options: { readonly mode?: XdpMode } = {},
): BpfLink {
  checkU32('the interface index', ifindex, 1);
  const { mode } = options;
  const flags = mode === undefined ? 0 : choose('mode', mode, { generic: 2, driver: 4, offload: 8 } as const);
  return create(sys, new Attr(sys, LINK_CREATE_SIZE), {
    program,
    target: ifindex,
    attachType: 'xdp',
    flags,
    what: `XDP of interface ${ifindex}`,
    hints: {
      [EBUSY]: 'the interface has an XDP program already',
      [EEXIST]: 'the interface has an XDP program already',
    },
  });
}

/**
 * Attaches a program to a control group (5.7).
 * @param path directory of the group in the cgroup v2 hierarchy
 * @param attachType what the program hooks, such as `cgroup_inet_egress` or `cgroup_inet4_connect`
 */
export function attachCgroup(sys: Sys, program: Attachable, path: string, attachType: AttachType): BpfLink {
  using group = openPath(sys, path, `control group ${path}`);
  return create(sys, new Attr(sys, LINK_CREATE_SIZE), {
    program,
    target: group.number,
    attachType,
    flags: 0,
    what: `${attachType} of control group ${path}`,
    hints: { [EINVAL]: 'the path must be of the cgroup v2 hierarchy, and the attach type that of the program' },
  });
}

/**
 * Attaches a `sk_lookup` program to a network namespace (5.9).
 * @param namespace path of the namespace (`/run/netns/a`, `/proc/1/ns/net`), or an open descriptor
 */
export function attachNetns(sys: Sys, program: Attachable, namespace: string | { readonly fd: number }): BpfLink {
  const create_ = (fd: number, what: string): BpfLink =>
    create(sys, new Attr(sys, LINK_CREATE_SIZE), {
      program,
      target: fd,
      attachType: 'sk_lookup',
      flags: 0,
      what,
      hints: {},
    });
  if (typeof namespace !== 'string') return create_(namespace.fd, 'a network namespace');
  using opened = openPath(sys, namespace, `network namespace ${namespace}`);
  return create_(opened.number, `network namespace ${namespace}`);
}

/** Attaches a verdict program to a sockmap or sockhash by a link (6.10); `attachProgram` does it on older kernels. */
export function attachSockmap(
  sys: Sys,
  program: Attachable,
  map: { readonly fd: number },
  attachType: 'sk_msg_verdict' | 'sk_skb_verdict' | 'sk_skb_stream_parser' | 'sk_skb_stream_verdict',
): BpfLink {
  return create(sys, new Attr(sys, LINK_CREATE_SIZE), {
    program,
    target: map.fd,
    attachType,
    flags: 0,
    what: `${attachType} of a sockmap`,
    hints: { [EINVAL]: 'this kernel may have no sockmap links (6.10): attach the program without one' },
  });
}

interface Attachment {
  readonly program: Attachable;
  readonly target: number;
  readonly attachType: AttachType;
  readonly flags: number;
  /** The hook, for the error. */
  readonly what: string;
  readonly hints: Readonly<Record<number, string>>;
}

function create(sys: Sys, attr: Attr, { program, target, attachType, flags, what, hints }: Attachment): BpfLink {
  if (!Object.hasOwn(ATTACH_TYPE, attachType)) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no attach type ${String(attachType)}`);
  }
  attr.u32(LINK_CREATE.prog_fd, program.fd).u32(LINK_CREATE.target_fd, target);
  attr.u32(LINK_CREATE.attach_type, ATTACH_TYPE[attachType]).u32(LINK_CREATE.flags, flags);
  const result = sys.bpf(BPF_COMMAND.BPF_LINK_CREATE, attr.bytes);
  if (result >= 0) return new BpfLink(sys, sys.fds.own(result, `link to ${what}`));
  const hint = hints[-result];
  throw bpfError(sys, result, 'BPF_LINK_CREATE', `cannot attach to ${what}`, {
    needs: ['CAP_BPF', 'CAP_NET_ADMIN'],
    ...(hint === undefined ? {} : { hint }),
  });
}

/** Opens a path for reading. */
function openPath(sys: Sys, path: string, what: string): Fd {
  const fd = sys.call('openat', AT_FDCWD, cString(path), O_CLOEXEC, 0);
  if (fd < 0) throw systemError(fd, 'openat', `cannot open ${what}`);
  return sys.fds.own(fd, what);
}

function choose<K extends string, V>(what: string, key: K, table: Readonly<Record<K, V>>): V {
  if (!Object.hasOwn(table, key)) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no ${what} ${String(key)}`, {
      hint: Object.keys(table).join(', '),
    });
  }
  return table[key];
}
