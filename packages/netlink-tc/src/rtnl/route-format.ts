import { struct, u32, u8 } from 'bpf-asm/layout';
import { LITTLE_ENDIAN, native } from '../netlink/host.ts';
import * as a from '../netlink/kinds.ts';
import {
  malformed,
  policy,
  readAttributes,
  writeAttributes,
  type Attributes,
  type AttributeKind,
  type MessageFormat,
  type Policy,
} from '../netlink/index.ts';
import type { MessageWriter } from '../netlink/writer.ts';
import { AF, familyNumber, familyOf } from './prefix.ts';

/** `struct rtmsg` (`linux/rtnetlink.h`). */
export interface RouteHeader {
  readonly family: number;
  readonly destinationLength: number;
  readonly sourceLength: number;
  readonly tos: number;
  readonly table: number;
  readonly protocol: number;
  readonly scope: number;
  readonly type: number;
  readonly flags: number;
}

/** `RTAX_*`: values the kernel uses for connections over the route. */
export interface RouteMetrics extends Attributes {
  readonly lock?: number | undefined;
  readonly mtu?: number | undefined;
  readonly window?: number | undefined;
  readonly rtt?: number | undefined;
  readonly advmss?: number | undefined;
  readonly hoplimit?: number | undefined;
  readonly initcwnd?: number | undefined;
  readonly initrwnd?: number | undefined;
  readonly quickack?: number | undefined;
}

/** One way of a route with several: `struct rtnexthop` and attributes. */
export interface RawNexthop {
  readonly device: number;
  /** How much of the traffic, against the others; 1 to 256. */
  readonly weight: number;
  readonly flags: number;
  readonly attributes: RouteAttributes;
}

/** Attributes of routes, `RTA_*`. */
export interface RouteAttributes extends Attributes {
  readonly destination?: string | undefined;
  readonly source?: string | undefined;
  readonly inputDevice?: number | undefined;
  readonly device?: number | undefined;
  readonly gateway?: string | undefined;
  readonly priority?: number | undefined;
  readonly preferredSource?: string | undefined;
  readonly metrics?: RouteMetrics | undefined;
  readonly multipath?: readonly RawNexthop[] | undefined;
  readonly table?: number | undefined;
  readonly mark?: number | undefined;
  /** A gateway of the other family. */
  readonly via?: string | undefined;
  readonly nexthopId?: number | undefined;
}

const NEXTHOP_SIZE = 8;

/** `RTA_MULTIPATH`: structs of their own length, each with attributes. */
const MULTIPATH: AttributeKind<readonly RawNexthop[]> = {
  label: 'structs rtnexthop, each with attributes of a route',
  min: 0,
  max: 0xffff,
  nested: true,
  write(writer: MessageWriter, nexthops: readonly RawNexthop[]): void {
    for (const { device, weight, flags, attributes } of nexthops) {
      if (!Number.isInteger(weight) || weight < 1 || weight > 256)
        throw writer.refuse(`has weight ${weight}`, '1 to 256');
      const start = writer.reserve(NEXTHOP_SIZE);
      writeAttributes(writer, ROUTE_POLICY, attributes);
      writer.patchU16(start, writer.length - start);
      writer.patchU16(start + 2, LITTLE_ENDIAN ? flags | ((weight - 1) << 8) : (flags << 8) | (weight - 1));
      writer.patchU32(start + 4, device);
    }
  },
  read(data: Uint8Array): readonly RawNexthop[] {
    const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    const nexthops: RawNexthop[] = [];
    for (let at = 0; at < data.length;) {
      const left = data.length - at;
      const length = left < NEXTHOP_SIZE ? 0 : view.getUint16(at, LITTLE_ENDIAN);
      if (length < NEXTHOP_SIZE || length > left) throw malformed(`a nexthop of ${length} bytes has room for ${left}`);
      nexthops.push({
        device: view.getInt32(at + 4, LITTLE_ENDIAN),
        flags: view.getUint8(at + 2),
        weight: view.getUint8(at + 3) + 1,
        attributes: readAttributes(ROUTE_POLICY, data.subarray(at + NEXTHOP_SIZE, at + length)),
      });
      at += (length + 3) & ~3;
    }
    return nexthops;
  },
};

/** `RTA_VIA`: `struct rtvia`, a family and an address. */
const VIA: AttributeKind<string> = {
  label: 'family and address',
  min: 2,
  max: 18,
  nested: false,
  write(writer: MessageWriter, value: string): void {
    writer.u16(familyNumber(familyOf(value)));
    a.ip.write(writer, value, {});
  },
  read: (data) => a.ip.read(data.subarray(2), {}),
};

const METRICS: Policy<RouteMetrics> = policy<RouteMetrics>({
  lock: [1, 'RTAX_LOCK', a.u32],
  mtu: [2, 'RTAX_MTU', a.u32],
  window: [3, 'RTAX_WINDOW', a.u32],
  rtt: [4, 'RTAX_RTT', a.u32],
  advmss: [8, 'RTAX_ADVMSS', a.u32],
  hoplimit: [10, 'RTAX_HOPLIMIT', a.u32],
  initcwnd: [11, 'RTAX_INITCWND', a.u32],
  initrwnd: [14, 'RTAX_INITRWND', a.u32],
  quickack: [15, 'RTAX_QUICKACK', a.u32],
});

const ROUTE_POLICY: Policy<RouteAttributes> = policy<RouteAttributes>({
  destination: [1, 'RTA_DST', a.ip],
  source: [2, 'RTA_SRC', a.ip],
  inputDevice: [3, 'RTA_IIF', a.u32],
  device: [4, 'RTA_OIF', a.u32],
  gateway: [5, 'RTA_GATEWAY', a.ip],
  priority: [6, 'RTA_PRIORITY', a.u32],
  preferredSource: [7, 'RTA_PREFSRC', a.ip],
  metrics: [8, 'RTA_METRICS', a.nest(METRICS)],
  multipath: [9, 'RTA_MULTIPATH', MULTIPATH],
  table: [15, 'RTA_TABLE', a.u32],
  mark: [16, 'RTA_MARK', a.u32],
  via: [18, 'RTA_VIA', VIA],
  nexthopId: [30, 'RTA_NH_ID', a.u32],
});

/** Types of messages about routes. */
export const RTM_ROUTE = { RTM_NEWROUTE: 24, RTM_DELROUTE: 25, RTM_GETROUTE: 26 } as const;

/** How messages about routes look. */
export const ROUTE: MessageFormat<RouteHeader, RouteAttributes> = {
  noun: 'route',
  header: native(
    struct('rtmsg', {
      family: u8,
      destinationLength: u8,
      sourceLength: u8,
      tos: u8,
      table: u8,
      protocol: u8,
      scope: u8,
      type: u8,
      flags: u32,
    }),
  ),
  policy: ROUTE_POLICY,
  types: RTM_ROUTE,
};

/** Whether a family is one of IP: dumps of all families bring multicast routing and MPLS too. */
export function isIp(family: number): boolean {
  return family === AF.INET || family === AF.INET6;
}
