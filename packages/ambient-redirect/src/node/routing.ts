import {
  addRoute,
  addRule,
  deleteRoute,
  deleteRule,
  isNetlinkTcError,
  listRoutes,
  listRules,
  type Family,
  type NetlinkSocket,
  type Request,
  type Route,
  type RouteSpec,
  type Rule,
  type RuleSpec,
} from 'netlink-tc';
import { existsSync } from 'node:fs';
import { AmbientRedirectError } from '../error.ts';
import { DEFAULT_ROUTING, type SettingsTarget } from './target.ts';

/** Both families: a mesh that knows one of them lets the other pass by. */
export const FAMILIES = ['ipv4', 'ipv6'] as const;

/** Index of the loopback interface, in every namespace. */
const LOOPBACK = 1;

/** A rule or a route of the proxy's namespace. */
export interface RoutingPart {
  readonly kind: 'rule' | 'route';
  readonly family: Family;
  readonly table: number;
  /** Of a rule. */
  readonly priority?: number;
  /** Of a rule: the interface that packets come in by. */
  readonly inputDevice?: string;
}

/** In words, as iproute2 would have it. */
export function describePart({ kind, family, table, priority, inputDevice }: RoutingPart): string {
  return kind === 'rule'
    ? `${family} rule ${priority}: iif ${inputDevice} lookup ${table}`
    : `${family} route: local default dev lo table ${table}`;
}

function ruleOf({ family, priority = 0, inputDevice = '', table }: RoutingPart): RuleSpec {
  return { family, priority, inputDevice, table };
}

function routeOf({ family, table }: RoutingPart): RouteSpec {
  return { family, destination: 'default', type: 'local', device: LOOPBACK, table };
}

/** The request that makes a part. */
export function addPart(part: RoutingPart): Request<void> {
  return part.kind === 'rule' ? addRule(ruleOf(part)) : addRoute(routeOf(part));
}

/** The request that takes a part away. */
export function deletePart(part: RoutingPart): Request<void> {
  return part.kind === 'rule' ? deleteRule(ruleOf(part)) : deleteRoute(routeOf(part));
}

function isPlainRule(rule: Rule, part: RoutingPart): boolean {
  const { source, destination, mark, outputDevice, invert, ipProtocol } = rule;
  const narrowed = [source, destination, mark, outputDevice, ipProtocol].some((each) => each !== undefined);
  return !narrowed && !invert && rule.table === part.table && rule.inputDevice === part.inputDevice;
}

async function routesOf(socket: NetlinkSocket, family: Family, table: number): Promise<Route[]> {
  try {
    return await socket.request(listRoutes({ family, table }));
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_NOT_FOUND')) return [];
    throw error;
  }
}

/** Which of the rules and routes that are needed are there. */
export interface RoutingState {
  readonly wanted: readonly RoutingPart[];
  readonly missing: readonly RoutingPart[];
}

/**
 * Looks at rules and routes of the proxy's namespace. Families that the kernel lacks are left out.
 * @throws AmbientRedirectError `ERR_CONFLICT` when the priority or the table's default route is used for something else
 */
export async function routingState({ proxy, proxyInterface, ...target }: SettingsTarget): Promise<RoutingState> {
  const { table = DEFAULT_ROUTING.table, priority = DEFAULT_ROUTING.priority } = target;
  const wanted: RoutingPart[] = [];
  const missing: RoutingPart[] = [];
  for (const family of FAMILIES) {
    if (!proxy.netns.run(() => existsSync(`/proc/sys/net/${family}`))) continue;
    const route: RoutingPart = { kind: 'route', family, table };
    const rule: RoutingPart = { kind: 'rule', family, table, priority, inputDevice: proxyInterface };
    wanted.push(route, rule);

    const routes = await routesOf(proxy.socket, family, table);
    const fallback = routes.find(({ destination }) => destination.endsWith('/0'));
    if (fallback === undefined) missing.push(route);
    else if (fallback.type !== 'local' || fallback.device !== LOOPBACK)
      throw conflict(`table ${table} of ${family}`, `${fallback.type} default`, 'table');

    const rules = (await proxy.socket.request(listRules({ family }))).filter((each) => each.priority === priority);
    if (rules.some((each) => isPlainRule(each, rule))) continue;
    if (rules.length > 0) throw conflict(`${family} rule ${priority}`, 'another rule', 'priority');
    missing.push(rule);
  }
  return { wanted, missing };
}

function conflict(what: string, found: string, option: string): AmbientRedirectError {
  return new AmbientRedirectError('ERR_CONFLICT', `${what} of the proxy's namespace is ${found}`, {
    hint: `give another ${option}`,
  });
}
