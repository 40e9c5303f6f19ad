import { struct, u32, u8 } from 'bpf-asm/layout';
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
import { familyName, familyNumber, parsePrefix, type Family } from './prefix.ts';

/** `struct ifaddrmsg` (`linux/if_addr.h`). */
export interface AddressHeader {
  readonly family: number;
  readonly prefixLength: number;
  readonly flags: number;
  readonly scope: number;
  readonly index: number;
}

/** Attributes of addresses, `IFA_*`. */
export interface AddressAttributes extends Attributes {
  /** The other end of a point-to-point link; else the address itself. */
  readonly address?: string | undefined;
  readonly local?: string | undefined;
  readonly label?: string | undefined;
  readonly broadcast?: string | undefined;
  readonly flags?: number | undefined;
  readonly priority?: number | undefined;
  readonly targetNetnsId?: number | undefined;
}

/** Types of messages about addresses. */
export const RTM_ADDRESS = { RTM_NEWADDR: 20, RTM_DELADDR: 21, RTM_GETADDR: 22 } as const;

/** How messages about addresses look. */
export const ADDRESS: MessageFormat<AddressHeader, AddressAttributes> = {
  noun: 'address',
  header: native(struct('ifaddrmsg', { family: u8, prefixLength: u8, flags: u8, scope: u8, index: u32 })),
  policy: policy<AddressAttributes>({
    address: [1, 'IFA_ADDRESS', a.ip],
    local: [2, 'IFA_LOCAL', a.ip],
    label: [3, 'IFA_LABEL', a.text(15)],
    broadcast: [4, 'IFA_BROADCAST', a.ip],
    flags: [8, 'IFA_FLAGS', a.u32],
    priority: [9, 'IFA_RT_PRIORITY', a.u32],
    targetNetnsId: [10, 'IFA_TARGET_NETNSID', a.i32],
  }),
  types: RTM_ADDRESS,
};

/** Flags of an address, `IFA_F_*`. */
export const IFA_F = {
  SECONDARY: 1,
  NODAD: 2,
  DADFAILED: 8,
  DEPRECATED: 32,
  TENTATIVE: 64,
  PERMANENT: 128,
  NOPREFIXROUTE: 512,
} as const;

const SCOPES = { global: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

/** How far an address or route is good for, `RT_SCOPE_*`. */
export type Scope = keyof typeof SCOPES;

/** Number of a scope. */
export function scopeNumber(scope: Scope): number {
  return SCOPES[scope];
}

/** Name of a scope; numbers that administrators made up stay numbers. */
export function scopeName(number: number): Scope | number {
  return (Object.keys(SCOPES) as Scope[]).find((name) => SCOPES[name] === number) ?? number;
}

/** An address of a link. */
export interface Address {
  /** Index of the link. */
  readonly device: number;
  readonly family: Family;
  readonly address: string;
  readonly prefixLength: number;
  /** The other end, where the link is point-to-point and it was given. */
  readonly peer: string | undefined;
  readonly broadcast: string | undefined;
  readonly scope: Scope | number;
  /** `IFA_F_*`. */
  readonly flags: number;
  readonly label: string | undefined;
}

/** An address to add, or the one to delete. */
export interface AddressSpec {
  /** Index of the link. */
  readonly device: number;
  /** With its prefix length: `10.0.0.1/24`; without, all bits. */
  readonly address: string;
  readonly peer?: string;
  readonly broadcast?: string;
  readonly scope?: Scope;
  /** `IFA_F_*`: `NODAD` makes an IPv6 address usable at once. */
  readonly flags?: number;
  readonly label?: string;
}

function change(type: number, flags: number, verb: string, spec: AddressSpec): Request<void> {
  const { device, address: text, peer, broadcast, scope = 'global', flags: addressFlags, label } = spec;
  const { family, address, length } = parsePrefix(text);
  return request({
    what: `${verb} address ${text} on link ${device}`,
    format: ADDRESS,
    type,
    flags,
    header: { family: familyNumber(family), prefixLength: length, scope: scopeNumber(scope), index: device },
    attributes: { local: address, address: peer ?? address, broadcast, flags: addressFlags, label },
    answer: nothing,
  });
}

/** Adds an address. @throws NetlinkTcError from the socket: `ERR_EXISTS` */
export function addAddress(spec: AddressSpec): Request<void> {
  return change(RTM_ADDRESS.RTM_NEWADDR, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds an address, or changes the flags of the one that is there. */
export function replaceAddress(spec: AddressSpec): Request<void> {
  return change(RTM_ADDRESS.RTM_NEWADDR, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes an address. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function deleteAddress(spec: Pick<AddressSpec, 'device' | 'address' | 'peer'>): Request<void> {
  return change(RTM_ADDRESS.RTM_DELADDR, 0, 'delete', spec);
}

/** Lists addresses: of one link and one family where they are given (the kernel leaves the others out, 5.0). */
export function listAddresses(filter: { readonly device?: number; readonly family?: Family } = {}): Request<Address[]> {
  return dumpRequest({
    what: 'list addresses',
    brief: true,
    format: ADDRESS,
    type: RTM_ADDRESS.RTM_GETADDR,
    header: { family: familyNumber(filter.family), index: filter.device ?? 0 },
    answer: (messages) => messages.map(addressOf),
  });
}

/** Understands a message about an address. */
export function addressOf({ header, attributes }: Message<AddressHeader, AddressAttributes>): Address {
  const { address = '', local = address, broadcast, label, flags = header.flags } = attributes;
  return {
    device: header.index,
    family: familyName(header.family),
    address: local,
    prefixLength: header.prefixLength,
    peer: address === local ? undefined : address,
    broadcast,
    scope: scopeName(header.scope),
    flags,
    label,
  };
}
