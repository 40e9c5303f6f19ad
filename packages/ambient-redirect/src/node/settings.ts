import type { Netns } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { describePart, FAMILIES, routingState, type RoutingPart } from './routing.ts';
import { readSysctl, sysctlInterfaces } from './sysctl.ts';
import { netnsOf, type SettingsTarget } from './target.ts';

/** One setting below `/proc/sys/net`. */
export interface SysctlChange {
  readonly where: 'host' | 'proxy';
  /** Its path: `ipv4/conf/eth0/rp_filter`. */
  readonly name: string;
  /** What was there before the first change of ours. */
  readonly before: string;
  readonly wanted: string;
}

/**
 * What is changed on the node, and what was there before: all that putting it back needs. A plain value: store it as JSON before the
 * first change is made.
 */
export interface SettingsRecord {
  readonly version: 1;
  /** Inode number of the proxy's namespace, in decimal: what is told of it is told of no other. */
  readonly proxyNetns: string;
  /** In the order in which they are written: `all` before the interfaces, which it changes. */
  readonly sysctls: readonly SysctlChange[];
  /** Rules and routes that were not there. */
  readonly routing: readonly RoutingPart[];
}

/** Something that is not as it should be. */
export interface Deviation {
  /** What it is: `net/ipv4/conf/eth0/forwarding of the proxy`. */
  readonly what: string;
  /** What is there; undefined where it is missing. */
  readonly found: string | undefined;
  readonly wanted: string;
}

/** A setting and the value that it should have. */
type Wish = Omit<SysctlChange, 'before'>;

/** A packet must be dropped where no socket takes it: the proxy's namespace does not forward. IPv6 asks `all`, IPv4 the interface. */
function noForwarding(proxy: Netns): Wish[] {
  return FAMILIES.flatMap((family) =>
    sysctlInterfaces(proxy, family).map((name) => ({
      where: 'proxy' as const,
      name: `${family}/conf/${name}/forwarding`,
      wanted: '0',
    })),
  );
}

/**
 * To the kernel, the rule that brings every packet to the proxy's sockets makes every address its own: it would answer ARP requests for all of them,
 * and take the traffic of its neighbours on a bridge. It may do so for its own addresses alone, or for fewer, where that is set.
 */
function ownArpOnly(proxy: Netns, name: string): Wish[] {
  const setting = `ipv4/conf/${name}/arp_ignore`;
  const found = readSysctl(proxy, setting);
  return [{ where: 'proxy', name: setting, wanted: found === undefined || found === '0' ? '1' : found }];
}

const rpFilter = (name: string): string => `ipv4/conf/${name}/rp_filter`;

/**
 * The proxy sends from pods' addresses, which no route leads to by its interface: the reverse path filter must be off there. The larger of
 * an interface's own value and that of `all` counts. So `all` must be 0, and what it did for the other interfaces they do themselves.
 * @param before the value of `all` before the first change of ours
 */
export function noReversePathFilter(
  values: ReadonlyMap<string, string>,
  before: string,
  ...hostInterfaces: readonly string[]
): { readonly name: string; readonly wanted: string }[] {
  const others = [...values]
    .filter(([name, own]) => name !== 'all' && !hostInterfaces.includes(name) && Number(own) < Number(before))
    .map(([name]) => ({ name, wanted: before }));
  // The others first: nothing is unfiltered meanwhile.
  return [...others, { name: 'all', wanted: '0' }, ...hostInterfaces.map((name) => ({ name, wanted: '0' }))];
}

function wishes(
  { host, hostInterface, leavingInterface, proxy, proxyInterface }: SettingsTarget,
  previous: readonly SysctlChange[],
): Wish[] {
  const values = new Map(
    sysctlInterfaces(host.netns, 'ipv4').map((name) => [name, readSysctl(host.netns, rpFilter(name)) ?? '0']),
  );
  if (!values.has(hostInterface)) {
    throw new AmbientRedirectError('ERR_INTERFACE_NOT_FOUND', `the host has no ${hostInterface}`, {
      interface: hostInterface,
    });
  }
  const leaving = leavingInterface !== undefined && values.has(leavingInterface) ? [leavingInterface] : [];
  const earlier = previous.find(({ where, name }) => where === 'host' && name === rpFilter('all'));
  const all = earlier?.before ?? values.get('all') ?? '0';
  return [
    ...noForwarding(proxy.netns),
    ...ownArpOnly(proxy.netns, proxyInterface),
    ...noReversePathFilter(values, all, hostInterface, ...leaving).map(({ name, wanted }) => ({
      where: 'host' as const,
      name: rpFilter(name),
      wanted,
    })),
  ];
}

/**
 * Finds out what has to change on the node so that the proxy receives what is redirected to it. Changes nothing.
 * @param previous the record of an earlier time that may have been applied, wholly or in part: what it knows of the state before stays
 * @throws AmbientRedirectError `ERR_INTERFACE_NOT_FOUND`; `ERR_CONFLICT` when the routing table or the rule's priority is used for something else
 */
export async function planSettings(target: SettingsTarget, previous?: SettingsRecord): Promise<SettingsRecord> {
  const proxyNetns = String(target.proxy.netns.inode);
  const same = previous?.proxyNetns === proxyNetns;
  const earlier = (previous?.sysctls ?? []).filter(({ where }) => same || where === 'host');
  const wanted = wishes(target, earlier).flatMap((wish): SysctlChange[] => {
    const known = earlier.find((each) => each.where === wish.where && each.name === wish.name);
    const before = known?.before ?? readSysctl(netnsOf(target, wish.where), wish.name);
    return before === undefined ? [] : [{ ...wish, before }];
  });
  const kept = earlier.filter(({ where, name }) => !wanted.some((each) => each.where === where && each.name === name));
  const { missing } = await routingState(target);
  // Those of another table or priority, which were asked for before, are there still.
  const added = same ? previous.routing : [];
  const known = new Set(added.map(describePart));
  const routing = [...added, ...missing.filter((part) => !known.has(describePart(part)))];
  return { version: 1, proxyNetns, sysctls: [...wanted, ...kept], routing };
}
