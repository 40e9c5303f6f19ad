import { randomInt } from 'node:crypto';
import { NetlinkTcError } from '../error.ts';
import { dumpRequest, NLM_F, nothing, request, type Attributes, type Message, type Request } from '../netlink/index.ts';
import type { BridgeData, GeneveData, MacvlanData, VlanData, VxlanData } from './link-data.ts';
import { LINK, RTM_LINK, type LinkAttributes, type LinkHeader, type LinkPeer, type NetkitData } from './link-format.ts';

/** Flags of a link, `IFF_*` (`linux/if.h`). */
export const IFF = {
  UP: 1,
  BROADCAST: 2,
  LOOPBACK: 8,
  POINTOPOINT: 16,
  RUNNING: 64,
  NOARP: 128,
  PROMISC: 256,
  LOWER_UP: 65536,
} as const;

/** States of RFC 2863, in the order of the kernel's numbers. */
const OPER_STATES = ['unknown', 'notpresent', 'down', 'lowerlayerdown', 'testing', 'dormant', 'up'] as const;

/** `RTEXT_FILTER_SKIP_STATS`: lists are half as long, and nobody here reads statistics. */
const SKIP_STATISTICS = 8;

/** Which link: by index or by name. */
export type LinkReference = number | string;

/** A network namespace to put a link into: an open one (a `Netns` fits), or that of a process. */
export type NetnsTarget = { readonly fd: number } | { readonly pid: number };

/** A link as the kernel tells it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `veth`, `bridge`…; undefined for hardware and loopback. */
  readonly kind: string | undefined;
  /** What the kind has to say, by its table in `link-data.ts`. */
  readonly data: unknown;
  /** `IFF_*`. */
  readonly flags: number;
  /** Whether it is switched on (`IFF_UP`). */
  readonly up: boolean;
  readonly operState: (typeof OPER_STATES)[number];
  readonly mtu: number;
  /** Link-layer address. */
  readonly address: string | undefined;
  readonly broadcast: string | undefined;
  /** Kind of hardware: `ARPHRD_*`; 1 is Ethernet, 772 loopback. */
  readonly type: number;
  /** Index of the bridge or bond that it is a port of. */
  readonly master: number | undefined;
  /** Index of the link below, or of the other end of a pair: in the namespace {@link Link.parentNetnsId}, where that is given. */
  readonly parent: number | undefined;
  readonly parentNetnsId: number | undefined;
  readonly qdisc: string | undefined;
  readonly txQueueLength: number | undefined;
  readonly alias: string | undefined;
  readonly group: number;
}

/** What can be set of a link, when it is made and later. */
export interface LinkOptions {
  readonly mtu?: number;
  /** MAC address. */
  readonly address?: string;
  /** Switches it on or off. */
  readonly up?: boolean;
  /** Index of the bridge or bond to make it a port of; 0 takes it out. */
  readonly master?: number;
  /** Network namespace to put it into. */
  readonly netns?: NetnsTarget;
  readonly txQueueLength?: number;
  readonly alias?: string;
  readonly group?: number;
}

/** A link to make, or the other end of a pair. */
export interface NewLinkOptions extends LinkOptions {
  /** At most 15 bytes; the kernel finds one if left out. */
  readonly name?: string;
  /** Its index; the kernel finds one if left out. */
  readonly index?: number;
  /** Index of the link below: of a VLAN or macvlan. */
  readonly parent?: number;
  readonly txQueues?: number;
  readonly rxQueues?: number;
}

/** What the kinds of links that have a table take as `data`. */
export interface LinkDataOf {
  readonly bridge: BridgeData;
  readonly vlan: VlanData;
  readonly vxlan: VxlanData;
  readonly geneve: GeneveData;
  readonly macvlan: MacvlanData;
  readonly netkit: Omit<NetkitData, 'peer'>;
}

/** A link to make. Kinds without a table take their attributes by number, as `data: { unknown: [{ type, data }] }`. */
export interface LinkSpec<K extends string = string> extends NewLinkOptions {
  readonly kind: K;
  readonly data?: K extends keyof LinkDataOf ? LinkDataOf[K] : Attributes | Uint8Array;
  /** The other end of a veth or netkit pair. A veth's cannot be switched on before its own: do that by {@link setLink}. */
  readonly peer?: Omit<NewLinkOptions, 'up'>;
}

function netnsAttribute(to: NetnsTarget | undefined): LinkAttributes {
  if (to === undefined) return {};
  return 'fd' in to ? { netnsFd: to.fd } : { netnsPid: to.pid };
}

function headerOf({ index = 0, up }: { readonly index?: number; readonly up?: boolean }): Partial<LinkHeader> {
  return { index, flags: up === true ? IFF.UP : 0, change: up === undefined ? 0 : IFF.UP };
}

function attributesOf(options: NewLinkOptions): LinkAttributes {
  const { name, mtu, address, parent, master, netns, txQueueLength, alias, group, txQueues, rxQueues } = options;
  const own = { name, mtu, address, link: parent, master, txQueueLength, alias, group, txQueues, rxQueues };
  return { ...own, ...netnsAttribute(netns) };
}

