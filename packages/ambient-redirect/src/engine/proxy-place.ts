import { readdirSync, statSync } from 'node:fs';
import {
  isNetlinkTcError,
  listAddresses,
  NETLINK_SOCK_DIAG,
  NetlinkSocket,
  openNetns,
  type Netns,
  type NetnsReference,
  type Sys,
} from 'netlink-tc';
import { AmbientRedirectError, isAmbientRedirectError } from '../error.ts';
import type { ByFamily } from '../programs/index.ts';
import { resolvePod, type Host, type Topology } from '../topology/index.ts';

/** A network namespace as a caller names it; a descriptor stays the caller's. */
export type NetnsOf = NetnsReference | { readonly fd: number };

/** What tells a proxy's namespace from every other: its number is given out again once it is gone, the pair of interfaces is not. */
export interface PlaceIdentity {
  /** Inode number, in decimal. */
  readonly netns: string;
  /** Index of the host's end of its interface, and MAC address of its own end. */
  readonly hostIndex: number;
  readonly mac: string;
}

/**
 * The proxy's namespace, open. It is never held for longer than something is done there: a namespace lives as long as somebody has
 * it open, and so would the pod's interfaces.
 */
export class ProxyPlace implements Disposable {
  readonly netns: Netns;
  readonly topology: Topology;
  /** Where routes, rules and addresses are asked for. */
  readonly socket: NetlinkSocket;
  /** Where sockets are asked for. */
  readonly diag: NetlinkSocket;

  private constructor(sys: Sys, netns: Netns, topology: Topology) {
    this.netns = netns;
    this.topology = topology;
    this.socket = NetlinkSocket.open(sys, { netns });
    try {
      this.diag = NetlinkSocket.open(sys, { netns, protocol: NETLINK_SOCK_DIAG });
    } catch (error) {
      this.socket.close();
      throw error;
    }
  }

  /**
   * Opens the namespace that a proxy is in.
   * @param ownInterface name of the interface inside, where there are several
   * @throws AmbientRedirectError as `resolvePod`; `ERR_NOT_A_VETH` when the interface has no MAC address
   */
  static async open(host: Host, reference: NetnsOf, ownInterface?: string): Promise<ProxyPlace> {
    const { sys } = host;
    const netns = openProxyNetns(sys, reference);
    try {
      const topology = await resolvePod(host, {
        netns: { fd: netns.fd },
        ...(ownInterface === undefined ? {} : { podInterface: ownInterface }),
      });
      if (topology.podInterface.mac === undefined) {
        throw new AmbientRedirectError(
          'ERR_NOT_A_VETH',
          `${topology.podInterface.name} of the proxy has no MAC address`,
          {
            interface: topology.podInterface.name,
            hint: 'give the proxy a veth, or a netkit of layer 2',
          },
        );
      }
      return new ProxyPlace(sys, netns, topology);
    } catch (error) {
      netns.close();
      throw error;
    }
  }

  /**
   * Opens a namespace that was open before, by its reference if that still leads there, else by a process in it.
   * @returns undefined when it is gone, or nothing leads there any more
   */
  static async reopen(
    host: Host,
    identity: PlaceIdentity,
    { reference, ownInterface }: { readonly reference: NetnsOf | undefined; readonly ownInterface: string },
  ): Promise<ProxyPlace | undefined> {
    const places = [...(reference === undefined ? [] : [reference]), ...pathsOfNetns(identity.netns)];
    for (const each of places) {
      let place: ProxyPlace;
      try {
        place = await ProxyPlace.open(host, each, ownInterface);
      } catch (error) {
        if (isGone(error)) continue;
        throw error;
      }
      if (isSame(identity, place.identity)) return place;
      place.close();
    }
    return undefined;
  }

  get identity(): PlaceIdentity {
    const { hostInterface, podInterface } = this.topology;
    return { netns: String(this.netns.inode), hostIndex: hostInterface.index, mac: podInterface.mac ?? '' };
  }

  /** All addresses by which others reach the namespace: what is sent to them is meant for the proxy itself. Link-local ones are known by their prefix. */
  async ownAddresses(): Promise<ByFamily> {
    const listed = await this.socket.request(listAddresses());
    const all = listed.filter(({ scope }) => scope !== 'host' && scope !== 'link');
    const of = (family: 'ipv4' | 'ipv6'): string[] =>
      [...new Set(all.filter((each) => each.family === family).map(({ address }) => address))].toSorted();
    return { ipv4: of('ipv4'), ipv6: of('ipv6') };
  }

  /** Closes all of it. A second call does nothing. */
  close(): void {
    this.socket.close();
    this.diag.close();
    this.netns.close();
  }

  /** The same as {@link close}, for `using`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Whether two identities are of one namespace. */
export function isSame(one: PlaceIdentity, other: PlaceIdentity): boolean {
  return one.netns === other.netns && one.hostIndex === other.hostIndex && one.mac === other.mac;
}

function openProxyNetns(sys: Sys, reference: NetnsOf): Netns {
  try {
    return openNetns(sys, 'fd' in reference ? { path: `/proc/self/fd/${reference.fd}` } : reference);
  } catch (error) {
    if (!isNetlinkTcError(error, 'ERR_NOT_FOUND')) throw error;
    throw new AmbientRedirectError('ERR_NETNS_GONE', "the proxy's network namespace is not there", {
      cause: error,
      hint: 'the proxy has ended, or the path is of another mount namespace',
    });
  }
}

/** Whether an error says that what a reference led to is gone, or is something else by now. */
function isGone(error: unknown): boolean {
  const codes = [
    'ERR_NETNS_GONE',
    'ERR_HOST_NETNS',
    'ERR_INTERFACE_NOT_FOUND',
    'ERR_NOT_A_VETH',
    'ERR_PEER_ELSEWHERE',
    'ERR_AMBIGUOUS_INTERFACE',
  ] as const;
  return codes.some((code) => isAmbientRedirectError(error, code));
}

/** Ids of the processes of this machine, as procfs shows them. */
export function processIds(): number[] {
  return readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? [Number(name)] : []));
}

/** Ids of the processes in a network namespace: of those that may be looked at. */
export function processesIn(netns: string): number[] {
  return processIds().filter((pid) => {
    try {
      return String(statSync(`/proc/${pid}/ns/net`, { bigint: true }).ino) === netns;
    } catch {
      // It has ended, or is another user's.
      return false;
    }
  });
}

/** One path to a namespace by a process in it; none where there is no process. */
function pathsOfNetns(netns: string): NetnsReference[] {
  return processesIn(netns)
    .slice(0, 1)
    .map((pid) => ({ path: `/proc/${pid}/ns/net` }));
}
