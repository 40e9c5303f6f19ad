import { i32, struct, u32, u8, type Layout } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import { policy, type AttributeKind, type Attributes, type MessageFormat, type Policy } from '../netlink/index.ts';
import { FILTER_OPTIONS, QDISC_OPTIONS } from './options.ts';

/** `struct tcmsg` (`linux/rtnetlink.h`). */
export interface TcHeader {
  readonly family: number;
  /** Index of the link. */
  readonly index: number;
  readonly handle: number;
  readonly parent: number;
  /** Of filters: priority in the upper half, protocol in network order in the lower. */
  readonly info: number;
}

/** Attributes of qdiscs and filters, `TCA_*`. */
export interface TcAttributes extends Attributes {
  readonly kind?: string | undefined;
  /** By kind: see `options.ts`. */
  readonly options?: unknown;
  /** Whether a list is to have the qdiscs that tc(8) does not show. */
  readonly dumpInvisible?: true | undefined;
  readonly chain?: number | undefined;
  readonly ingressBlock?: number | undefined;
  readonly egressBlock?: number | undefined;
  /** The kernel's remark on a change that others made (6.3). */
  readonly warning?: string | undefined;
}

const HEADER: Layout<TcHeader, TcHeader> = native(
  struct('tcmsg', { family: u8, index: i32, handle: u32, parent: u32, info: u32 }),
);

function table(options: Readonly<Record<string, AttributeKind>>): Policy<TcAttributes> {
  return policy<TcAttributes>({
    kind: [1, 'TCA_KIND', a.text(15)],
    options: [2, 'TCA_OPTIONS', a.byKind('kind', options) as AttributeKind<NonNullable<unknown>>],
    dumpInvisible: [10, 'TCA_DUMP_INVISIBLE', a.flag],
    chain: [11, 'TCA_CHAIN', a.u32],
    ingressBlock: [13, 'TCA_INGRESS_BLOCK', a.u32],
    egressBlock: [14, 'TCA_EGRESS_BLOCK', a.u32],
    warning: [16, 'TCA_EXT_WARN_MSG', a.text(4096)],
  });
}

/** Types of messages about qdiscs. */
export const RTM_QDISC = { RTM_NEWQDISC: 36, RTM_DELQDISC: 37, RTM_GETQDISC: 38 } as const;
/** Types of messages about filters. */
export const RTM_FILTER = { RTM_NEWTFILTER: 44, RTM_DELTFILTER: 45, RTM_GETTFILTER: 46 } as const;

/** How messages about qdiscs look. */
export const QDISC: MessageFormat<TcHeader, TcAttributes> = {
  noun: 'qdisc',
  header: HEADER,
  policy: table(QDISC_OPTIONS),
  types: RTM_QDISC,
};

/** How messages about filters look. */
export const FILTER: MessageFormat<TcHeader, TcAttributes> = {
  noun: 'filter',
  header: HEADER,
  policy: table(FILTER_OPTIONS),
  types: RTM_FILTER,
};
