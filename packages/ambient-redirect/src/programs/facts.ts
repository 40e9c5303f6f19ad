import type { ListenerBank, Verdict } from '../maps.ts';
import type { ProxyPorts } from '../ports.ts';

/** Addresses and prefixes by family, in their usual form; prefixes without bits after their length. */
export interface ByFamily {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** What is the same for all pods of a node. */
export interface NodeFacts {
  /**
   * The node's own pod prefixes, at most one a family, of at most 16 bits of host part: their pods are found in an array. A wider prefix of
   * IPv6 stands here by its first /112.
   */
  readonly podCidrs: { readonly ipv4?: string; readonly ipv6?: string };
  /** The host's own addresses. */
  readonly host: ByFamily;
  /** Prefixes that are left alone, either way. */
  readonly bypass: ByFamily;
}

/** Ports as single ones and ranges, both ends included. */
export type PortRanges = readonly (readonly [first: number, last: number])[];

/** What a pod's policy says of one direction. Nothing excluded and nothing named to be included: all is captured. */
export interface DirectionRules {
  /** If there are any, only these are captured: destinations of what goes out, sources of what comes in. */
  readonly includeCidrs: ByFamily;
  readonly excludeCidrs: ByFamily;
  /** Destination ports of the connection. */
  readonly includePorts: PortRanges;
  readonly excludePorts: PortRanges;
}

/** A pod's policy. Pods with the same one share their programs. */
export interface PolicyFacts {
  /** DNS over UDP is captured as well. */
  readonly dns: boolean;
  readonly outbound: DirectionRules;
  readonly inbound: DirectionRules;
}

/**
 * What is done with a pod's connections:
 * - `observe`: none is captured, all are noted;
 * - `preserve`: new ones are captured, those that are noted run on;
 * - `full`: all are captured;
 * - `drain`: new ones are not captured, those that go by the proxy run on.
 */
export type CaptureMode = 'observe' | 'preserve' | 'full' | 'drain';

/**
 * Source MAC addresses by which `ztunnel_tproxy` tells where a packet was caught: locally administered, with a random part that no pod
 * knows. They are written on every captured packet, so that no pod can forge them.
 */
export interface DirectionTags {
  readonly outbound: string;
  readonly inbound: string;
}

/** The way to a proxy. */
export interface ProxyEnd {
  /** The host's end of its interface. */
  readonly ifindex: number;
  /** MAC address of its own end. */
  readonly mac: string;
  /** Where `ztunnel_tproxy` steers. */
  readonly tags?: DirectionTags;
}

/**
 * Where captured packets go. While one proxy takes over from another, what is of a connection of the other one goes there: it is asked for in its
 * own namespace, by the id that the host's has for that (`IFLA_LINK_NETNSID`).
 */
export type ProxyFacts =
  /** To the proxy, or to the other one. */
  | (ProxyEnd & { readonly other?: ProxyEnd & { readonly netnsId: number } })
  /** There is none. */
  | { readonly away: 'drop' | 'pass' };

/** What is told of packets, as events. */
export interface TellFacts {
  /** One of so many verdicts is told (a power of two); none if left out. */
  readonly sample?: number;
  /** Of these verdicts alone; of all if left out. */
  readonly verdicts?: readonly Verdict[];
  /** With the packet's first bytes. */
  readonly snapshot?: boolean;
}

/** Facts of `app_outbound` and `app_inbound`. */
export interface AppFacts extends TellFacts {
  readonly node: NodeFacts;
  readonly policy: PolicyFacts;
  readonly proxy: ProxyFacts;
  readonly mode: CaptureMode;
}

/** Facts of `ztunnel_host_in`. */
export interface HostInFacts extends TellFacts {
  readonly node: NodeFacts;
  /** The addresses that are the proxy's own: what it answers in its own name is none of ours. */
  readonly proxy: { readonly addresses: ByFamily };
  /** Whether some pod is in another mode than `full`: connections that run past the proxy are then not delivered by this short cut. */
  readonly preserving: boolean;
}

/** Facts of `ztunnel_steer`. */
export interface SteerFacts {
  readonly node: NodeFacts;
  /** The proxy's own interface, and the addresses that are its own: connections to them are none of ours. */
  readonly proxy: { readonly ifindex: number; readonly addresses: ByFamily };
  readonly hbone: ProxyPorts['hbone'];
  readonly dns: boolean;
  /** Which part of the map `listeners` has its sockets: while one proxy takes over from one in another namespace, each has its own. */
  readonly bank: ListenerBank;
  /** While one proxy hands over to another on the same ports: exactly the sockets of the map are used, not others of their reuseport group. */
  readonly handover: boolean;
}

/** Facts of `ztunnel_tproxy`. */
export interface TproxyFacts {
  readonly ports: ProxyPorts;
  /** The addresses that are the proxy's own: connections to them are none of ours. */
  readonly proxy: { readonly addresses: ByFamily };
  readonly tags: DirectionTags;
  readonly dns: boolean;
  /** Set on what is assigned, under the mask. */
  readonly mark: { readonly value: number; readonly mask: number };
}
