import { struct, u8 } from 'bpf-asm/layout';
import { native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import {
  dumpRequest,
  nothing,
  policy,
  request,
  type Attributes,
  type MessageFormat,
  type Request,
} from '../netlink/index.ts';
import type { NetnsTarget } from './link.ts';

/** `struct rtgenmsg`. */
export interface NetnsIdHeader {
  readonly family: number;
}

/** Attributes of namespace ids, `NETNSA_*` (`linux/net_namespace.h`). */
export interface NetnsIdAttributes extends Attributes {
  readonly id?: number | undefined;
  readonly pid?: number | undefined;
  readonly fd?: number | undefined;
}

const RTM_NSID = { RTM_NEWNSID: 88, RTM_DELNSID: 89, RTM_GETNSID: 90 } as const;
const NONE = -1;

/** How messages about namespace ids look. */
export const NETNS_ID: MessageFormat<NetnsIdHeader, NetnsIdAttributes> = {
  noun: 'namespace id',
  header: native(struct('rtgenmsg', { family: u8 })),
  policy: policy<NetnsIdAttributes>({
    id: [1, 'NETNSA_NSID', a.i32],
    pid: [2, 'NETNSA_PID', a.u32],
    fd: [3, 'NETNSA_FD', a.u32],
  }),
  types: RTM_NSID,
};

function targetAttributes(target: NetnsTarget): NetnsIdAttributes {
  return 'fd' in target ? { fd: target.fd } : { pid: target.pid };
}

/** The id by which the socket's namespace knows another; undefined where it has none. Ids are of one namespace's own. */
export function getNetnsId(target: NetnsTarget): Request<number | undefined> {
  return request({
    what: 'read the id of a network namespace',
    format: NETNS_ID,
    type: RTM_NSID.RTM_GETNSID,
    attributes: targetAttributes(target),
    answer: ([message]) => {
      const id = message?.attributes.id;
      return id === NONE ? undefined : id;
    },
  });
}

/**
 * Gives another namespace an id in the socket's.
 * @param id the wanted one; the kernel finds one if left out
 * @throws NetlinkTcError from the socket: `ERR_EXISTS` when it has an id, or another has this one
 */
export function setNetnsId(target: NetnsTarget, id?: number): Request<void> {
  return request({
    what: 'give a network namespace an id',
    format: NETNS_ID,
    type: RTM_NSID.RTM_NEWNSID,
    attributes: { ...targetAttributes(target), id: id ?? NONE },
    answer: nothing,
  });
}

/** The ids of the namespaces that the socket's knows. */
export function listNetnsIds(): Request<number[]> {
  return dumpRequest({
    what: 'list ids of network namespaces',
    format: NETNS_ID,
    type: RTM_NSID.RTM_GETNSID,
    answer: (messages) => messages.map(({ attributes }) => attributes.id ?? NONE),
  });
}
