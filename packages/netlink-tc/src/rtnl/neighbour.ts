import { i32, struct, u16, u8 } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import {
  dumpRequest,
  NLM_F,
  nothing,
  policy,
  request,
  type Attributes,
  type Message,
  type MessageFormat,
  type Request,
} from '../netlink/index.ts';
import { familyName, familyNumber, familyOf, type Family } from './prefix.ts';
import { isIp } from './route-format.ts';

/** `struct ndmsg` (`linux/neighbour.h`). */
export interface NeighbourHeader {
  readonly family: number;
  readonly index: number;
  readonly state: number;
  readonly flags: number;
  readonly type: number;
}

/** Attributes of neighbours, `NDA_*`. */
export interface NeighbourAttributes extends Attributes {
  readonly address?: string | undefined;
  readonly linkAddress?: string | undefined;
  readonly device?: number | undefined;
  readonly protocol?: number | undefined;
}

/** Types of messages about neighbours. */
export const RTM_NEIGHBOUR = { RTM_NEWNEIGH: 28, RTM_DELNEIGH: 29, RTM_GETNEIGH: 30 } as const;

/** How messages about neighbours look. */
export const NEIGHBOUR: MessageFormat<NeighbourHeader, NeighbourAttributes> = {
  noun: 'neighbour',
  header: native(struct('ndmsg', { family: u8, index: i32, state: u16, flags: u8, type: u8 })),
  policy: policy<NeighbourAttributes>({
    address: [1, 'NDA_DST', a.ip],
    linkAddress: [2, 'NDA_LLADDR', a.mac],
    device: [8, 'NDA_IFINDEX', a.u32],
    protocol: [12, 'NDA_PROTOCOL', a.u8],
  }),
  types: RTM_NEIGHBOUR,
};

const STATES = {
  none: 0,
  incomplete: 1,
  reachable: 2,
  stale: 4,
  delay: 8,
  probe: 16,
  failed: 32,
  noarp: 64,
  permanent: 128,
} as const;

/** What the kernel knows of a neighbour, `NUD_*`. */
export type NeighbourState = keyof typeof STATES;

/** Flags of a neighbour, `NTF_*`. */
export const NTF = { USE: 1, SELF: 2, MASTER: 4, PROXY: 8, EXT_LEARNED: 16, STICKY: 64, ROUTER: 128 } as const;

/** A neighbour of a link: an address and the link-layer address it is reached at. */
export interface NeighbourEntry {
  /** Index of the link. */
  readonly device: number;
  readonly family: Family;
  readonly address: string;
  readonly linkAddress: string | undefined;
  readonly state: NeighbourState | number;
  /** `NTF_*`. */
  readonly flags: number;
}

/** A neighbour to add, or the one to delete. */
export interface NeighbourSpec {
  readonly device: number;
  readonly address: string;
  readonly linkAddress?: string;
  /** `permanent` if left out. */
  readonly state?: NeighbourState;
  /** `NTF_*`. */
  readonly flags?: number;
}

function change(type: number, flags: number, verb: string, spec: NeighbourSpec): Request<void> {
  const { device, address, linkAddress, state = 'permanent', flags: neighbourFlags = 0 } = spec;
  return request({
    what: `${verb} neighbour ${address} of link ${device}`,
    format: NEIGHBOUR,
    type,
    flags,
    header: { family: familyNumber(familyOf(address)), index: device, state: STATES[state], flags: neighbourFlags },
    attributes: { address, linkAddress },
    answer: nothing,
  });
}

/** Adds a neighbour. @throws NetlinkTcError from the socket: `ERR_EXISTS` */
export function addNeighbour(spec: NeighbourSpec): Request<void> {
  return change(RTM_NEIGHBOUR.RTM_NEWNEIGH, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds a neighbour or changes the one that is there. */
export function replaceNeighbour(spec: NeighbourSpec): Request<void> {
  return change(RTM_NEIGHBOUR.RTM_NEWNEIGH, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes a neighbour. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function deleteNeighbour(spec: Pick<NeighbourSpec, 'device' | 'address' | 'flags'>): Request<void> {
  return change(RTM_NEIGHBOUR.RTM_DELNEIGH, 0, 'delete', { ...spec, state: 'none' });
}

/** Lists neighbours: of one link and one family where they are given (the kernel leaves the others out). */
export function listNeighbours(
  filter: { readonly device?: number; readonly family?: Family } = {},
): Request<NeighbourEntry[]> {
  return dumpRequest({
    what: 'list neighbours',
    brief: true,
    format: NEIGHBOUR,
    type: RTM_NEIGHBOUR.RTM_GETNEIGH,
    header: { family: familyNumber(filter.family) },
    attributes: { device: filter.device },
    answer: (messages) => messages.filter(({ header }) => isIp(header.family)).map(neighbourOf),
  });
}

/** Understands a message about a neighbour. */
export function neighbourOf({ header, attributes }: Message<NeighbourHeader, NeighbourAttributes>): NeighbourEntry {
  const { address = '', linkAddress } = attributes;
  const state = (Object.keys(STATES) as NeighbourState[]).find((name) => STATES[name] === header.state) ?? header.state;
  return { device: header.index, family: familyName(header.family), address, linkAddress, state, flags: header.flags };
}
