import type { Message, MessageFormat, MonitorSource, Request } from '../netlink/index.ts';
import { ADDRESS, addressOf, listAddresses, RTM_ADDRESS, type Address } from './address.ts';
import { LINK, RTM_LINK, type LinkHeader } from './link-format.ts';
import { linkOf, listLinks, type Link } from './link.ts';
import { listNeighbours, NEIGHBOUR, neighbourOf, RTM_NEIGHBOUR, type NeighbourEntry } from './neighbour.ts';
import { AF } from './prefix.ts';
import { isIp, ROUTE, RTM_ROUTE, type RouteHeader } from './route-format.ts';
import { listRoutes, routeOf, type Route } from './route.ts';
import { listRules, RTM_RULE, RULE, ruleOf, type Rule } from './rule.ts';

/** Multicast groups (`linux/rtnetlink.h`). */
export const RTNLGRP = {
  LINK: 1,
  NEIGH: 3,
  TC: 4,
  IPV4_IFADDR: 5,
  IPV4_ROUTE: 7,
  IPV4_RULE: 8,
  IPV6_IFADDR: 9,
  IPV6_ROUTE: 11,
  IPV6_RULE: 19,
} as const;

/** `NUD_NOARP`. */
const NOARP = 64;

interface SourceParts<T, H, A> {
  readonly groups: readonly number[];
  readonly format: MessageFormat<H, A>;
  readonly list: Request<T[]>;
  readonly put: number;
  readonly delete: number;
  readonly of: (message: Message<H, A>) => T;
  readonly relevant: (header: H) => boolean;
  readonly key: (value: T) => string;
}

function source<T, H extends object, A extends object>(parts: SourceParts<T, H, A>): MonitorSource<T> {
  return {
    groups: parts.groups,
    formats: [parts.format as unknown as MessageFormat],
    list: (socket) => socket.request(parts.list),
    read(message) {
      const known = message as unknown as Message<H, A>;
      if (!parts.relevant(known.header)) return undefined;
      if (message.type === parts.put) return { kind: 'put', value: parts.of(known) };
      return message.type === parts.delete ? { kind: 'delete', value: parts.of(known) } : undefined;
    },
    key: parts.key,
  };
}

/** What to watch for links: each is known by its index. */
export function linkSource(): MonitorSource<Link> {
  return source({
    groups: [RTNLGRP.LINK],
    format: LINK,
    list: listLinks(),
    put: RTM_LINK.RTM_NEWLINK,
    delete: RTM_LINK.RTM_DELLINK,
    of: linkOf,
    // Bridges tell of their ports by messages of their own family, where "deleted" means taken out of the bridge.
    relevant: ({ family }: LinkHeader) => family === AF.UNSPEC,
    key: ({ index }) => String(index),
  });
}

/** What to watch for addresses: each is known by its link, prefix and other end. */
export function addressSource(): MonitorSource<Address> {
  return source({
    groups: [RTNLGRP.IPV4_IFADDR, RTNLGRP.IPV6_IFADDR],
    format: ADDRESS,
    list: listAddresses(),
    put: RTM_ADDRESS.RTM_NEWADDR,
    delete: RTM_ADDRESS.RTM_DELADDR,
    of: addressOf,
    relevant: ({ family }) => isIp(family),
    key: ({ device, address, prefixLength, peer }) => `${device} ${address}/${prefixLength} ${peer ?? ''}`,
  });
}

/**
 * What to watch for neighbours: each is known by its link and address. Those that need no resolution (`noarp`: multicast, loopback)
 * come without a word, and are left out.
 */
export function neighbourSource(): MonitorSource<NeighbourEntry> {
  const list = listNeighbours();
  return source({
    groups: [RTNLGRP.NEIGH],
    format: NEIGHBOUR,
    list: { ...list, answer: (messages) => list.answer(messages).filter(({ state }) => state !== 'noarp') },
    put: RTM_NEIGHBOUR.RTM_NEWNEIGH,
    delete: RTM_NEIGHBOUR.RTM_DELNEIGH,
    of: neighbourOf,
    relevant: ({ family, state }) => isIp(family) && state !== NOARP,
    key: ({ device, address }) => `${device} ${address}`,
  });
}

/** What to watch for rules. Two rules may be the same but for their place: such are one here. */
export function ruleSource(): MonitorSource<Rule> {
  return source({
    groups: [RTNLGRP.IPV4_RULE, RTNLGRP.IPV6_RULE],
    format: RULE,
    list: listRules(),
    put: RTM_RULE.RTM_NEWRULE,
    delete: RTM_RULE.RTM_DELRULE,
    of: ruleOf,
    relevant: ({ family }) => isIp(family),
    key: (rule) => JSON.stringify(rule),
  });
}

/**
 * What to watch for routes: each is known by its table, destination, priority and ways. IPv4 routes vanish with their link or
 * address without a word, and a replaced one is not said to be gone: every notification leads to a fresh list.
 */
export function routeSource(): MonitorSource<Route> {
  const routes = source({
    groups: [RTNLGRP.IPV4_ROUTE, RTNLGRP.IPV6_ROUTE, RTNLGRP.LINK, RTNLGRP.IPV4_IFADDR],
    format: ROUTE,
    list: listRoutes(),
    put: RTM_ROUTE.RTM_NEWROUTE,
    delete: RTM_ROUTE.RTM_DELROUTE,
    of: routeOf,
    relevant: ({ family }: RouteHeader) => isIp(family),
    key: ({ family, table, destination, source: from, priority, tos, type, gateway, device, nexthops }) =>
      JSON.stringify([family, table, destination, from, priority, tos, type, gateway, device, nexthops]),
  });
  return {
    ...routes,
    formats: [ROUTE, LINK, ADDRESS] as unknown as readonly MessageFormat[],
    read: () => ({ kind: 'refresh' }),
  };
}
