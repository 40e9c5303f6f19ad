import { readdirSync } from 'node:fs';
import { MAPS } from '../maps.ts';
import { normalisePolicy } from '../policy.ts';
import { resolvePod } from '../topology/index.ts';
import type { CaptureMode } from '../programs/index.ts';
import {
  appFacts,
  HOST_IN_RECORDS,
  hostInFacts,
  hostInRecord,
  proxiesOf,
  wantsDns,
  type FactsContext,
  type HostInRecord,
} from './context.ts';
import { mapped } from './direct-flows.ts';
import { VERSION } from './directory.ts';
import type { EnrollOptions } from './enroll.ts';
import { leavingOf, type LeavingProxy } from './leaving-proxy.ts';
import { HookPlanner, type HookSpace } from './plan-hooks.ts';
import type { Ground } from './plan-ground.ts';
import { ProxyPlanner, recordedProxy, reopenProxy, type ProxyAim } from './plan-proxy.ts';
import type { NodePlan, Operation, PlannedChange } from './planned-change.ts';
import { openPodNetns } from './pod-netns.ts';
import { addressesOf, OWNER, type PodRecord } from './pod-record.ts';
import type { ProgramBuilders } from './program-store.ts';
import { ProxyPlace } from './proxy-place.ts';
import type { ProxyReference, ProxyState } from './proxy-state.ts';
import { lookAgain } from './reconcile.ts';
import { Roster, type PodRequest } from './roster.ts';
import { describeShadow, refuseShadowed, shadowsOf } from './shadow.ts';

const MODES: readonly CaptureMode[] = ['observe', 'preserve', 'full', 'drain'];

/** What programs are made of: what the plan knows of the node as it is to be. */
type Projection = { -readonly [K in keyof FactsContext]: FactsContext[K] } & { pods: Map<string, PodRecord> };

/** Works out what an operation changes. One is good for one operation. */
export class Planner {
  readonly #ground: Ground;
  readonly #hooks: HookPlanner;
  readonly #proxy: ProxyPlanner;
  readonly #changes: PlannedChange[] = [];
  readonly #notes: string[] = [];
  readonly #refused: { subject: string; error: unknown }[] = [];
  /** Pods that leave. */
  readonly #leaving: PodRecord[] = [];
  /** Names of the pins of programs: those that are there, those that come, those that are of no use any more. */
  readonly #pinned: ReadonlySet<string>;
  readonly #loaded: Set<string> = new Set<string>();
  #collected: readonly string[] = [];
  readonly #now: Projection;

