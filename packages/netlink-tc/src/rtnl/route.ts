import { NetlinkTcError } from '../error.ts';
import { dumpRequest, NLM_F, nothing, request, type Message, type Request } from '../netlink/index.ts';
import { scopeName, scopeNumber, type Scope } from './address.ts';
import { familyName, familyNumber, familyOf, formatPrefix, parsePrefix, type Family } from './prefix.ts';
import { isIp, ROUTE, RTM_ROUTE, type RouteAttributes, type RouteHeader, type RouteMetrics } from './route-format.ts';

const ROUTE_TYPES = [
  'unspec',
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
  'nat',
] as const;

/** What becomes of packets that a route matches, `RTN_*`. */
export type RouteType = (typeof ROUTE_TYPES)[number];

/** Numbers of the tables that every kernel has. */
export const ROUTE_TABLE = { default: 253, main: 254, local: 255 } as const;

/** Who made a route, `RTPROT_*`. */
export const ROUTE_PROTOCOL = { redirect: 1, kernel: 2, boot: 3, static: 4 } as const;

/** One way of a route. */
export interface Nexthop {
  readonly gateway?: string | undefined;
  /** Index of the link; the kernel finds it by the gateway if left out. */
  readonly device?: number | undefined;
  /** How much of the traffic, against the others: 1 to 256, 1 if left out. */
  readonly weight?: number | undefined;
}

/** A route as the kernel tells it. */
export interface Route {
  readonly family: Family;
  /** With its length: `0.0.0.0/0` is the default. */
  readonly destination: string;
  readonly source: string | undefined;
  readonly type: RouteType;
  readonly table: number;
  readonly scope: Scope | number;
  readonly protocol: number;
  readonly priority: number;
  readonly tos: number;
  readonly gateway: string | undefined;
  readonly device: number | undefined;
  readonly preferredSource: string | undefined;
  readonly metrics: RouteMetrics | undefined;
  /** The ways, where there are several. */
  readonly nexthops: readonly Nexthop[];
  readonly flags: number;
}

/** A route to add, or the one to delete: what is left out of the latter matches any. */
export interface RouteSpec {
  /** `10.0.0.0/8`, an address, or `default`. */
  readonly destination: string;
  /** Needed only for a `default` without gateway. */
  readonly family?: Family;
  readonly gateway?: string;
  /** Index of the link. */
  readonly device?: number;
  readonly type?: RouteType;
  /** `main` if left out. */
  readonly table?: number;
  readonly scope?: Scope;
  /** `ROUTE_PROTOCOL`; `boot` if left out, as iproute2 has it. */
  readonly protocol?: number;
  /** The lower wins. IPv6 takes 1024 for none. */
  readonly priority?: number;
  readonly tos?: number;
  readonly preferredSource?: string;
  readonly metrics?: RouteMetrics;
  /** Several ways in place of one gateway and device. */
  readonly nexthops?: readonly Nexthop[];
  /** The gateway is on the link although no route says so (`RTNH_F_ONLINK`). */
  readonly onlink?: boolean;
}

const ONLINK = 4;

function gatewayOf(family: Family, gateway: string | undefined): RouteAttributes {
  if (gateway === undefined) return {};
  return familyOf(gateway) === family ? { gateway } : { via: gateway };
}

function familyOfSpec({ destination, gateway, family, nexthops, preferredSource }: RouteSpec): Family {
  if (destination !== 'default') return parsePrefix(destination).family;
  const hint = family ?? gateway ?? nexthops?.[0]?.gateway ?? preferredSource;
  if (hint === undefined) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'a default route needs a family', {
      hint: "say family: 'ipv4' or 'ipv6'",
    });
  }
  return hint === 'ipv4' || hint === 'ipv6' ? hint : familyOf(hint);
}

// What ip-route(8) takes where nothing is said.
function defaultScope(type: RouteType, direct: boolean): Scope {
  if (type === 'local' || type === 'nat') return 'host';
  return direct && (type === 'unicast' || type === 'broadcast' || type === 'multicast') ? 'link' : 'global';
}

