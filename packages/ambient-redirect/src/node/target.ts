import type { Netns, NetlinkSocket } from 'netlink-tc';
import type { Host } from '../topology/index.ts';

/** The places where settings are made. */
export interface SettingsTarget {
  readonly host: Host;
  /** Name of the host's end of the proxy's interface. */
  readonly hostInterface: string;
  /** That of another proxy, which sends from pods' addresses for a while longer. */
  readonly leavingInterface?: string;
  /** The proxy's namespace, with a netlink socket in it. */
  readonly proxy: { readonly netns: Netns; readonly socket: NetlinkSocket };
  /** Name of the proxy's own interface. */
  readonly proxyInterface: string;
  /** Routing table of the proxy's namespace; Istio's 100 if left out. */
  readonly table?: number;
  /** Priority of its rule; Istio's 20000 if left out. */
  readonly priority?: number;
}

/** Istio's routing table and rule priority. */
export const DEFAULT_ROUTING = { table: 100, priority: 20_000 } as const;

/** The namespace that a setting is of. */
export function netnsOf({ host, proxy }: SettingsTarget, where: 'host' | 'proxy'): Netns {
  return where === 'host' ? host.netns : proxy.netns;
}
