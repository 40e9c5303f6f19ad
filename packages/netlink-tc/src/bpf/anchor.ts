import { NetlinkTcError } from '../error.ts';
import { checkU32 } from './attr.ts';

/** A program or link to stand beside: an open one, or its id (for which the kernel asks CAP_SYS_ADMIN to find it, not to use it). */
export type Neighbour =
  { readonly program: { readonly fd: number } | number } | { readonly link: { readonly fd: number } | number };

/**
 * Where on a hook with many programs (tcx, netkit) a new one goes. The default is `tail`. Programs run from head to tail until one
 * returns something else than "next".
 *
 * There is no order that replaces: the kernel makes no link in the place of another one or of a program without a link (it looks for
 * the new link on the hook and answers ENOENT; kernel/bpf/mprog.c). `BpfLink.update` puts another program into a link, and
 * `attachProgram` with `replace` takes the place of a program without one.
 */
export type Order = 'head' | 'tail' | { readonly before: Neighbour } | { readonly after: Neighbour };

/** `BPF_F_BEFORE`, `BPF_F_AFTER`, `BPF_F_ID`, `BPF_F_LINK` of Linux' include/uapi/linux/bpf.h (6.6). */
const BEFORE = 1 << 3;
const AFTER = 1 << 4;
const BY_ID = 1 << 5;
const IS_LINK = 1 << 13;

/** An order as bpf(2) takes it. */
export interface Anchor {
  readonly flags: number;
  readonly relative: number;
}

/** @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for an order that is none */
export function anchorOf(order: Order | undefined): Anchor {
  if (order === undefined) return { flags: 0, relative: 0 };
  if (order === 'head') return { flags: BEFORE, relative: 0 };
  if (order === 'tail') return { flags: AFTER, relative: 0 };
  if (typeof order === 'object' && order !== null) {
    if ('before' in order) return beside(BEFORE, order.before);
    if ('after' in order) return beside(AFTER, order.after);
    if ('replace' in order) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'a new link cannot replace what is on the hook', {
        hint: 'put the program into the link that is there: link.update(program); without links, use attachProgram with replace',
      });
    }
  }
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `there is no order ${String(order)}`, {
    hint: "use 'head', 'tail', { before } or { after }",
  });
}

function beside(flags: number, neighbour: Neighbour): Anchor {
  const isLink = 'link' in neighbour;
  const target = isLink ? neighbour.link : neighbour.program;
  const kind = flags | (isLink ? IS_LINK : 0);
  if (typeof target === 'number')
    return { flags: kind | BY_ID, relative: checkU32('the id of the neighbour', target, 1) };
  return { flags: kind, relative: target.fd };
}
