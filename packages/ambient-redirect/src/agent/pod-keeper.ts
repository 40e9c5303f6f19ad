import type { UnmetWish } from '../control/index.ts';
import type { Enrolment, PodRequest, UnenrollOptions } from '../engine/index.ts';
import { isAmbientRedirectError } from '../error.ts';
import { backOff } from './back-off.ts';
import { wordsOf, type AgentLog } from './log.ts';
import type { OwnedPods } from './owned-pods.ts';
import type { WantedPod } from './wanted.ts';

/** Who enrolls pods. */
export interface Enroller {
  enroll(pods: readonly PodRequest[]): Promise<readonly Enrolment[]>;
  unenroll(id: string, options?: UnenrollOptions): Promise<boolean>;
}

/** What did not succeed, and when it is tried again. */
interface Failure {
  /** What was asked for, as text. */
  readonly asked: string;
  readonly error: unknown;
  readonly attempts: number;
  /** Milliseconds since 1970. */
  readonly again: number;
}

/** What a pod that is drained is asked for. */
const DRAIN = '';

/**
 * Brings the pods of an engine in line with those that are wanted, and keeps trying: what fails is tried again later, and is told by
 * {@link PodKeeper.unmet} until it succeeds. One that is not wanted any more is drained, if it was enrolled from here.
 */
