import {
  ADDRESS,
  addressOf,
  dumpRequest,
  getLink,
  getNetnsId,
  isNetlinkTcError,
  LINK,
  linkOf,
  listAddresses,
  listLinks,
  NetlinkSocket,
  NetlinkTcError,
  openNetns,
  request,
  RTM_ADDRESS,
  RTM_LINK,
  type Address,
  type Link,
  type LinkReference,
  type Netns,
  type Request,
} from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { byFamily, normaliseAddress, reachable, type Addresses } from './addresses.ts';
import { checkPair, choosePodLink, endOf, nameOf, pairLink, type PairLink } from './choose.ts';
import type { Host } from './host.ts';
import type { PodReference, Topology } from './topology.ts';

/** Options of {@link resolvePod}. */
export interface ResolveOptions {
  /** Which addresses (in their usual form) other pods have, with the pods' names. */
  readonly taken?: ReadonlyMap<string, string>;
}

function gone(cause: unknown): AmbientRedirectError {
  return new AmbientRedirectError('ERR_NETNS_GONE', "the pod's network namespace is not there", {
    cause,
    hint: 'the pod has ended, or the path is of another mount namespace',
  });
}

function openPod({ sys, netns: own }: Host, reference: NonNullable<PodReference['netns']>): Netns {
  // Asked for before anything is open: the host may be closed by now.
  const { inode } = own;
  let netns: Netns;
  try {
    netns = openNetns(sys, 'fd' in reference ? { path: `/proc/self/fd/${reference.fd}` } : reference);
  } catch (error) {
    throw isNetlinkTcError(error, 'ERR_NOT_FOUND') ? gone(error) : error;
  }
  if (netns.inode !== inode) return netns;
  netns.close();
  throw new AmbientRedirectError('ERR_HOST_NETNS', "the pod is in the host's network namespace", {
    hint: 'pods with hostNetwork cannot be redirected: their traffic is the host’s own',
  });
}

function openPodSocket({ sys }: Host, netns: Netns): NetlinkSocket {
  try {
    return NetlinkSocket.open(sys, { netns });
  } catch (error) {
    // EINVAL from setns: an empty file, on which a namespace was mounted once.
    if (isNetlinkTcError(error) && error.syscall === 'setns' && error.code !== 'ERR_PERMISSION') throw gone(error);
    throw error;
  }
}

async function hostLink({ socket }: Host, reference: LinkReference): Promise<Link> {
  try {
    return await socket.request(getLink(reference));
  } catch (cause) {
    if (!isNetlinkTcError(cause, 'ERR_NOT_FOUND')) throw cause;
    const name = nameOf(reference);
    throw new AmbientRedirectError('ERR_INTERFACE_NOT_FOUND', `the host has no ${name}`, { interface: name, cause });
  }
}

/** Reads a link of another namespace from the host's socket (`IFLA_TARGET_NETNSID`, 4.20). */
function linkIn(netnsId: number, index: number): Request<Link> {
  return request({
    what: `read link ${index} of namespace ${netnsId}`,
    format: LINK,
    type: RTM_LINK.RTM_GETLINK,
    header: { index },
    attributes: { targetNetnsId: netnsId },
    answer: ([message]) => {
      if (message === undefined) throw new NetlinkTcError('ERR_PROTOCOL', 'a link was acknowledged without data');
      return linkOf(message);
    },
  });
}

/** Lists the addresses of a link of another namespace from the host's socket (`IFA_TARGET_NETNSID`, 4.20). */
function addressesIn(netnsId: number, device: number): Request<Address[]> {
  return dumpRequest({
    what: `list addresses of namespace ${netnsId}`,
    format: ADDRESS,
    type: RTM_ADDRESS.RTM_GETADDR,
    header: { index: device },
    attributes: { targetNetnsId: netnsId },
    answer: (messages) => messages.map(addressOf),
  });
}

/** The two ends of a pod's pair, and what is inside. */
interface Ends {
  readonly host: PairLink;
  readonly pod: Link;
  readonly id: number;
  readonly inode: bigint | undefined;
  readonly found: readonly Address[];
}

async function endsByNetns(host: Host, netns: Netns, reference: PodReference): Promise<Ends> {
  const { hostInterface, podInterface } = reference;
  const named = hostInterface === undefined ? undefined : await hostLink(host, hostInterface);
  using socket = openPodSocket(host, netns);
  // The kernel gives the host's namespace an id in the pod's while it lists the links: ask for the id after that.
  const links = await socket.request(listLinks());
  const hostId = await socket.request(getNetnsId({ fd: host.netns.fd }));
  const pod = choosePodLink(links, hostId, { name: podInterface, peer: named?.index });
  const found = await socket.request(listAddresses({ device: pod.index }));
  const peer = pairLink(named ?? (await hostLink(host, pod.parent)), 'of the host');
  const id = await host.socket.request(getNetnsId({ fd: netns.fd }));
  checkPair(peer, pod, id);
  return { host: peer, pod, id: peer.parentNetnsId, inode: netns.inode, found };
}