function target(reference: LinkReference): { header: Partial<LinkHeader>; attributes: LinkAttributes } {
  if (typeof reference === 'string') return { header: {}, attributes: { name: reference } };
  if (Number.isInteger(reference) && reference > 0) return { header: { index: reference }, attributes: {} };
  throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(reference)} is no index of a link`);
}

/**
 * Makes a link. It is not told back: ask by {@link getLink}, in the same batch if you like.
 * @throws NetlinkTcError from the socket: `ERR_EXISTS` when the name is taken, `ERR_UNSUPPORTED` when the kernel lacks the kind
 * @example
 * ```ts
 * await socket.request(addLink({ kind: 'veth', name: 'pod0', up: true, peer: { name: 'eth0', netns: pod } }));
 * ```
 */
export function addLink<K extends string>(spec: LinkSpec<K>): Request<void> {
  const { kind, data, peer } = spec;
  const peerData: LinkPeer | undefined =
    peer === undefined ? undefined : { header: headerOf(peer), attributes: attributesOf(peer) };
  const all = peerData === undefined ? data : { ...data, peer: peerData };
  return request({
    what: `create ${kind} link ${spec.name ?? ''}`.trimEnd(),
    format: LINK,
    type: RTM_LINK.RTM_NEWLINK,
    flags: NLM_F.CREATE | NLM_F.EXCL,
    header: headerOf(spec),
    attributes: { ...attributesOf(spec), info: { kind, data: all } },
    answer: nothing,
  });
}

/**
 * Changes a link: up or down, MTU, MAC address, bridge, namespace, queue length, alias, group; `name` renames it, which running links
 * allow since 6.2 or when they are down.
 */
export function setLink(reference: LinkReference, options: LinkOptions & { readonly name?: string }): Request<void> {
  const { header, attributes } = target(reference);
  if (typeof reference === 'string' && options.name !== undefined) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `cannot rename ${reference} by name`, { hint: 'give its index' });
  }
  return request({
    what: `change link ${reference}`,
    format: LINK,
    type: RTM_LINK.RTM_SETLINK,
    header: { ...header, ...headerOf({ ...header, ...options }) },
    attributes: { ...attributesOf(options), ...attributes },
    answer: nothing,
  });
}

/** Deletes a link; both ends of a pair. The kernel waits after each, for milliseconds: {@link deleteLinks} deletes many. */
export function deleteLink(reference: LinkReference): Request<void> {
  return request({
    what: `delete link ${reference}`,
    format: LINK,
    type: RTM_LINK.RTM_DELLINK,
    ...target(reference),
    answer: nothing,
  });
}

/**
 * Deletes all links of a group at once: the kernel waits once, and not for each.
 * @throws NetlinkTcError `ERR_INVALID_ARGUMENT` for group 0, which every link is in at first; from the socket: `ERR_NOT_FOUND` when none
 * is in it
 */
export function deleteLinkGroup(group: number): Request<void> {
  if (!Number.isInteger(group) || group <= 0) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', `${String(group)} is no group to delete`, {
      hint: 'every link is in group 0 at first',
    });
  }
  return request({
    what: `delete links of group ${group}`,
    format: LINK,
    type: RTM_LINK.RTM_DELLINK,
    attributes: { group },
    answer: nothing,
  });
}

/**
 * Deletes links together, in a batch: they are put into a group of their own, and the group is deleted. By itself each would make the
 * kernel wait for milliseconds; together they wait once.
 * @returns the requests: those for links that are not there fail with `ERR_NOT_FOUND`, and the others are deleted all the same; with one
 * that cannot be deleted (`lo`, hardware) the last request fails with `ERR_UNSUPPORTED`, and all stay, in that group
 * @param group a number that no other link's group has; random if left out
 * @example
 * ```ts
 * await socket.batch(deleteLinks(['pod0', 'pod1', 'pod2']));
 * ```
 */
export function deleteLinks(
  references: readonly LinkReference[],
  group: number = randomInt(2 ** 30, 2 ** 31),
): Request<void>[] {
  const last = deleteLinkGroup(group);
  return references.length === 0 ? [] : [...references.map((each) => setLink(each, { group })), last];
}

/** Reads a link. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function getLink(reference: LinkReference): Request<Link> {
  const { header, attributes } = target(reference);
  return request({
    what: `read link ${reference}`,
    format: LINK,
    type: RTM_LINK.RTM_GETLINK,
    header,
    attributes: { ...attributes, extMask: SKIP_STATISTICS },
    answer: ([message]) => {
      if (message === undefined)
        throw new NetlinkTcError('ERR_PROTOCOL', `link ${reference} was acknowledged without data`);
      return linkOf(message);
    },
  });
}

/** Which links {@link listLinks} lists. The kernel itself leaves the others out. */
export interface LinkFilter {
  readonly kind?: string;
  /** Only ports of this bridge or bond. */
  readonly master?: number;
}

/** Lists links. */
export function listLinks({ kind, master }: LinkFilter = {}): Request<Link[]> {
  return dumpRequest({
    what: 'list links',
    brief: true,
    format: LINK,
    type: RTM_LINK.RTM_GETLINK,
    attributes: { extMask: SKIP_STATISTICS, master, info: kind === undefined ? undefined : { kind } },
    answer: (messages) => messages.map(linkOf),
  });
}

/** Understands a message about a link. */
export function linkOf({ header, attributes }: Message<LinkHeader, LinkAttributes>): Link {
  const { info, link, master, operState = 0, linkNetnsId } = attributes;
  return {
    index: header.index,
    name: attributes.name ?? '',
    kind: info?.kind,
    data: info?.data,
    flags: header.flags,
    up: (header.flags & IFF.UP) !== 0,
    operState: OPER_STATES[operState] ?? 'unknown',
    mtu: attributes.mtu ?? 0,
    address: attributes.address,
    broadcast: attributes.broadcast,
    type: header.type,
    master: master === 0 ? undefined : master,
    parent: link === 0 ? undefined : link,
    parentNetnsId: linkNetnsId,
    qdisc: attributes.qdisc,
    txQueueLength: attributes.txQueueLength,
    alias: attributes.alias,
    group: attributes.group ?? 0,
  };
}