export class PodKeeper {
  readonly #engine: Enroller;
  readonly #owned: OwnedPods;
  readonly #log: AgentLog;
  readonly #over = new AbortController();
  #wanted: ReadonlyMap<string, WantedPod> = new Map();
  #drainMs = 0;
  #isWhole = false;
  /** Of each pod that is enrolled, what was asked for. */
  readonly #enrolled = new Map<string, string>();
  readonly #failures = new Map<string, Failure>();
  /** Of each pod that drains, what ends the waiting for it. */
  readonly #draining = new Map<string, AbortController>();
  #dirty = false;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(engine: Enroller, owned: OwnedPods, log: AgentLog) {
    this.#engine = engine;
    this.#owned = owned;
    this.#log = log;
  }

  /**
   * Says what is wanted from now on, and waits until all of it was tried once.
   * @param options `isWhole`: nothing else is wanted. If not, what an earlier agent enrolled stays
   */
  want(
    pods: ReadonlyMap<string, WantedPod>,
    { drainMs, isWhole }: { readonly drainMs: number; readonly isWhole: boolean },
  ): Promise<void> {
    this.#wanted = pods;
    this.#drainMs = drainMs;
    this.#isWhole = isWhole;
    return this.#look();
  }

  /** Hears that the engine found pods gone, and has unenrolled them. */
  removed(ids: readonly string[]): void {
    for (const id of ids) {
      this.#enrolled.delete(id);
      if (!this.#wanted.has(id)) this.#forget(id);
    }
    if (ids.length > 0) void this.#look();
  }

  /** Pods that are wanted, and are not enrolled as they are wanted. */
  unmet(): UnmetWish[] {
    return [...this.#wanted].flatMap(([id, wish]) => {
      if (this.#isMet(wish)) return [];
      const failure = this.#failures.get(id);
      if (failure === undefined) return [{ id, code: undefined, error: 'it is being enrolled' }];
      const { code } = failure.error as { readonly code?: unknown };
      return [{ id, code: typeof code === 'string' ? code : undefined, error: wordsOf(failure.error) }];
    });
  }

  /** How many pods are enrolled that are wanted. */
  get count(): number {
    return [...this.#wanted.keys()].filter((id) => this.#enrolled.has(id)).length;
  }

  /** Does nothing more, once what is being done is done. Draining pods drain on by the engine. */
  async stop(): Promise<void> {
    this.#over.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** Looks as soon as nothing else is done. */
  #look(): Promise<void> {
    this.#dirty = true;
    this.#running ??= this.#run();
    return this.#running;
  }

  async #run(): Promise<void> {
    clearTimeout(this.#timer);
    while (this.#dirty && !this.#over.signal.aborted) {
      this.#dirty = false;
      await this.#agree();
    }
    // In the turn that found nothing more to do: who asks later has it done anew.
    this.#running = undefined;
    const waiting = [...this.#failures].filter(([id]) => !this.#draining.has(id));
    const next = Math.min(...waiting.map(([, { again }]) => again));
    if (this.#over.signal.aborted || next === Infinity) return;
    this.#timer = setTimeout(() => void this.#look(), Math.max(0, next - Date.now())).unref();
  }

  async #agree(): Promise<void> {
    for (const id of this.#failures.keys()) {
      const wish = this.#wanted.get(id);
      // Nobody wants it any more, or it is wanted again as it is.
      if (wish === undefined ? !this.#owned.ids.has(id) : this.#isMet(wish)) this.#failures.delete(id);
    }
    for (const id of this.#owned.ids)
      if (!this.#wanted.has(id) && !this.#draining.has(id) && this.#isOut(id) && this.#isDue(id, DRAIN))
        void this.#drain(id);
    const due = [...this.#wanted.values()]
      .map(({ request }) => request)
      .filter((request) => !this.#isMet({ request }) && this.#isDue(request.id, textOf(request)));
    if (due.length === 0) return;
    try {
      this.#owned.add(due.map(({ id }) => id));
    } catch (error) {
      for (const request of due) this.#fail(request.id, textOf(request), error);
      return;
    }
    const elsewhere = await this.#enroll(due);
    // A pod of that name is there, and is another one: the one that was wanted before.
    const free: PodRequest[] = [];
    for (const request of elsewhere) if (await this.#leave(request.id)) free.push(request);
    if (free.length > 0) await this.#enroll(free);
  }

  /** Whether a pod that is not wanted was wanted before by what this agent has read, or is by nothing that it has not. */
  #isOut(id: string): boolean {
    return this.#isWhole || this.#enrolled.has(id) || this.#failures.has(id);
  }

  /** Whether a pod is enrolled as it is wanted. */
  #isMet({ request }: Pick<WantedPod, 'request'>): boolean {
    return this.#enrolled.get(request.id) === textOf(request);
  }

  #isDue(id: string, asked: string): boolean {
    const failure = this.#failures.get(id);
    return failure === undefined || failure.asked !== asked || failure.again <= Date.now();
  }

  /** Enrolls pods. @returns those whose name or interface another one has */
  async #enroll(requests: readonly PodRequest[]): Promise<readonly PodRequest[]> {
    const failed = new Map<string, unknown>();
    for (const { id } of requests) {
      // Where the engine is exchanged, who waits asks the next one: it would drain what is enrolled by then.
      this.#draining.get(id)?.abort();
      this.#draining.delete(id);
    }
    try {
      for (const { id, warnings } of await this.#engine.enroll(requests))
        for (const warning of warnings) this.#log.warn(`${id}: ${warning}`);
    } catch (error) {
      if (this.#over.signal.aborted) return [];
      const failures = isAmbientRedirectError(error, 'ERR_ENROLMENT') ? (error.failures ?? []) : undefined;
      for (const { id } of requests) if (failures === undefined) failed.set(id, error);
      for (const { id, error: why } of failures ?? []) failed.set(id, why);
    }
    const elsewhere: PodRequest[] = [];
    for (const request of requests) {
      const { id } = request;
      const error = failed.get(id);
      if (error === undefined) {
        this.#failures.delete(id);
        this.#log.info(this.#enrolled.has(id) ? `${id} is enrolled as its file says now` : `${id} is enrolled`);
        this.#enrolled.set(id, textOf(request));
      } else {
        this.#fail(id, textOf(request), error);
        if (isAmbientRedirectError(error, 'ERR_POD_EXISTS')) elsewhere.push(request);
      }
    }
    return elsewhere;
  }

  /** Takes a pod away at once. @returns whether there was one */
  async #leave(id: string): Promise<boolean> {
    try {
      this.#enrolled.delete(id);
      return await this.#engine.unenroll(id);
    } catch (error) {
      this.#log.error(`${id}: ${wordsOf(error)}`);
      return false;
    }
  }

  /** Drains a pod. Not to be waited for: meanwhile others come and go. */
  async #drain(id: string): Promise<void> {
    const over = new AbortController();
    this.#draining.set(id, over);
    this.#enrolled.delete(id);
    const signal = AbortSignal.any([this.#over.signal, over.signal]);
    let failure: { readonly error: unknown } | undefined;
    let was = false;
    try {
      const until = this.#owned.drainUntil(id, Date.now() + this.#drainMs);
      was = await this.#engine.unenroll(id, { drain: { timeoutMs: Math.max(0, until - Date.now()) }, signal });
    } catch (error) {
      failure = { error };
    }
    if (signal.aborted) return;
    this.#draining.delete(id);
    if (failure !== undefined) this.#fail(id, DRAIN, failure.error);
    else {
      if (was) this.#log.info(`${id} is unenrolled`);
      if (!this.#wanted.has(id)) this.#forget(id);
      // Others may have waited for its interface or its addresses.
      for (const [other, waiting] of this.#failures) this.#failures.set(other, { ...waiting, again: 0 });
    }
    await this.#look();
  }

  #forget(id: string): void {
    this.#failures.delete(id);
    try {
      this.#owned.delete(id);
    } catch (error) {
      this.#log.error(wordsOf(error));
    }
  }

  #fail(id: string, asked: string, error: unknown): void {
    const before = this.#failures.get(id);
    const attempts = before?.asked === asked ? before.attempts + 1 : 1;
    // Once, and not at each attempt.
    if (before === undefined || wordsOf(before.error) !== wordsOf(error)) this.#log.error(`${id}: ${wordsOf(error)}`);
    this.#failures.set(id, { asked, error, attempts, again: Date.now() + backOff(attempts) });
  }
}

function textOf(request: PodRequest): string {
  return JSON.stringify(request);
}