function change(message: number, flags: number, verb: string, spec: RouteSpec): Request<void> {
  const deleting = message === RTM_ROUTE.RTM_DELROUTE;
  const family = familyOfSpec(spec);
  const { gateway, device, table = ROUTE_TABLE.main, nexthops, priority, preferredSource, metrics, tos = 0 } = spec;
  const { type = deleting ? 'unspec' : 'unicast', protocol = deleting ? 0 : ROUTE_PROTOCOL.boot } = spec;
  const direct = gateway === undefined && nexthops === undefined;
  const { scope = deleting ? 'nowhere' : family === 'ipv6' ? 'global' : defaultScope(type, direct) } = spec;
  const { address, length } =
    spec.destination === 'default' ? { address: undefined, length: 0 } : parsePrefix(spec.destination);
  return request({
    what: `${verb} route ${spec.destination}`,
    format: ROUTE,
    type: message,
    flags,
    header: {
      family: familyNumber(family),
      destinationLength: length,
      tos,
      table: table < 256 ? table : 0,
      protocol,
      scope: scopeNumber(scope),
      type: ROUTE_TYPES.indexOf(type),
      flags: spec.onlink === true ? ONLINK : 0,
    },
    attributes: {
      destination: length === 0 ? undefined : address,
      ...gatewayOf(family, gateway),
      device,
      priority,
      preferredSource,
      metrics,
      table,
      multipath: nexthops?.map((nexthop) => ({
        device: nexthop.device ?? 0,
        weight: nexthop.weight ?? 1,
        flags: spec.onlink === true ? ONLINK : 0,
        attributes: gatewayOf(family, nexthop.gateway),
      })),
    },
    answer: nothing,
  });
}

/** Adds a route. @throws NetlinkTcError from the socket: `ERR_EXISTS` */
export function addRoute(spec: RouteSpec): Request<void> {
  return change(RTM_ROUTE.RTM_NEWROUTE, NLM_F.CREATE | NLM_F.EXCL, 'add', spec);
}

/** Adds a route, or puts it in the place of the one with the same destination, priority and TOS. */
export function replaceRoute(spec: RouteSpec): Request<void> {
  return change(RTM_ROUTE.RTM_NEWROUTE, NLM_F.CREATE | NLM_F.REPLACE, 'replace', spec);
}

/** Deletes the first route that matches. @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` */
export function deleteRoute(spec: RouteSpec): Request<void> {
  return change(RTM_ROUTE.RTM_DELROUTE, 0, 'delete', spec);
}

/** Which routes {@link listRoutes} lists. The kernel itself leaves the others out (5.0). */
export interface RouteFilter {
  readonly family?: Family;
  /** `main` and `local` are 254 and 255; all tables if left out. */
  readonly table?: number;
  /** Index of the link. */
  readonly device?: number;
  readonly protocol?: number;
  readonly type?: RouteType;
}

/**
 * Lists routes, of both families unless one is named.
 * @throws NetlinkTcError from the socket: `ERR_NOT_FOUND` for a table that the family does not have
 */
export function listRoutes(filter: RouteFilter = {}): Request<Route[]> {
  const { family, table, device, protocol = 0, type } = filter;
  if (table !== undefined && family === undefined) {
    throw new NetlinkTcError('ERR_INVALID_ARGUMENT', 'a table belongs to one family', {
      hint: "say family: 'ipv4' or 'ipv6'",
    });
  }
  return dumpRequest({
    what: 'list routes',
    brief: true,
    format: ROUTE,
    type: RTM_ROUTE.RTM_GETROUTE,
    header: { family: familyNumber(family), protocol, type: type === undefined ? 0 : ROUTE_TYPES.indexOf(type) },
    attributes: { table, device },
    answer: (messages) => messages.filter(({ header }) => isIp(header.family)).map(routeOf),
  });
}

/** Understands a message about a route. */
export function routeOf({ header, attributes }: Message<RouteHeader, RouteAttributes>): Route {
  const {
    source,
    table = header.table,
    priority = 0,
    gateway,
    via,
    device,
    preferredSource,
    metrics,
    multipath,
  } = attributes;
  return {
    family: familyName(header.family),
    destination: formatPrefix(attributes.destination, header.destinationLength, header.family),
    source: source === undefined ? undefined : formatPrefix(source, header.sourceLength, header.family),
    type: ROUTE_TYPES[header.type] ?? 'unspec',
    table,
    scope: scopeName(header.scope),
    protocol: header.protocol,
    priority,
    tos: header.tos,
    gateway: gateway ?? via,
    device,
    preferredSource,
    metrics,
    nexthops: (multipath ?? []).map((nexthop) => ({
      gateway: nexthop.attributes.gateway ?? nexthop.attributes.via,
      device: nexthop.device,
      weight: nexthop.weight,
    })),
    flags: header.flags,
  };
}
