import { isNetlinkTcError, NetlinkTcError, type InetSocket, type Sys } from 'netlink-tc';
import { isAmbientRedirectError } from '../error.ts';
import type { Deviation } from '../node/index.ts';
import type { ProxyPorts } from '../ports.ts';
import { chooseListeners, listeningSockets, notListening, type ListenerChoices } from './listeners.ts';
import { findOwner, handedOwner, pidOf, processOwner, type ListenerOwner } from './proxy-owner.ts';
import type { ProxyPlace } from './proxy-place.ts';
import type { ProxyReference } from './proxy-state.ts';

/** What a look at the proxy's namespace found. */
export interface Look {
  readonly owner: ListenerOwner;
  readonly choices: ListenerChoices;
}

/** What {@link lookForListeners} goes by. */
export interface LookOptions extends Pick<ProxyReference, 'pid' | 'listeners'> {
  readonly ports: ProxyPorts;
  readonly mode: 'sk_lookup' | 'tproxy';
  /** Cookies of the sockets that have the slots now. */
  readonly current: readonly (bigint | undefined)[];
  /** A proxy that must be there, or one that may be away, and whose place another process may have taken. */
  readonly must: boolean;
}

/**
 * Looks which sockets of the proxy's namespace get which connections, and makes sure that they can be had. Changes nothing.
 * @throws AmbientRedirectError `ERR_PROXY_NOT_LISTENING` for one that must listen, and does not; `ERR_INVALID_ARGUMENT`
 * @throws NetlinkTcError `ERR_PERMISSION` when its sockets cannot be taken (`sk_lookup` only)
 */
export async function lookForListeners(sys: Sys, place: ProxyPlace, options: LookOptions): Promise<Look> {
  const { mode, must, current, ports } = options;
  const sockets = await listeningSockets(place.diag);
  const { addresses } = place.topology;
  const own = (['ipv4', 'ipv6'] as const).filter((family) => addresses[family].length > 0);
  const choose = (among: readonly InetSocket[]): ListenerChoices =>
    chooseListeners(among, {
      ports,
      families: own.length === 0 ? ['ipv4', 'ipv6'] : own,
      current,
      anyAddress: mode === 'tproxy',
    });
  const owner = ownerOf(sys, place, sockets, options);
  const choices = choose(owner.sockets);
  if (must && !choices.complete) {
    if (owner.pid === undefined && choose(sockets).complete) throw unseen();
    throw notListening(choices, owner.sockets, owner.name);
  }
  const wrong =
    mode === 'sk_lookup' ? choices.chosen.find(({ slot, socket }) => socket.cookie !== current[slot]) : undefined;
  if (wrong !== undefined) owner.take(wrong.socket.inode).close();
  return { owner, choices };
}

function ownerOf(
  sys: Sys,
  place: ProxyPlace,
  sockets: readonly InetSocket[],
  { pid: source, listeners, ports, mode, current, must }: LookOptions,
): ListenerOwner {
  const pid = pidOf(source);
  if (listeners !== undefined && mode === 'sk_lookup') return handedOwner(sys, sockets, listeners, pid);
  const wanted = new Set(Object.values(ports));
  const onPorts = sockets.filter(({ local }) => wanted.has(local.port));
  try {
    const owner = pid === undefined ? undefined : processOwner(sys, sockets, pid);
    // The id may be that of another process by now, or of one that has stepped down.
    if (owner !== undefined && (must || owner.sockets.some((socket) => onPorts.includes(socket)))) return owner;
  } catch (error) {
    const isGone = isAmbientRedirectError(error, 'ERR_PROXY_NOT_LISTENING');
    const isHidden = isNetlinkTcError(error, 'ERR_PERMISSION') && mode === 'tproxy';
    if (!isHidden && (must || !isGone)) throw error;
  }
  const found = findOwner(sys, String(place.netns.inode), sockets, onPorts);
  // What a look-up by port finds, and what is in the map already, need not be taken from anyone.
  const free = (socket: InetSocket): boolean =>
    mode === 'tproxy' || current.includes(socket.cookie) || found.sockets.includes(socket);
  return { ...found, sockets: sockets.filter(free) };
}

function unseen(): NetlinkTcError {
  return new NetlinkTcError('ERR_PERMISSION', 'the process that has the proxy’s listeners cannot be seen', {
    hint: 'it needs CAP_SYS_PTRACE and the proxy in this pid namespace; without, the proxy must hand its listeners over',
  });
}

/**
 * What of the listeners is not as it should be.
 * @param current cookies of the sockets in the slots; undefined where no program looks there
 */
export function checkListeners(
  { chosen, missing, complete }: ListenerChoices,
  current: readonly (bigint | undefined)[] | undefined,
): Deviation[] {
  const wrong = current === undefined ? [] : chosen.filter(({ slot, socket }) => socket.cookie !== current[slot]);
  return [
    ...wrong.map(({ slot, listener: { purpose, family } }) => ({
      what: `the slot of the listener ${purpose} ${family}`,
      found: current?.[slot] === undefined ? undefined : 'of another socket',
      wanted: 'filled',
    })),
    ...(complete ? [] : missing.map(({ why }) => ({ what: why, found: undefined, wanted: 'a listener' }))),
  ];
}
