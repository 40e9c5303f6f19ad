import { isNetlinkTcError, type Sys } from 'netlink-tc';
import { describePart, routingState } from '../node/routing.ts';
import { netnsOf, type SettingsTarget } from '../node/target.ts';
import { readSysctl } from '../node/sysctl.ts';
import type { DirectionTags, SteerFacts, TproxyFacts } from '../programs/index.ts';
import { VERSION } from './directory.ts';
import type { ListenerBank } from '../maps.ts';
import type { LeavingProxy } from './leaving-proxy.ts';
import type { HookPlanner, HookSpace } from './plan-hooks.ts';
import type { Ground } from './plan-ground.ts';
import type { PlannedChange } from './planned-change.ts';
import { lookForListeners } from './proxy-look.ts';
import { isSame, ProxyPlace } from './proxy-place.ts';
import {
  EARLIER_SETTINGS,
  settingsFor,
  SETTINGS_RECORD,
  settingsTarget,
  type StoredSettings,
} from './proxy-settings.ts';
import { PROXY_RECORD, type ProxyRecord, type ProxyReference, type ProxyState } from './proxy-state.ts';
import { Hooks } from './hook.ts';
import { bankOf, lookupMissing, STEER_PINS, TPROXY_PINS } from './steering.ts';

/** The proxy as it is to be. */
export interface ProxyAim extends Pick<ProxyRecord, 'ports' | 'dns' | 'handover'> {
  readonly place: ProxyPlace;
  /** Where it has to listen: one that was not the proxy before. */
  readonly must?: Pick<ProxyReference, 'pid' | 'listeners'>;
}

/** Where changes are told that are in the namespace of the proxy, and of one before it. */
const HERE = 'proxy';
const EARLIER = 'earlier proxy';

/** Tags that are made up when they are needed. */
const UNKNOWN_TAGS: DirectionTags = { outbound: '?', inbound: '?' };

/** What is recorded of the proxy. */
export function recordedProxy({ context }: Ground): ProxyRecord | undefined {
  return context?.directory.records.get<ProxyRecord>(PROXY_RECORD);
}

/** Opens the namespace of the proxy that is recorded; undefined where there is none, or it is gone. */
export async function reopenProxy(ground: Ground): Promise<ProxyPlace | undefined> {
  const record = recordedProxy(ground);
  if (record === undefined) return undefined;
  const { identity, reference, ownInterface } = record;
  return ProxyPlace.reopen(ground.host, identity, { reference, ownInterface: ownInterface.name });
}

/** Says what changes at the proxy's side. */
export class ProxyPlanner {
  readonly #ground: Ground;
  readonly #hooks: HookPlanner;
  readonly changes: PlannedChange[] = [];
  /** Programs that steer: name and facts. */
  readonly programs: (readonly [name: 'ztunnel_steer' | 'ztunnel_tproxy', facts: SteerFacts | TproxyFacts])[] = [];

  constructor(ground: Ground, hooks: HookPlanner) {
    this.#ground = ground;
    this.#hooks = hooks;
  }

