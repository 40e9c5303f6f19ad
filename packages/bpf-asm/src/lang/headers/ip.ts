import type { Condition } from '../condition.ts';
import type { Ended } from '../ended.ts';
import type { Value } from '../value.ts';
import type { Ipv4View } from './ipv4.ts';
import type { Ipv6View } from './ipv6.ts';

/** What an IP packet carries. */
export interface Transport {
  /** `IPPROTO_TCP` and so on: of IPv6 what the last extension header says. */
  readonly protocol: Value<'u8'>;
  /** False for the later parts of a fragmented packet, which have no header of that protocol. */
  readonly hasPorts: Condition;
  /** A part of a packet, not all of it: the first or a later one. */
  readonly isFragment: Condition;
}

/** What both versions of IP offer. */
export interface IpTransport {
  /**
   * Finds what the packet carries, behind options and extension headers; the next header that is parsed is that one.
   *
   * @param truncated - ends the path where the packet is too short, or has more extension headers than are looked at (6).
   */
  readonly transport: (truncated: () => Ended) => Transport;
}

/** An IP header of either version, for functions that treat both alike. */
export type Ip = Ipv4View | Ipv6View;
