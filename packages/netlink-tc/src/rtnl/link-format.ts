import { i32, struct, u16, u32, u8, type Layout } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import { policy, type Attributes, type AttributeKind, type MessageFormat, type Policy } from '../netlink/index.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import { readAttributes, writeAttributes } from '../netlink/policy.ts';
import { LINK_DATA } from './link-data.ts';

/** `struct ifinfomsg` (`linux/rtnetlink.h`). */
export interface LinkHeader {
  readonly family: number;
  /** Kind of hardware: `ARPHRD_*`. */
  readonly type: number;
  readonly index: number;
  /** `IFF_*`. */
  readonly flags: number;
  /** Which of the flags to change. */
  readonly change: number;
}

/** Layout of {@link LinkHeader}. */
export const LINK_HEADER: Layout<LinkHeader, LinkHeader> = native(
  struct('ifinfomsg', { family: u8, type: u16, index: i32, flags: u32, change: u32 }),
);

/** `IFLA_LINKINFO`: what kind of link it is. */
export interface LinkInfoAttributes extends Attributes {
  readonly kind?: string | undefined;
  /** What the kind has to say: see `link-data.ts`. */
  readonly data?: unknown;
  /** Kind of the link that this one is a port of. */
  readonly portKind?: string | undefined;
  readonly portData?: unknown;
}

/** Attributes of links, `IFLA_*` (`linux/if_link.h`). Those that this package does not use stay under `unknown`. */
export interface LinkAttributes extends Attributes {
  readonly address?: string | undefined;
  readonly broadcast?: string | undefined;
  readonly name?: string | undefined;
  readonly mtu?: number | undefined;
  /** Index of the link below: of a VLAN, and the other end of a veth. */
  readonly link?: number | undefined;
  readonly qdisc?: string | undefined;
  /** Index of the bridge or bond that it is a port of; 0 takes it out. */
  readonly master?: number | undefined;
  readonly txQueueLength?: number | undefined;
  readonly operState?: number | undefined;
  readonly linkMode?: number | undefined;
  readonly info?: LinkInfoAttributes | undefined;
  readonly netnsPid?: number | undefined;
  readonly alias?: string | undefined;
  readonly group?: number | undefined;
  readonly netnsFd?: number | undefined;
  /** What to leave out of lists: bit 3 statistics. */
  readonly extMask?: number | undefined;
  readonly promiscuity?: number | undefined;
  readonly txQueues?: number | undefined;
  readonly rxQueues?: number | undefined;
  readonly carrier?: number | undefined;
  /** Id of the namespace that `link` is an index of; -1 where it has none here. */
  readonly linkNetnsId?: number | undefined;
  readonly targetNetnsId?: number | undefined;
  readonly newNetnsId?: number | undefined;
  readonly newIndex?: number | undefined;
  readonly minMtu?: number | undefined;
  readonly maxMtu?: number | undefined;
  readonly altName?: string | undefined;
  readonly permanentAddress?: string | undefined;
}

/** The other end of a pair: a header and attributes of its own. */
export interface LinkPeer {
  readonly header?: Partial<LinkHeader> | undefined;
  readonly attributes?: LinkAttributes | undefined;
}

/** `VETH_INFO_*` (`linux/veth.h`). The kernel never tells them. */
export interface VethData extends Attributes {
  readonly peer?: LinkPeer | undefined;
}

/** `IFLA_NETKIT_*` (`linux/if_link.h`, 6.7). */
export interface NetkitData extends Attributes {
  readonly peer?: LinkPeer | undefined;
  readonly primary?: boolean | undefined;
  /** What becomes of packets that no program decides on. */
  readonly policy?: 'pass' | 'drop' | number | undefined;
  readonly peerPolicy?: 'pass' | 'drop' | number | undefined;
  readonly mode?: 'l2' | 'l3' | number | undefined;
}

/** The peer of a pair: the fixed struct of a link, then its attributes. */
const PEER: AttributeKind<LinkPeer> = {
  label: `struct ${LINK_HEADER.label} and attributes`,
  min: LINK_HEADER.size,
  max: 0xffff,
  nested: true,
  skip: LINK_HEADER.size,
  table: () => LINK_POLICY as Policy,
  write(writer: MessageWriter, { header, attributes = {} }: LinkPeer): void {
    const fields = { family: 0, type: 0, index: 0, flags: 0, change: 0, ...header };
    a.structure(LINK_HEADER).write(writer, fields, {});
    writeAttributes(writer, LINK_POLICY, attributes);
  },
  read: (data) => ({
    header: LINK_HEADER.read(data, 0),
    attributes: readAttributes(LINK_POLICY, data.subarray(LINK_HEADER.size)),
  }),
};