  #space({ netns, socket }: ProxyPlace): HookSpace {
    const { sys, context, settings } = this.#ground;
    const { attach: mode, priority, order } = settings;
    const options = { netns, mode, priority, ...(order && { order }) };
    return { netns, socket, hooks: context && new Hooks(sys, socket, context.directory, options) };
  }

  /**
   * Plans the settings and the steering of a proxy.
   * @returns it as programs are then made for it
   * @throws AmbientRedirectError `ERR_PROXY_NOT_LISTENING`, `ERR_CONFLICT`
   */
  async aim({ place, ports, dns, handover, must }: ProxyAim): Promise<ProxyState> {
    const { settings, node, context } = this.#ground;
    const record = recordedProxy(this.#ground);
    const isSamePlace = record !== undefined && isSame(record.identity, place.identity);
    const mode = await this.#mode(place, ports, must);
    const leaving = context?.proxySide.leaving;
    const isReturning = leaving !== undefined && isSame(leaving.identity, place.identity);
    const stays = isSamePlace ? leaving : record;
    await this.#set(settingsTarget(this.#ground.host, place, settings.routing, stays?.hostInterface.name), place);
    const before = isSamePlace ? record.steering : isReturning ? leaving.steering : undefined;
    const bank = bankOf(before, record?.steering);
    // What goes to the one before it from now on is what it has.
    if (record?.steering.mode === 'sk_lookup' && !isSamePlace) this.#unlink(record.steering.bank, EARLIER);
    if (leaving !== undefined && !isSamePlace && !isReturning) await this.#takeSteering(leaving, EARLIER);
    const addresses = await place.ownAddresses();
    const { podInterface, hostInterface } = place.topology;
    const tags = mode === 'tproxy' ? (before?.tags ?? UNKNOWN_TAGS) : undefined;
    if (tags === undefined) {
      const proxy = { ifindex: podInterface.index, addresses };
      const facts: SteerFacts = { node, proxy, hbone: ports.hbone, dns, handover, bank };
      this.programs.push(['ztunnel_steer', facts]);
      this.#steer(place, bank, context?.programs.find('ztunnel_steer', facts)?.id);
      if (before?.hook !== undefined)
        this.changes.push(...(await this.#hooks.remove(this.#space(place), before.hook, 'proxy')));
    } else {
      const facts: TproxyFacts = { ports, proxy: { addresses }, tags, dns, mark: settings.mark };
      this.programs.push(['ztunnel_tproxy', facts]);
      const wanted = {
        device: podInterface.index,
        where: 'proxy',
        direction: 'ingress',
        owner: 'ztunnel_tproxy',
        pinName: TPROXY_PINS[bank],
        programId: tags === UNKNOWN_TAGS ? undefined : context?.programs.find('ztunnel_tproxy', facts)?.id,
      } as const;
      this.changes.push(...(await this.#hooks.want(this.#space(place), before?.hook, wanted)));
      if (before?.mode === 'sk_lookup') this.#unlink(bank);
    }
    return {
      netnsInode: place.identity.netns,
      pid: undefined,
      hostInterface: { index: hostInterface.index, name: hostInterface.name },
      ownInterface: { index: podInterface.index, name: podInterface.name, mac: podInterface.mac ?? '' },
      addresses: place.topology.addresses,
      steering: { mode, reason: '' },
      tags,
      listeners: [],
      status: 'listening',
      missing: [],
    };
  }

  async #mode(place: ProxyPlace, ports: ProxyAim['ports'], must: ProxyAim['must']): Promise<'sk_lookup' | 'tproxy'> {
    const { sys, settings } = this.#ground;
    const mode = chooseMode(sys, settings.steer);
    if (must === undefined) return mode;
    const options = { ...must, ports, must: true, current: [] };
    try {
      await lookForListeners(sys, place, { ...options, mode });
      return mode;
    } catch (error) {
      if (settings.steer !== 'auto' || mode === 'tproxy' || !isNetlinkTcError(error, 'ERR_PERMISSION')) throw error;
      await lookForListeners(sys, place, { ...options, mode: 'tproxy' });
      return 'tproxy';
    }
  }

  #steer({ netns }: ProxyPlace, bank: ListenerBank, programId: number | undefined): void {
    const pin = `${VERSION}/links/${STEER_PINS[bank]}`;
    using link = this.#ground.context?.directory.openLink(STEER_PINS[bank]);
    const info = link?.info();
    const at = { where: 'proxy', kind: 'steering', what: 'ztunnel_steer by sk_lookup' } as const;
    const after = programId === undefined ? 'a new program' : `program ${programId}`;
    if (info !== undefined && BigInt(info.netnsInode ?? 0) === netns.inode) {
      if (info.programId === programId) return;
      this.changes.push({ action: 'replace', ...at, before: `program ${info.programId}`, after });
      return;
    }
    if (info !== undefined && !this.changes.some((change) => change.pin === pin)) this.#unlink(bank);
    this.changes.push({ action: 'make', ...at, after, pin });
  }

  #unlink(bank: ListenerBank, where = HERE): void {
    using link = this.#ground.context?.directory.openLink(STEER_PINS[bank]);
    if (link === undefined) return;
    this.changes.push({
      action: 'remove',
      where,
      kind: 'steering',
      what: 'ztunnel_steer by sk_lookup',
      before: `program ${link.info().programId}`,
      pin: `${VERSION}/links/${STEER_PINS[bank]}`,
    });
  }

  /** Takes the steering of the recorded proxy away, and of one that leaves. */
  async unsteer(): Promise<void> {
    const leaving = this.#ground.context?.proxySide.leaving;
    if (leaving !== undefined) await this.#takeSteering(leaving, EARLIER);
    const record = recordedProxy(this.#ground);
    if (record !== undefined) await this.#takeSteering(record);
  }

  async #takeSteering(
    { identity, reference, ownInterface, steering }: LeavingProxy | ProxyRecord,
    where: string = HERE,
  ): Promise<void> {
    this.#unlink(steering.bank, where);
    const { host } = this.#ground;
    using place = await ProxyPlace.reopen(host, identity, { reference, ownInterface: ownInterface.name });
    if (place === undefined) return;
    const space = this.#space(place);
    const { hook } = steering;
    if (hook !== undefined) this.changes.push(...(await this.#hooks.remove(space, hook, where)));
    const qdiscs = await this.#hooks.qdiscsToRemove(space);
    this.changes.push(...qdiscs.map((change) => Object.assign(change, { where })));
  }

  /** What has to be set, and is not. */
  async #set(target: SettingsTarget, place: ProxyPlace): Promise<void> {
    const before = this.#ground.context?.directory.records.get<StoredSettings>(SETTINGS_RECORD);
    const { netns, hostIndex } = place.identity;
    const own = this.#stored(EARLIER_SETTINGS).find(
      ({ identity }) => identity.netns === netns && identity.hostIndex === hostIndex,
    );
    const { sysctls } = await settingsFor(target, place, before, own);
    for (const { where, name, wanted } of sysctls) {
      const found = readSysctl(netnsOf(target, where), name);
      if (found !== undefined && found !== wanted)
        this.changes.push(setting(where === 'host' ? 'node' : HERE, name, found, wanted));
    }
    const { missing } = await routingState(target);
    for (const part of missing)
      this.changes.push({ action: 'make', where: 'proxy', kind: 'route', what: describePart(part) });
  }

  #stored(prefix: string): readonly StoredSettings[] {
    const records = this.#ground.context?.directory.records;
    return (records?.names(prefix) ?? []).flatMap((name) => records?.get<StoredSettings>(name) ?? []);
  }

  /** Everything that was set is put back. */
  async restore(): Promise<void> {
    // The name of the record of this proxy is what those of earlier ones begin with.
    const earlier = this.#stored(EARLIER_SETTINGS);
    for (const each of earlier) await this.#putBack(each, EARLIER);
    for (const each of this.#stored(SETTINGS_RECORD).slice(0, 1)) await this.#putBack(each, HERE);
  }

  async #putBack(stored: StoredSettings, where: string): Promise<void> {
    const { sysctls, routing } = stored.settings;
    const { host, settings } = this.#ground;
    using place = await ProxyPlace.reopen(host, stored.identity, stored);
    const target = place && settingsTarget(host, place, settings.routing);
    for (const { where: of, name, before, wanted } of sysctls) {
      const netns = of === 'host' ? host.netns : target?.proxy.netns;
      const found = netns && readSysctl(netns, name);
      // What someone else has changed since stays theirs.
      if (found === wanted && found !== before)
        this.changes.push(setting(of === 'host' ? 'node' : where, name, found, before));
    }
    if (target === undefined) return;
    const { missing } = await routingState(target);
    const isMissing = (part: (typeof routing)[number]): boolean =>
      missing.some(({ kind, family }) => kind === part.kind && family === part.family);
    for (const part of routing.toReversed())
      if (!isMissing(part)) this.changes.push({ action: 'remove', where, kind: 'route', what: describePart(part) });
  }
}

function setting(where: string, name: string, before: string, after: string): PlannedChange {
  return { action: 'set', where, kind: 'setting', what: `net/${name}`, before, after };
}

/** How connections would be steered on this kernel. */
function chooseMode(sys: Sys, wanted: 'auto' | 'sk_lookup' | 'tproxy'): 'sk_lookup' | 'tproxy' {
  return wanted === 'auto' ? (lookupMissing(sys) === undefined ? 'sk_lookup' : 'tproxy') : wanted;
}
