import { NetlinkTcError } from '../error.ts';
import { dumpRequest, NLM_F, nothing, request, type Attributes, type Message, type Request } from '../netlink/index.ts';
import { QDISC, RTM_QDISC, type TcAttributes, type TcHeader } from './format.ts';
import { formatHandle, handleNumber, TC_H, type Handle } from './handle.ts';
import type { FifoOptions, FqOptions, PrioOptions, TbfOptions } from './options.ts';

/** A qdisc as the kernel tells it. */
export interface Qdisc {
  /** Index of the link. */
  readonly device: number;
  readonly kind: string;
  readonly handle: number;
  readonly parent: number;
  /** What the kind has to say, by its table in `options.ts`. */
  readonly options: unknown;
}

/** What the kinds of qdiscs that have a table take as options. `clsact`, `ingress` and `noqueue` take none. */
export interface QdiscOptionsOf {
  readonly tbf: TbfOptions;
  readonly fq: FqOptions;
  readonly prio: PrioOptions;
  readonly pfifo: FifoOptions;
  readonly bfifo: FifoOptions;
}

/** A qdisc to make. Kinds without a table take their attributes by number, as `{ unknown: [{ type, data }] }`. */
export interface QdiscSpec<K extends string = string> {
  /** Index of the link. */
  readonly device: number;
  readonly kind: K;
  /** `clsact` for `clsact` and `ingress`, else `root`, if left out. */
  readonly parent?: Handle;
  /** The kernel finds one if left out. */
  readonly handle?: Handle;
  readonly options?: K extends keyof QdiscOptionsOf ? QdiscOptionsOf[K] : Attributes | Uint8Array;
}

function isIngress(kind: string): boolean {
  return kind === 'clsact' || kind === 'ingress';
}

function place({ device, kind, parent, handle }: QdiscSpec): Partial<TcHeader> {
  const ingress = isIngress(kind);
  return {
    index: device,
    parent: handleNumber(parent ?? (ingress ? 'clsact' : 'root')),
    handle: handleNumber(handle ?? (ingress ? TC_H.CLSACT_HANDLE : 0)),
  };
}

function put(spec: QdiscSpec, flags: number, verb: string): Request<Qdisc> {
  const { device, kind, options } = spec;
  return request({
    what: `${verb} ${kind} qdisc of link ${device}`,
    format: QDISC,
    type: RTM_QDISC.RTM_NEWQDISC,
    brief: true,
    // The echo tells the handle that the kernel found.
    flags: flags | NLM_F.ECHO,
    header: place(spec),
    attributes: { kind, options },
    answer: (messages) => {
      const made = messages.find(({ type }) => type === RTM_QDISC.RTM_NEWQDISC);
      if (made === undefined) throw new NetlinkTcError('ERR_PROTOCOL', `the ${kind} qdisc was made, and not told back`);
      return qdiscOf(made);
    },
  });
}

/** Makes a qdisc. @throws NetlinkTcError from the socket: `ERR_EXISTS` when another has its place */
export function addQdisc<K extends string>(spec: QdiscSpec<K>): Request<Qdisc> {
  return put(spec as QdiscSpec, NLM_F.CREATE | NLM_F.EXCL, 'add');
}

/** Makes a qdisc, or puts it in the place of the one that is there. */
export function replaceQdisc<K extends string>(spec: QdiscSpec<K>): Request<Qdisc> {
  return put(spec as QdiscSpec, NLM_F.CREATE | NLM_F.REPLACE, 'replace');
}

/**
 * Deletes a qdisc with all of its filters, whoever made them.
 * @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` when there is none, or one that the kernel put there itself
 */
export function deleteQdisc(spec: {
  readonly device: number;
  readonly parent: Handle;
  readonly handle?: Handle;
}): Request<void> {
  const { device, parent, handle = 0 } = spec;
  return request({
    what: `delete qdisc of link ${device}`,
    format: QDISC,
    type: RTM_QDISC.RTM_DELQDISC,
    header: { index: device, parent: handleNumber(parent), handle: handleNumber(handle) },
    answer: nothing,
  });
}

/** Reads the qdisc that hangs at a parent. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function getQdisc(device: number, parent: Handle): Request<Qdisc> {
  return request({
    what: `read qdisc ${typeof parent === 'number' ? formatHandle(parent) : parent} of link ${device}`,
    format: QDISC,
    type: RTM_QDISC.RTM_GETQDISC,
    // The kernel answers as it notifies of a change: to the group only, unless the echo is asked for.
    flags: NLM_F.ECHO,
    header: { index: device, parent: handleNumber(parent) },
    answer: ([message]) => {
      // Those that the kernel put there itself (noqueue, noop) are acknowledged, and not told.
      if (message === undefined) throw new NetlinkTcError('ERR_NOT_FOUND', `link ${device} has no qdisc there`);
      return qdiscOf(message);
    },
  });
}

/** Lists qdiscs. The kernel always sends those of all links; those of others are left out here. */
export function listQdiscs(filter: { readonly device?: number } = {}): Request<Qdisc[]> {
  const { device } = filter;
  return dumpRequest({
    what: 'list qdiscs',
    brief: true,
    format: QDISC,
    type: RTM_QDISC.RTM_GETQDISC,
    header: device === undefined ? {} : { index: device },
    answer: (messages) => messages.map(qdiscOf).filter((qdisc) => device === undefined || qdisc.device === device),
  });
}

/** Understands a message about a qdisc. */
export function qdiscOf({ header, attributes }: Message<TcHeader, TcAttributes>): Qdisc {
  return {
    device: header.index,
    kind: attributes.kind ?? '',
    handle: header.handle,
    parent: header.parent,
    options: attributes.options,
  };
}