const NETKIT_POLICY = { pass: 0, drop: 2 };
const VETH: Policy<VethData> = policy<VethData>({ peer: [1, 'VETH_INFO_PEER', PEER] });
const NETKIT: Policy<NetkitData> = policy<NetkitData>({
  peer: [1, 'IFLA_NETKIT_PEER_INFO', PEER],
  primary: [2, 'IFLA_NETKIT_PRIMARY', a.bool],
  policy: [3, 'IFLA_NETKIT_POLICY', a.named(a.u32, NETKIT_POLICY)],
  peerPolicy: [4, 'IFLA_NETKIT_PEER_POLICY', a.named(a.u32, NETKIT_POLICY)],
  mode: [5, 'IFLA_NETKIT_MODE', a.named(a.u32, { l2: 0, l3: 1 })],
});

/** Longest name of a link, in bytes. */
export const MAX_LINK_NAME = 15;

const LINK_INFO: Policy<LinkInfoAttributes> = policy<LinkInfoAttributes>({
  kind: [1, 'IFLA_INFO_KIND', a.text(55)],
  data: [
    2,
    'IFLA_INFO_DATA',
    a.byKind('kind', { ...LINK_DATA, veth: a.nest(VETH), netkit: a.nest(NETKIT) }) as AttributeKind<
      NonNullable<unknown>
    >,
  ],
  portKind: [4, 'IFLA_INFO_SLAVE_KIND', a.text(55)],
  portData: [5, 'IFLA_INFO_SLAVE_DATA', a.byKind('portKind', {}) as AttributeKind<NonNullable<unknown>>],
});

/** Table of {@link LinkAttributes}. */
export const LINK_POLICY: Policy<LinkAttributes> = policy<LinkAttributes>({
  address: [1, 'IFLA_ADDRESS', a.mac],
  broadcast: [2, 'IFLA_BROADCAST', a.mac],
  name: [3, 'IFLA_IFNAME', a.text(MAX_LINK_NAME)],
  mtu: [4, 'IFLA_MTU', a.u32],
  link: [5, 'IFLA_LINK', a.u32],
  qdisc: [6, 'IFLA_QDISC', a.text(15)],
  master: [10, 'IFLA_MASTER', a.u32],
  txQueueLength: [13, 'IFLA_TXQLEN', a.u32],
  operState: [16, 'IFLA_OPERSTATE', a.u8],
  linkMode: [17, 'IFLA_LINKMODE', a.u8],
  info: [18, 'IFLA_LINKINFO', a.nest(LINK_INFO)],
  netnsPid: [19, 'IFLA_NET_NS_PID', a.u32],
  alias: [20, 'IFLA_IFALIAS', a.text(255)],
  group: [27, 'IFLA_GROUP', a.u32],
  netnsFd: [28, 'IFLA_NET_NS_FD', a.u32],
  extMask: [29, 'IFLA_EXT_MASK', a.u32],
  promiscuity: [30, 'IFLA_PROMISCUITY', a.u32],
  txQueues: [31, 'IFLA_NUM_TX_QUEUES', a.u32],
  rxQueues: [32, 'IFLA_NUM_RX_QUEUES', a.u32],
  carrier: [33, 'IFLA_CARRIER', a.u8],
  linkNetnsId: [37, 'IFLA_LINK_NETNSID', a.i32],
  newNetnsId: [45, 'IFLA_NEW_NETNSID', a.i32],
  targetNetnsId: [46, 'IFLA_TARGET_NETNSID', a.i32],
  newIndex: [49, 'IFLA_NEW_IFINDEX', a.i32],
  minMtu: [50, 'IFLA_MIN_MTU', a.u32],
  maxMtu: [51, 'IFLA_MAX_MTU', a.u32],
  altName: [53, 'IFLA_ALT_IFNAME', a.text(127)],
  permanentAddress: [54, 'IFLA_PERM_ADDRESS', a.mac],
});

/** Types of messages about links. */
export const RTM_LINK = { RTM_NEWLINK: 16, RTM_DELLINK: 17, RTM_GETLINK: 18, RTM_SETLINK: 19 } as const;

/** How messages about links look. */
export const LINK: MessageFormat<LinkHeader, LinkAttributes> = {
  noun: 'link',
  header: LINK_HEADER,
  policy: LINK_POLICY,
  types: RTM_LINK,
};