async function endsByInterface(host: Host, reference: LinkReference): Promise<Ends> {
  const link = pairLink(await hostLink(host, reference), 'of the host');
  const id = link.parentNetnsId;
  try {
    const pod = await host.socket.request(linkIn(id, link.parent));
    return { host: link, pod, id, inode: undefined, found: await host.socket.request(addressesIn(id, pod.index)) };
  } catch (error) {
    throw isNetlinkTcError(error, 'ERR_NOT_FOUND') ? gone(error) : error;
  }
}

/**
 * Settles which addresses a pod has.
 * @param found those of its interface
 * @param given those that the caller gave
 * @throws AmbientRedirectError `ERR_ADDRESS_NOT_ON_INTERFACE`, `ERR_ADDRESS_OF_ANOTHER_POD`, `ERR_INVALID_ARGUMENT`
 */
export function settleAddresses(
  found: readonly Address[],
  given: readonly string[] | undefined,
  { name, taken }: { readonly name: string; readonly taken?: ReadonlyMap<string, string> | undefined },
): Addresses {
  const there = new Set(found.map(({ address }) => address));
  const wanted = given?.map(normaliseAddress);
  const missing = wanted?.find((address) => !there.has(address));
  if (missing !== undefined) {
    throw new AmbientRedirectError('ERR_ADDRESS_NOT_ON_INTERFACE', `${name} of the pod does not have ${missing}`, {
      interface: name,
      address: missing,
      candidates: [...there],
      hint: there.size === 0 ? 'it has none' : `it has ${[...there].join(', ')}`,
    });
  }
  const addresses = wanted === undefined ? reachable(found) : byFamily(wanted);
  for (const address of [...addresses.ipv4, ...addresses.ipv6]) {
    const other = taken?.get(address);
    if (other === undefined) continue;
    throw new AmbientRedirectError('ERR_ADDRESS_OF_ANOTHER_POD', `${address} belongs to ${other}`, {
      address,
      hint: 'unenroll that pod first, if it has ended',
    });
  }
  return addresses;
}

/**
 * Finds out how a pod is connected to the host: the two ends of its pair of interfaces, its addresses, its namespace. The proxy is a
 * pod too. Changes nothing.
 * @throws AmbientRedirectError `ERR_NETNS_GONE`, `ERR_HOST_NETNS`, `ERR_INTERFACE_NOT_FOUND`, `ERR_NOT_A_VETH`, `ERR_PEER_ELSEWHERE`,
 * `ERR_AMBIGUOUS_INTERFACE`, `ERR_ADDRESS_NOT_ON_INTERFACE`, `ERR_ADDRESS_OF_ANOTHER_POD`, `ERR_INVALID_ARGUMENT`
 * @throws NetlinkTcError `ERR_PERMISSION` without `CAP_SYS_ADMIN` (for a namespace), `CAP_NET_ADMIN` in the pod's (for an interface alone)
 * @example
 * ```ts
 * using host = new Host(sys);
 * const { hostInterface, addresses } = await resolvePod(host, { netns: { path: '/run/netns/cni-1234' } });
 * ```
 */
export async function resolvePod(host: Host, reference: PodReference, options: ResolveOptions = {}): Promise<Topology> {
  const { netns: of, hostInterface, podInterface, addresses: given } = reference;
  let ends: Ends;
  if (of !== undefined) {
    using netns = openPod(host, of);
    ends = await endsByNetns(host, netns, reference);
  } else if (hostInterface !== undefined && podInterface === undefined) {
    ends = await endsByInterface(host, hostInterface);
  } else {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', 'nothing names the pod', {
      hint: 'give its netns, or the host’s end of its interface as hostInterface',
    });
  }
  const { host: link, pod, id, inode, found } = ends;
  const master = link.master === undefined ? undefined : await hostLink(host, link.master);
  return {
    kind: link.kind,
    hostInterface: endOf(link),
    podInterface: endOf(pod),
    addresses: settleAddresses(found, given, { name: pod.name, taken: options.taken }),
    netns: { id, inode },
    // A VRF routes; all else that has ports (bridge, Open vSwitch) switches.
    attachment: master === undefined || master.kind === 'vrf' ? 'routed' : { bridge: master.index },
  };
}