  constructor(ground: Ground) {
    const { context, settings, node } = ground;
    this.#ground = ground;
    this.#hooks = new HookPlanner(ground);
    this.#proxy = new ProxyPlanner(ground, this.#hooks);
    this.#pinned = new Set(context?.directory.programNames());
    this.#now = {
      settings,
      node,
      telling: undefined,
      pods: new Map(context?.pods),
      proxySide: { state: context?.proxySide.state, leaving: context?.proxySide.leaving },
    };
  }

  /** What changes. */
  async plan(operation: Operation): Promise<NodePlan> {
    if (operation.kind === 'teardown') await this.#teardown();
    else {
      if (this.#ground.context === undefined) this.#begin();
      await this.#open(operation);
      await this.#do(operation);
      await this.#converge();
    }
    const { directory } = this.#ground.settings;
    return { directory, changes: this.#changes, notes: this.#notes, refused: this.#refused };
  }

  /** What makes a state. */
  #begin(): void {
    for (const name of Object.keys(MAPS))
      this.#changes.push({ action: 'make', where: 'state', kind: 'map', what: name, pin: `${VERSION}/maps/${name}` });
  }

  /** What an engine does when it is opened: see `reconcile`. */
  async #open(operation: Operation): Promise<void> {
    const { context, host } = this.#ground;
    if (context === undefined || (context.pods.size === 0 && context.proxySide.state === undefined)) return;
    try {
      await this.#aimAtRecorded();
    } catch (error) {
      this.#refused.push({ subject: 'proxy', error });
    }
    for (const pod of context.pods.values()) {
      const look = pod.phase === 'leaving' ? undefined : await lookAgain({ host, pods: context.pods }, pod);
      if (look === undefined) this.#leave(pod);
      else this.#now.pods.set(pod.id, look.pod);
      if (look?.refused !== undefined) this.#refused.push({ subject: pod.id, error: look.refused });
    }
    this.#useHostIn();
    for (const pod of this.#now.pods.values()) {
      this.#usePrograms(pod);
      if (pod.phase === 'enrolling') this.#enrolling(pod);
      if (pod.phase === 'draining')
        this.#notes.push(`${pod.id} is draining, and leaves when its connections have ended`);
    }
    this.#settle();
    this.#collected = this.#collect();
    // What another proxy has, or none, is another difference.
    if (operation.kind === 'set-proxy' || operation.kind === 'clear-proxy') this.#proxy.changes.length = 0;
  }

  /** Pods whose connections of before have ended are redirected without looking for them. */
  #settle(): void {
    const { context, sys } = this.#ground;
    const noted = new Set([...(context?.directory.maps.direct.keys() ?? [])].map(({ pod }) => pod));
    for (const pod of this.#now.pods.values()) {
      if (pod.mode !== 'preserve') continue;
      using netns = openPodNetns(sys, pod.netns, pod.netnsPath);
      const isSettled = netns !== undefined && !addressesOf(pod).some((address) => noted.has(mapped(address)));
      if (isSettled) this.#now.pods.set(pod.id, { ...pod, mode: 'full' });
      else this.#notes.push(`${pod.id} has connections of before it was enrolled: they are looked for until they end`);
    }
    for (const pod of this.#now.pods.values()) this.#usePrograms(pod);
    this.#useHostIn();
  }

  /** Pins of programs that no hook runs or will run soon. */
  #collect(): readonly string[] {
    const policies = [
      normalisePolicy({}, this.#now.settings),
      ...[...this.#now.pods.values()].map(({ policy }) => policy),
    ];
    const useful = new Set<string>();
    for (const policy of policies)
      for (const mode of MODES)
        for (const name of ['app_outbound', 'app_inbound'] as const)
          useful.add(this.#ground.pinOf(name, appFacts(this.#now, { policy, mode })));
    for (const proxy of proxiesOf(this.#now.proxySide))
      for (const preserving of [true, false])
        useful.add(this.#ground.pinOf('ztunnel_host_in', { ...hostInFacts(this.#now, proxy), preserving }));
    for (const [name, facts] of this.#proxy.programs) useful.add(this.#ground.pinOf(name, facts));
    for (const pin of this.#loaded) if (!useful.has(pin)) this.#loaded.delete(pin);
    return [...this.#pinned].filter((pin) => !useful.has(pin));
  }

  async #do(operation: Operation): Promise<void> {
    switch (operation.kind) {
      case 'enroll':
        return this.#enroll(operation.pods, operation.options ?? {});
      case 'unenroll': {
        for (const id of operation.ids) {
          const pod = this.#now.pods.get(id);
          if (pod === undefined) this.#notes.push(`${id} is not enrolled`);
          else this.#leave(pod);
        }
        return;
      }
      case 'set-proxy':
        return this.#setProxy(operation.proxy, operation.handover ?? false);
      case 'clear-proxy':
        await this.#proxy.unsteer();
        this.#now.proxySide = { state: undefined, leaving: undefined };
        return;
      default:
    }
  }

  async #enroll(
    requests: readonly PodRequest[],
    { established = 'preserve', onShadowed = 'warn' }: EnrollOptions,
  ): Promise<void> {
    const { host, settings, context } = this.#ground;
    const first = established === 'preserve' ? 'observe' : 'full';
    const roster = new Roster(this.#now.pods, { dns: settings.dns, first });
    const hadDns = wantsDns(this.#now);
    for (const request of requests) {
      try {
        const { pod } = roster.plan(request, await resolvePod(host, request));
        if (context !== undefined) {
          if (onShadowed === 'fail') await refuseShadowed(context, pod);
          for (const each of await shadowsOf(context, pod)) this.#notes.push(describeShadow(each));
        }
        this.#now.pods.set(pod.id, pod);
        if (pod.phase === 'enrolling') this.#enrolling(pod);
      } catch (error) {
        this.#refused.push({ subject: request.id, error });
      }
    }
    if (this.#now.proxySide.state === undefined)
      this.#notes.push(
        `there is no proxy: what is captured ${settings.withoutProxy === 'drop' ? 'is dropped' : 'passes'}`,
      );
    else if (!hadDns && wantsDns(this.#now)) await this.#aimAtRecorded({ dns: true });
  }

  /** The steps of a pod that is being enrolled, and its last. */
  #enrolling(pod: PodRecord): void {
    this.#useHostIn();
    const steps: readonly CaptureMode[] =
      pod.mode === 'observe'
        ? ['observe', 'drain', 'preserve']
        : pod.mode === 'drain'
          ? ['drain', 'preserve']
          : [pod.mode];
    for (const mode of steps) this.#usePrograms({ ...pod, mode });
    this.#now.pods.set(pod.id, { ...pod, phase: 'enrolled', mode: steps.at(-1) ?? pod.mode });
  }

  /** A pod that leaves, and the programs that it has until then. */
  #leave(pod: PodRecord): void {
    this.#leaving.push(pod);
    const past: readonly CaptureMode[] =
      pod.mode === 'full' || pod.mode === 'preserve' ? ['preserve', 'drain', 'observe'] : ['observe'];
    for (const mode of past) {
      this.#now.pods.set(pod.id, { ...pod, mode });
      this.#useHostIn();
      this.#usePrograms({ ...pod, mode });
    }
    this.#now.pods.delete(pod.id);
  }

  async #setProxy({ netns, interface: own, ports, pid, listeners }: ProxyReference, handover: boolean): Promise<void> {
    const { host, settings } = this.#ground;
    using place = await ProxyPlace.open(host, netns, own);
    const before = recordedProxy(this.#ground);
    const isKnown = before !== undefined && JSON.stringify(before.identity) === JSON.stringify(place.identity);
    const must = { ...(pid !== undefined && { pid }), ...(listeners && { listeners }) };
    await this.#aim({
      place,
      ports: ports ?? settings.ports,
      dns: wantsDns(this.#now),
      handover,
      ...(isKnown ? {} : { must }),
    });
  }

  /** The proxy that is recorded, as it is to be. */
  async #aimAtRecorded(changes: Partial<Pick<ProxyAim, 'dns'>> = {}): Promise<void> {
    const record = recordedProxy(this.#ground);
    using place = await reopenProxy(this.#ground);
    if (record === undefined || place === undefined) return;
    const { ports, dns, handover } = record;
    await this.#aim({ place, ports, dns, handover, ...changes });
  }

  async #aim(aim: ProxyAim): Promise<void> {
    this.#proxy.changes.length = 0;
    this.#proxy.programs.length = 0;
    const state: ProxyState = await this.#proxy.aim(aim);
    const before = this.#now.proxySide.state;
    const isSame = before !== undefined && before.netnsInode === state.netnsInode;
    const leaving = isSame ? this.#now.proxySide.leaving : await this.#leavingNow(aim);
    this.#now.proxySide = { state: { ...state, status: isSame ? before.status : 'listening' }, leaving };
    if (leaving?.moved === false) {
      for (const pod of this.#now.pods.values()) this.#usePrograms(pod);
      this.#now.proxySide = { ...this.#now.proxySide, leaving: { ...leaving, moved: true } };
    }
    for (const [name, facts] of this.#proxy.programs) this.#use(name, facts);
  }

  /** The proxy of now, as one that leaves. */
  async #leavingNow({ place }: ProxyAim): Promise<LeavingProxy | undefined> {
    const record = recordedProxy(this.#ground);
    const leaving = record && (await leavingOf(this.#ground.host, record, place));
    if (leaving === undefined) return undefined;
    this.#notes.push(`the proxy at ${leaving.hostInterface.name} keeps the connections that it has, until they end`);
    return leaving;
  }

  /** What has to change so that every hook has what is wanted. */
  async #converge(): Promise<void> {
    await this.#hostIn();
    for (const pod of this.#now.pods.values()) await this.#converge1(pod);
    for (const pod of this.#leaving) await this.#takeOff(pod);
    this.#changes.push(...this.#proxy.changes);
    const made = [...this.#loaded].filter((pin) => !this.#pinned.has(pin) || this.#collected.includes(pin));
    for (const pin of this.#collected.filter((each) => !this.#loaded.has(each)))
      this.#changes.push({ action: 'remove', ...programPin(pin), how: 'of no use any more' });
    for (const pin of made.filter((each) => !this.#pinned.has(each)))
      this.#changes.push({ action: 'make', ...programPin(pin) });
  }

  async #converge1(pod: PodRecord): Promise<void> {
    this.#usePrograms(pod);
    const { programs } = this.#ground.context ?? {};
    const facts = appFacts(this.#now, pod);
    const { index: device, name: where } = pod.hostInterface;
    for (const direction of ['ingress', 'egress'] as const) {
      const owner = OWNER[direction];
      const program = programs?.find(direction === 'ingress' ? 'app_outbound' : 'app_inbound', facts);
      const pinName = `pod-${pod.slot}-${direction}`;
      const wanted = { device, where, direction, owner, pinName, variant: pod.mode, programId: program?.id };
      this.#changes.push(...(await this.#hooks.want(this.#space(), pod.hooks[direction], wanted)));
    }
  }

  #space(): HookSpace {
    const { host, context } = this.#ground;
    return { netns: host.netns, socket: host.socket, hooks: context?.hooks };
  }

  async #takeOff({ hooks, hostInterface }: PodRecord): Promise<void> {
    for (const hook of [hooks.ingress, hooks.egress])
      if (hook !== undefined)
        this.#changes.push(...(await this.#hooks.remove(this.#space(), hook, hostInterface.name)));
  }

  async #hostIn(): Promise<void> {
    const { context } = this.#ground;
    const proxies = proxiesOf(this.#now.proxySide);
    await this.#takeHostIn((name) => !proxies.some(({ hostInterface }) => name === hostInRecord(hostInterface.index)));
    const owner = 'ztunnel_host_in';
    for (const proxy of proxies) {
      const { index: device, name: where } = proxy.hostInterface;
      const facts = hostInFacts(this.#now, proxy);
      this.#use(owner, facts);
      const programId = context?.programs.find(owner, facts)?.id;
      const wanted = { device, where, direction: 'ingress', owner, pinName: `host-in-${device}`, programId } as const;
      const record = context?.directory.records.get<HostInRecord>(hostInRecord(device))?.hook;
      this.#changes.push(...(await this.#hooks.want(this.#space(), record, wanted)));
    }
  }

  /** Takes `ztunnel_host_in` off interfaces. @param goes which of the names of the records */
  async #takeHostIn(goes: (name: string) => boolean): Promise<void> {
    const { context } = this.#ground;
    if (context === undefined) return;
    const { records } = context.directory;
    const known = proxiesOf(context.proxySide).map(({ hostInterface }) => hostInterface);
    for (const name of records.names(HOST_IN_RECORDS)) {
      const record = records.get<HostInRecord>(name);
      if (record === undefined || !goes(name)) continue;
      const { device } = record.hook;
      const where = known.find(({ index }) => index === device)?.name ?? `link ${device}`;
      this.#changes.push(...(await this.#hooks.remove(this.#space(), record.hook, where)));
    }
  }

  #useHostIn(): void {
    for (const proxy of proxiesOf(this.#now.proxySide)) this.#use('ztunnel_host_in', hostInFacts(this.#now, proxy));
  }

  #usePrograms(pod: Pick<PodRecord, 'policy' | 'mode'>): void {
    const facts = appFacts(this.#now, pod);
    this.#use('app_outbound', facts);
    this.#use('app_inbound', facts);
  }

  #use(name: keyof ProgramBuilders, facts: unknown): void {
    // What is told apart by tags that are made up only then has no name yet.
    const isKnown = !JSON.stringify(facts).includes('"?"');
    this.#loaded.add(isKnown ? this.#ground.pinOf(name, facts) : `${name}-?`);
  }

  /** Everything that is there goes. */
  async #teardown(): Promise<void> {
    const { context, settings } = this.#ground;
    for (const pod of context?.pods.values() ?? []) await this.#takeOff(pod);
    await this.#takeHostIn(() => true);
    this.#changes.push(...(await this.#hooks.qdiscsToRemove(this.#space())));
    await this.#proxy.unsteer();
    await this.#proxy.restore();
    this.#changes.push(...this.#proxy.changes);
    for (const pin of this.#pinned) this.#changes.push({ action: 'remove', ...programPin(pin) });
    for (const name of readdirSync(`${settings.directory}/${VERSION}/maps`))
      this.#changes.push({ action: 'remove', where: 'state', kind: 'map', what: name, pin: `${VERSION}/maps/${name}` });
  }
}

function programPin(pin: string): Pick<PlannedChange, 'where' | 'kind' | 'what' | 'pin'> {
  return { where: 'state', kind: 'program', what: pin.replace(/-[^-]*$/, ''), pin: `${VERSION}/programs/${pin}` };
}
