import { getLink, type Sys } from 'netlink-tc';
import type { Host } from '../topology/index.ts';
import { openConnections } from './direct-flows.ts';
import { isSame, ProxyPlace, type PlaceIdentity } from './proxy-place.ts';
import type { ProxyRecord } from './proxy-state.ts';
import type { RecordStore } from './records.ts';
import type { Steering } from './steering.ts';

const RECORD = 'proxy-leaving';

/** A proxy that another one, in another namespace, takes over from: it keeps the connections that it has. */
export interface LeavingProxy extends Pick<ProxyRecord, 'hostInterface' | 'ownInterface' | 'addresses' | 'steering'> {
  readonly identity: PlaceIdentity;
  readonly reference: ProxyRecord['reference'];
  /** The ids that the host's namespace has for that of the proxy, and for that of its successor. */
  readonly netnsId: number;
  readonly successorNetnsId: number;
  /**
   * Whether new connections go to the successor. Not before the programs of all pods know both: one that knows the old one alone would give it
   * the answers to what the new one sends.
   */
  readonly moved: boolean;
}

/** What {@link LeavingProxies} works with. */
export interface LeavingTools {
  readonly sys: Sys;
  readonly host: Host;
  readonly records: RecordStore;
  readonly steering: Steering;
}

/** The proxy that leaves, of which there is one at most. It is recorded before the first packet goes to its successor. */
export class LeavingProxies {
  readonly #tools: LeavingTools;
  #leaving: LeavingProxy | undefined;

  /** @param current the proxy of now: what was to leave it and did not come to it is the same still */
  constructor(tools: LeavingTools, current: PlaceIdentity | undefined) {
    this.#tools = tools;
    const recorded = tools.records.get<LeavingProxy>(RECORD);
    const hasBegun = recorded !== undefined && current !== undefined && !isSame(recorded.identity, current);
    this.#leaving = hasBegun ? recorded : undefined;
  }

  /** The one that leaves. */
  get current(): LeavingProxy | undefined {
    return this.#leaving;
  }

  /**
   * Says that a proxy leaves. One that was leaving is its successor then, or is ended before.
   * @returns whether it can: its namespace is there
   */
  async begin(proxy: ProxyRecord, successor: ProxyPlace): Promise<boolean> {
    const { host, records } = this.#tools;
    this.#leaving = await leavingOf(host, proxy, successor);
    if (this.#leaving === undefined) records.delete(RECORD);
    else records.put(RECORD, this.#leaving);
    return this.#leaving !== undefined;
  }

  /** Says that the programs of all pods know both. */
  move(): void {
    if (this.#leaving === undefined || this.#leaving.moved) return;
    this.#leaving = { ...this.#leaving, moved: true };
    this.#tools.records.put(RECORD, this.#leaving);
  }

  /** Forgets it: it is the proxy again. */
  forget(): void {
    this.#leaving = undefined;
  }

  /** Takes what steers to it away. Nothing happens where none leaves. */
  async end(): Promise<void> {
    const leaving = this.#leaving;
    if (leaving === undefined) return;
    using place = await this.#open(leaving);
    await this.#tools.steering.detach(place, leaving.steering);
    this.#tools.records.delete(RECORD);
    this.#leaving = undefined;
  }

  /** How many connections of others it still has: those in its own name are none of the mesh's. */
  async connections(): Promise<number> {
    const leaving = this.#leaving;
    if (leaving === undefined) return 0;
    using place = await this.#open(leaving);
    if (place === undefined) return 0;
    const { ipv4, ipv6 } = await place.ownAddresses();
    const own = new Set([...ipv4, ...ipv6]);
    const sockets = await openConnections(this.#tools.sys, place.netns);
    return sockets.filter(({ local: { address } }) => !own.has(plain(address)) && !isOwnEverywhere(plain(address)))
      .length;
  }

  #open({
    identity,
    reference,
    ownInterface,
  }: Pick<LeavingProxy, 'identity' | 'reference' | 'ownInterface'>): Promise<ProxyPlace | undefined> {
    return ProxyPlace.reopen(this.#tools.host, identity, { reference, ownInterface: ownInterface.name });
  }
}

/** What a proxy is when it leaves; undefined where its namespace is gone. Changes nothing. */
export async function leavingOf(
  host: Host,
  proxy: ProxyRecord,
  successor: ProxyPlace,
): Promise<LeavingProxy | undefined> {
  const { identity, reference, hostInterface, ownInterface, addresses, steering } = proxy;
  using place = await ProxyPlace.reopen(host, identity, { reference, ownInterface: ownInterface.name });
  if (place === undefined) return undefined;
  const [{ parentNetnsId: netnsId }, { parentNetnsId: successorNetnsId }] = await host.socket.batch([
    getLink(hostInterface.index),
    getLink(successor.topology.hostInterface.index),
  ]);
  if (netnsId === undefined || successorNetnsId === undefined) return undefined;
  const known = { identity, reference, hostInterface, ownInterface, addresses, steering };
  return { ...known, netnsId, successorNetnsId, moved: false };
}

/** An address of IPv4 that is mapped into IPv6, as sockets of both families have it. */
function plain(address: string): string {
  return address.replace('::ffff:', '');
}

/** Loopback and link-local addresses: nobody else has them. */
function isOwnEverywhere(address: string): boolean {
  return address.startsWith('127.') || address === '::1' || address.startsWith('fe80:');
}
