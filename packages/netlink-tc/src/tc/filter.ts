import { NetlinkTcError } from '../error.ts';
import { LITTLE_ENDIAN } from '../netlink/host.ts';
import { dumpRequest, NLM_F, nothing, request, type Attributes, type Message, type Request } from '../netlink/index.ts';
import { FILTER, RTM_FILTER, type TcAttributes, type TcHeader } from './format.ts';
import { formatHandle, handleNumber, type Handle } from './handle.ts';
import type { BpfFilterOptions, MatchallOptions, U32Options } from './options.ts';

/** Protocols of Ethernet frames that filters choose by (`linux/if_ether.h`). */
export const ETH_P = { ALL: 3, IP: 0x0800, ARP: 0x0806, '8021Q': 0x8100, IPV6: 0x86dd } as const;

/** Where a filter is: these together name exactly one. */
export interface FilterPlace {
  /** Index of the link. */
  readonly device: number;
  /** `ingress` or `egress` of `clsact`, or the handle of another qdisc. */
  readonly parent: Handle;
  /** The lower is asked first; 1 to 65535. */
  readonly priority: number;
  /** `ETH_P`, in the machine's byte order; `ALL` if left out. */
  readonly protocol?: number;
  readonly kind: string;
  /** Its number among those of its priority. */
  readonly handle: number;
  /** Chains other than 0 are reached by jumps only. */
  readonly chain?: number;
}

/** A filter as the kernel tells it. */
export interface Filter extends Required<FilterPlace> {
  readonly parent: number;
  /** What the kind has to say, by its table in `options.ts`. */
  readonly options: unknown;
}

/** What the kinds of filters that have a table take as options. */
export interface FilterOptionsOf {
  readonly bpf: BpfFilterOptions;
  readonly u32: U32Options;
  readonly matchall: MatchallOptions;
}

/** A filter to make. Kinds without a table take their attributes by number, as `{ unknown: [{ type, data }] }`. */
export interface FilterSpec<K extends string = string> extends Omit<FilterPlace, 'priority' | 'handle'> {
  readonly kind: K;
  /** The kernel finds one, below those that are there, if left out. */
  readonly priority?: number;
  /** The kernel finds one if left out. */
  readonly handle?: number;
  readonly options?: K extends keyof FilterOptionsOf ? FilterOptionsOf[K] : Attributes | Uint8Array;
}

function networkOrder(value: number): number {
  return LITTLE_ENDIAN ? ((value & 0xff) << 8) | (value >>> 8) : value;
}

function headerOf(spec: Pick<FilterSpec, 'device' | 'parent' | 'priority' | 'protocol' | 'handle'>): Partial<TcHeader> {
  const { device, parent, priority = 0, protocol = ETH_P.ALL, handle = 0 } = spec;
  for (const [what, value, most] of [
    ['priority', priority, 0xffff],
    ['protocol', protocol, 0xffff],
  ] as const) {
    if (!Number.isInteger(value) || value < 0 || value > most) {
      throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(value)} is no ${what} of a filter`, {
        hint: `0 to ${most}`,
      });
    }
  }
  const info = ((priority << 16) | networkOrder(protocol)) >>> 0;
  return { index: device, parent: handleNumber(parent), handle, info };
}

function describe({
  kind,
  device,
  parent,
  priority,
}: Pick<FilterSpec, 'kind' | 'device' | 'parent' | 'priority'>): string {
  const where = typeof parent === 'number' ? formatHandle(parent) : parent;
  return `${kind} filter${priority === undefined ? '' : ` of priority ${priority}`} on ${where} of link ${device}`;
}

function put(spec: FilterSpec, flags: number, verb: string): Request<Filter> {
  const { kind, chain, options } = spec;
  const what = `${verb} ${describe(spec)}`;
  return request({
    what,
    format: FILTER,
    type: RTM_FILTER.RTM_NEWTFILTER,
    brief: true,
    // The echo tells the priority and handle that the kernel found.
    flags: flags | NLM_F.ECHO,
    header: headerOf(spec),
    attributes: { kind, options, chain },
    answer: (messages) => {
      const made = messages.find(({ type }) => type === RTM_FILTER.RTM_NEWTFILTER);
      if (made === undefined)
        throw new NetlinkTcError('ERR_PROTOCOL', `cannot ${what}: it was done, and not told back`);
      return filterOf(made);
    },
  });
}

/**
 * Makes a filter, and tells the priority and handle it got.
 * @throws NetlinkTcError from the socket: `ERR_EXISTS` when the handle is taken at this priority; `ERR_SYSCALL` (EINVAL) when the link has no such qdisc
 */
export function addFilter<K extends string>(spec: FilterSpec<K>): Request<Filter> {
  return put(spec as FilterSpec, NLM_F.CREATE | NLM_F.EXCL, 'add');
}

/**
 * Makes a filter, or puts it in the place of the one with the same priority **and handle**, with no packet unprocessed in between.
 * Without a handle it is a second filter at that priority.
 */
export function replaceFilter<K extends string>(spec: FilterSpec<K>): Request<Filter> {
  return put(spec as FilterSpec, NLM_F.CREATE, 'replace');
}

/** Deletes one filter. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function deleteFilter(place: FilterPlace): Request<void> {
  return request({
    what: `delete ${describe(place)}`,
    format: FILTER,
    type: RTM_FILTER.RTM_DELTFILTER,
    header: headerOf(place),
    attributes: { kind: place.kind, chain: place.chain },
    answer: nothing,
  });
}

/** Reads one filter. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function getFilter(place: FilterPlace): Request<Filter> {
  return request({
    what: `read ${describe(place)}`,
    format: FILTER,
    type: RTM_FILTER.RTM_GETTFILTER,
    header: headerOf(place),
    attributes: { kind: place.kind, chain: place.chain },
    answer: ([message]) => {
      if (message === undefined) throw new NetlinkTcError('ERR_PROTOCOL', 'the filter was acknowledged without data');
      return filterOf(message);
    },
  });
}

/** Lists the filters of one qdisc of one link, in the order in which they are asked. */
export function listFilters(where: {
  readonly device: number;
  readonly parent: Handle;
  readonly chain?: number;
}): Request<Filter[]> {
  const { device, parent, chain } = where;
  return dumpRequest({
    what: `list filters of link ${device}`,
    brief: true,
    format: FILTER,
    type: RTM_FILTER.RTM_GETTFILTER,
    header: { index: device, parent: handleNumber(parent) },
    attributes: { chain },
    // Each priority is told once by itself, without a handle, before its filters.
    answer: (messages) => messages.map(filterOf).filter(({ handle }) => handle !== 0),
  });
}

/** Understands a message about a filter. */
export function filterOf({ header, attributes }: Message<TcHeader, TcAttributes>): Filter {
  return {
    device: header.index,
    parent: header.parent,
    priority: header.info >>> 16,
    protocol: networkOrder(header.info & 0xffff),
    kind: attributes.kind ?? '',
    handle: header.handle,
    chain: attributes.chain ?? 0,
    options: attributes.options,
  };
}
