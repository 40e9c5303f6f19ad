import {
  isNetlinkTcError,
  listSockets,
  NETLINK_SOCK_DIAG,
  NetlinkSocket,
  TCP_CONNECTED,
  type InetSocket,
  type Netns,
  type Sys,
} from 'netlink-tc';
import { existsSync, readFileSync } from 'node:fs';
import type { OpenMaps } from './directory.ts';
import { addressesOf, type PodRecord } from './pod-record.ts';

/** A connection as its pod sees it; IPv4 mapped into IPv6, as the map has it. */
export interface FlowKey {
  readonly pod: string;
  readonly other: string;
  readonly podPort: number;
  readonly otherPort: number;
}

/**
 * The TCP connections of a network namespace that can still carry something.
 *
 * To list them the kernel walks the table of all namespaces, which takes milliseconds on a large machine: where a count says that there are none, it is
 * not asked to.
 */
export async function openConnections(sys: Sys, netns: Netns): Promise<InetSocket[]> {
  if (!netns.run(hasTcpSockets)) return [];
  using socket = NetlinkSocket.open(sys, { netns, protocol: NETLINK_SOCK_DIAG });
  const wanted = { protocol: 'tcp', states: TCP_CONNECTED } as const;
  const [ipv4, ipv6] = await socket.batch([
    listSockets({ ...wanted, family: 'ipv4' }),
    listSockets({ ...wanted, family: 'ipv6' }),
  ]);
  return [...ipv4, ...ipv6];
}

/** Whether the namespace of this thread has TCP sockets: none means no listeners either, so that no connection can be about to begin. */
function hasTcpSockets(): boolean {
  return ['sockstat', 'sockstat6'].some((name) => {
    const path = `/proc/thread-self/net/${name}`;
    // A kernel without IPv6 has no sockstat6. See proc_net(5).
    return existsSync(path) && /^TCP6?: inuse [1-9]/m.test(readFileSync(path, 'utf8'));
  });
}

/** An address as the maps have it. */
export function mapped(address: string): string {
  return address.includes(':') ? address : `::ffff:${address}`;
}

/** The connections of a pod as flows: those of its redirected addresses. */
export function flowsOf(pod: PodRecord, sockets: readonly InetSocket[]): FlowKey[] {
  const own = new Set(addressesOf(pod).map(mapped));
  return sockets
    .map(({ local, remote }) => ({
      pod: mapped(local.address),
      other: mapped(remote.address),
      podPort: local.port,
      otherPort: remote.port,
    }))
    .filter((flow) => own.has(flow.pod));
}

/** How long a connection that has begun may be without a socket. */
const YOUNG_MS = 1_000;

/** The connections that run past the proxy until they end. */
export class DirectFlows {
  readonly #map: OpenMaps['direct'];
  /** Flows without a socket at the last sweep, and when that was seen first, in milliseconds: a SYN is noted before its pod has one. */
  #suspects: ReadonlyMap<string, number> = new Map();

  constructor({ direct }: OpenMaps) {
    this.#map = direct;
  }

  /**
   * Notes connections of a pod; those that a program has noted meanwhile stay as they are.
   * @param open whether they are open; where not, their SYN may come once more, and is none of a new connection
   */
  note(flows: readonly FlowKey[], { open = true }: { readonly open?: boolean } = {}): void {
    for (const flow of flows) {
      try {
        this.#map.update(flow, open ? OPEN : BEGUN, 'noexist');
      } catch (error) {
        if (!isNetlinkTcError(error, 'ERR_EXISTS')) throw error;
      }
    }
  }

  /**
   * Takes out the connections that have ended: the second look without a socket decides.
   * @param open of each pod that was looked at, by its address: what is open there
   * @param options `growing`: the addresses whose connections may have begun just now; there the second look counts after {@link YOUNG_MS}. `now`: the time, in
   * milliseconds
   * @returns how many are left of each address that was looked at
   */
  sweep(
    open: ReadonlyMap<string, ReadonlySet<string>>,
    {
      growing = new Set(),
      now = performance.now(),
    }: { readonly growing?: ReadonlySet<string>; readonly now?: number } = {},
  ): ReadonlyMap<string, number> {
    const left = new Map([...open.keys()].map((address) => [address, 0]));
    const suspects = new Map<string, number>();
    const ended: FlowKey[] = [];
    for (const flow of this.#map.keys()) {
      const there = open.get(flow.pod);
      if (there === undefined) continue;
      const name = nameOf(flow);
      if (!there.has(name)) {
        const since = this.#suspects.get(name);
        if (since !== undefined && now - since >= (growing.has(flow.pod) ? YOUNG_MS : 0)) {
          ended.push(flow);
          continue;
        }
        suspects.set(name, since ?? now);
      }
      left.set(flow.pod, (left.get(flow.pod) ?? 0) + 1);
    }
    this.#suspects = suspects;
    this.#map.deleteMany(ended);
    return left;
  }

  /** Takes out all connections of some addresses. */
  forget(addresses: readonly string[]): void {
    const gone = new Set(addresses.map(mapped));
    this.#map.deleteMany([...this.#map.keys()].filter(({ pod }) => gone.has(pod)));
  }
}

const OPEN = { open: 1, podFin: 0, otherFin: 0 } as const;
const BEGUN = { open: 0, podFin: 0, otherFin: 0 } as const;

/** A flow as one text. */
export function nameOf({ pod, podPort, other, otherPort }: FlowKey): string {
  return `${pod} ${podPort} ${other} ${otherPort}`;
}
