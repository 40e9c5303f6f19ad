import {
  applySettings,
  checkSettings,
  listSettings,
  planSettings,
  restoreSettings,
  type Deviation,
  type SettingsRecord,
  type SettingState,
  type SettingsTarget,
} from '../node/index.ts';
import type { Host } from '../topology/index.ts';
import { isSame, ProxyPlace, type NetnsOf, type PlaceIdentity } from './proxy-place.ts';
import type { RecordStore } from './records.ts';

/** Name of the record of what is set for the proxy. */
export const SETTINGS_RECORD = 'settings';
/** What the names of the records of earlier proxies begin with. */
export const EARLIER_SETTINGS = 'settings-of-';

/** What is recorded of the settings: how to find their namespace again, and what was there before. */
export interface StoredSettings {
  readonly identity: PlaceIdentity;
  readonly reference: NetnsOf | undefined;
  readonly hostInterface: string;
  readonly ownInterface: string;
  readonly settings: SettingsRecord;
}

/** Routing table and rule priority in the proxy's namespace. */
export interface ProxyRouting {
  readonly table?: number;
  readonly priority?: number;
}

/** What is set on the node and in the proxy's namespace so that the proxy gets what is redirected to it: recorded before it is done, and put back. */
export class ProxySettings {
  readonly #host: Host;
  readonly #records: RecordStore;
  readonly #routing: ProxyRouting;
  readonly #leaving: () => string | undefined;

  /** @param leaving the host's end of the interface of a proxy that leaves */
  constructor(host: Host, records: RecordStore, routing: ProxyRouting, leaving: () => string | undefined) {
    this.#host = host;
    this.#records = records;
    this.#routing = routing;
    this.#leaving = leaving;
  }

  /**
   * Records what is to be set, and sets it. Where the settings of another namespace are recorded, those stay until {@link settle}: as long as a
   * hook leads there it must not forward.
   * @param reference by which the namespace is found again; undefined where only a process in it leads there
   * @param leaving the host's end of the interface of the proxy that leaves from then on; of the one that does, if left out
   * @throws AmbientRedirectError `ERR_CONFLICT`, with nothing changed
   */
  async apply(
    place: ProxyPlace,
    reference: NetnsOf | undefined,
    leaving: string | undefined = this.#leaving(),
  ): Promise<void> {
    const { hostInterface, podInterface } = place.topology;
    const target = settingsTarget(this.#host, place, this.#routing, leaving);
    const before = this.#records.get<StoredSettings>(SETTINGS_RECORD);
    const moved = before !== undefined && !isSame(before.identity, place.identity);
    // Of a proxy that had left, and comes back, it is known what was there before the first time.
    const own = moved ? this.#records.get<StoredSettings>(earlierName(place.identity)) : undefined;
    const settings = await settingsFor(target, place, before, own);
    if (moved) {
      const { sysctls } = before.settings;
      const there = { ...before.settings, sysctls: sysctls.filter(({ where }) => where === 'proxy') };
      const earlier: StoredSettings = { ...before, settings: there };
      this.#records.put(earlierName(before.identity), earlier);
    }
    const stored: StoredSettings = {
      identity: place.identity,
      reference,
      hostInterface: hostInterface.name,
      ownInterface: podInterface.name,
      settings,
    };
    if (JSON.stringify(stored) !== JSON.stringify(before)) this.#records.put(SETTINGS_RECORD, stored);
    this.#records.delete(earlierName(place.identity));
    await applySettings(target, settings);
  }

  /** Lists what is not as it should be. */
  async check(place: ProxyPlace): Promise<Deviation[]> {
    return checkSettings(this.#target(place), this.#records.get<StoredSettings>(SETTINGS_RECORD)?.settings);
  }

  /** Lists all that is set, and how it is found. */
  async list(place: ProxyPlace): Promise<SettingState[]> {
    return listSettings(this.#target(place), this.#records.get<StoredSettings>(SETTINGS_RECORD)?.settings);
  }

  /** Puts back what was set for earlier proxies, in namespaces that no hook leads to any more. @returns what others changed, and was left */
  async settle(): Promise<Deviation[]> {
    const left: Deviation[] = [];
    const now = this.#records.get<StoredSettings>(SETTINGS_RECORD);
    // Who was killed before it came to another has the record of an earlier one already.
    const isNow = (name: string): boolean => now !== undefined && name === earlierName(now.identity);
    for (const name of this.#records.names(EARLIER_SETTINGS))
      if (!isNow(name)) left.push(...(await this.#putBack(name)));
    return left;
  }

  /** Puts everything back: call it when no hook is left. @returns what others changed, and was left */
  async restore(): Promise<Deviation[]> {
    return [...(await this.settle()), ...(await this.#putBack(SETTINGS_RECORD))];
  }

  async #putBack(name: string): Promise<Deviation[]> {
    const stored = this.#records.get<StoredSettings>(name);
    if (stored === undefined) return [];
    const { identity, settings } = stored;
    using place = await ProxyPlace.reopen(this.#host, identity, stored);
    // What was set in a namespace that is gone is gone with it.
    const left =
      place === undefined
        ? await restoreSettings(
            {
              host: this.#host,
              hostInterface: stored.hostInterface,
              proxy: this.#host,
              proxyInterface: stored.ownInterface,
            },
            { ...settings, sysctls: settings.sysctls.filter(({ where }) => where === 'host'), routing: [] },
          )
        : await restoreSettings(this.#target(place), settings);
    this.#records.delete(name);
    return left;
  }

  #target(place: ProxyPlace): SettingsTarget {
    return settingsTarget(this.#host, place, this.#routing, this.#leaving());
  }
}

/**
 * What is to be set for a proxy. Changes nothing.
 * @param before what is recorded of the one before it, or of itself
 * @param own what is recorded of the time when it was the proxy before
 */
export function settingsFor(
  target: SettingsTarget,
  { identity }: Pick<ProxyPlace, 'identity'>,
  before: StoredSettings | undefined,
  own?: StoredSettings,
): Promise<SettingsRecord> {
  const moved = before !== undefined && !isSame(before.identity, identity);
  return planSettings(target, moved ? comingFrom(before.settings, own?.settings) : before?.settings);
}

/** What settings are made in. */
export function settingsTarget(
  host: Host,
  { netns, socket, topology }: ProxyPlace,
  routing: ProxyRouting,
  leavingInterface?: string,
): SettingsTarget {
  return {
    ...(leavingInterface === undefined ? {} : { leavingInterface }),
    host,
    hostInterface: topology.hostInterface.name,
    proxy: { netns, socket },
    proxyInterface: topology.podInterface.name,
    ...routing,
  };
}

function earlierName({ netns, hostIndex }: PlaceIdentity): string {
  return `${EARLIER_SETTINGS}${netns}-${hostIndex}`;
}

/** What was set before: of the host by the last proxy, and of the proxy's namespace when it was the proxy's the last time. */
function comingFrom(last: SettingsRecord, own: SettingsRecord | undefined): SettingsRecord {
  // A number of a namespace may be another's by now: what was there before is not what is here.
  if (own === undefined) return { ...last, proxyNetns: '' };
  return { ...own, sysctls: [...own.sysctls, ...last.sysctls.filter(({ where }) => where === 'host')] };
}
