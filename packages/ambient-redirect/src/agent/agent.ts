import { dirname } from 'node:path';
import { openSys, type Sys } from 'netlink-tc';
import { loadConfig, type AgentConfig } from '../config/index.ts';
import { ControlServer, type AgentReport, type Control } from '../control/index.ts';
import type { EngineOptions, ReconcileReport } from '../engine/index.ts';
import { agentControl } from './agent-control.ts';
import { EngineHolder, type HeldOptions } from './engine-holder.ts';
import { FileWatch } from './file-watch.ts';
import { HealthServer, type Health } from './health-server.ts';
import { wordsOf, type AgentLog } from './log.ts';
import { Notifier, type NotifyEnvironment } from './notifier.ts';
import { OwnedPods } from './owned-pods.ts';
import { PodKeeper } from './pod-keeper.ts';
import { ProxyKeeper } from './proxy-keeper.ts';
import { problemsOf, problemText } from './readiness.ts';
import { WantedPods, type Problem } from './wanted.ts';

/** How long who asked for a teardown has to read its answer, in milliseconds. */
const ANSWER_MS = 100;

/** Options of {@link Agent.start}. */
export interface AgentOptions {
  /** Path of the configuration. */
  readonly config: string;
  /** In the place of what the configuration says. */
  readonly directory?: string;
  readonly socket?: string;
  /** As of `RedirectEngine.open`. */
  readonly host?: NonNullable<EngineOptions['host']>;
  readonly sys?: Sys;
  readonly log: AgentLog;
  /** What the service manager says of itself in the environment. */
  readonly notify: NotifyEnvironment;
  /** What `/metrics` tells. */
  readonly metrics: (control: Control) => ReturnType<Health['metrics']>;
}

/**
 * The long-running process of a node: it keeps an engine in line with its configuration and with a directory of pods, and lets other commands ask
 * for what the engine does. When it ends, everything goes on; the next one takes over.
 */
export class Agent implements AsyncDisposable {
  /**
   * Resolves when the agent has nothing to do any more, as everything was torn down; rejects when that failed, or it has lost its engine. Close it
   * then.
   */
  readonly ended: Promise<void>;
  readonly #options: AgentOptions;
  readonly #log: AgentLog;
  readonly #notifier: Notifier;
  readonly #holder: EngineHolder;
  readonly #owned: OwnedPods;
  readonly #pods: PodKeeper;
  readonly #proxy: ProxyKeeper;
  readonly #control: Control;
  readonly #wanted = new WantedPods();
  readonly #files: FileWatch;
  readonly #since: string = new Date().toISOString();
  readonly #servers: AsyncDisposable[] = [];
  readonly #end: (failure?: { readonly error: unknown }) => void;
  /** What is in force. */
  #config: AgentConfig;
  /** What is wrong with the configuration as it is by now. */
  #problems: readonly Problem[] = [];
  /** Options that no engine could be had with lately. */
  #refused: { readonly held: string; readonly error: unknown; readonly until: number } | undefined;
  /** What was complained of, so that it is not every time. */
  #complaints: ReadonlySet<string> = new Set();
  #turn: Promise<void> = Promise.resolve();
  /** The next turn, which has not begun: it will find all that has changed by now. */
  #next: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Nothing new is begun. */
  #isOver = false;
  #isClosed = false;

  private constructor(
    options: AgentOptions,
    config: AgentConfig,
    { holder, notifier }: { readonly holder: EngineHolder; readonly notifier: Notifier },
  ) {
    const { log } = options;
    let end: (failure?: { readonly error: unknown }) => void = () => undefined;
    this.ended = new Promise((resolve, reject) => {
      end = (failure) => (failure === undefined ? resolve() : reject(failure.error as Error));
    });
    // Who does not wait for it hears of it elsewhere.
    this.ended.catch(() => undefined);
    this.#end = end;
    this.#options = options;
    this.#log = log;
    this.#config = config;
    this.#notifier = notifier;
    this.#holder = holder;
    this.#owned = new OwnedPods(`${config.socket}.pods`, config.engine.directory);
    this.#pods = new PodKeeper(
      {
        enroll: (pods) => holder.use((engine) => engine.enroll(pods)),
        unenroll: (id, how) => holder.unenroll(id, how),
      },
      this.#owned,
      log,
    );
    this.#proxy = new ProxyKeeper((proxy) => holder.use((engine) => engine.setProxy(proxy)), log);
    this.#control = agentControl(holder, {
      wanted: () => this.#wanted.pods,
      report: () => ({ agent: this.#report(), wanted: this.#pods.unmet() }),
      onRemoved: (ids) => this.#pods.removed(ids),
      teardown: () => this.#teardown(),
    });
    this.#files = new FileWatch(() => void this.#agree());
  }

  /**
   * Starts an agent, and waits until all that is wanted was tried once. What fails then is tried again.
   * @throws AmbientRedirectError `ERR_CONFIG`; `ERR_LOCKED` while there is another agent, or another process has the directory; what
   * `RedirectEngine.open` throws
   */
  static async start(options: AgentOptions): Promise<Agent> {
    const { log, notify } = options;
    const config = configOf(options);
    const sys = options.sys ?? (await openSys());
    const notifier = new Notifier(sys, notify, (error) => log.warn(wordsOf(error)));
    const late: { agent?: Agent } = {};
    let holder: EngineHolder;
    try {
      holder = await EngineHolder.open(heldOptions(config, { ...options, sys }), {
        onReconcile: (report) => {
          if (late.agent !== undefined) late.agent.#reconciled(report);
        },
        onError: (error) => log.error(`reconcile: ${wordsOf(error)}`),
      });
    } catch (error) {
      notifier.close();
      throw error;
    }
    let agent: Agent;
    try {
      agent = new Agent({ ...options, sys }, config, { holder, notifier });
    } catch (error) {
      await holder.close();
      notifier.close();
      throw error;
    }
    late.agent = agent;
    try {
      await agent.#begin();
    } catch (error) {
      await agent.close();
      throw error;
    }
    return agent;
  }

  async #begin(): Promise<void> {
    const { socket, listen, engine } = this.#config;
    const { metrics } = this.#options;
    const opening = await this.#holder.use((opened) => Promise.resolve(opened.opening));
    if (opening !== undefined) this.#reconciled(opening);
    const identity = { socket, pid: process.pid, directory: engine.directory };
    this.#servers.push(await ControlServer.listen(this.#control, identity));
    if (listen !== undefined) {
      const health: Health = {
        problems: async () => problemsOf(await this.#control.status()),
        metrics: () => metrics(this.#control),
      };
      const server = await HealthServer.listen(health, listen);
      this.#servers.push(server);
      this.#log.info(`health and metrics are at ${server.url}`);
    }
    await this.#agree();
    this.#notifier.tell({ READY: 1 });
    this.#log.info('ready');
  }

  /** Reads the configuration and the directory of pods again, and waits until all that is wanted was tried once. */
  async reload(): Promise<void> {
    if (this.#isOver) return;
    this.#notifier.tellReloading();
    await this.#agree();
    this.#notifier.tell({ READY: 1 });
  }

  /** Does as files say: now, and again some time after, in case that nothing tells of a change. */
  #agree(): Promise<void> {
    this.#next ??= this.#turn.then(() => {
      this.#next = undefined;
      return this.#agreeNow();
    });
    this.#turn = this.#next;
    return this.#turn;
  }

  async #agreeNow(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#isOver) return;
    try {
      this.#watch();
      await this.#readConfig();
      this.#watch();
      this.#wanted.read(this.#config, this.#options.config);
      this.#complain();
      // First the proxy: what is captured has then somewhere to go.
      await this.#proxy.want(this.#config.proxy);
      await this.#pods.want(this.#wanted.pods, { drainMs: this.#config.drainMs, isWhole: this.#wanted.isWhole });
      this.#tellStatus();
    } catch (error) {
      this.#log.error(wordsOf(error));
    }
    this.#timer = setTimeout(() => void this.#agree(), this.#config.reconcileMs).unref();
  }

  #watch(): void {
    const { podsDirectory } = this.#config;
    this.#files.watch([dirname(this.#options.config), ...(podsDirectory === undefined ? [] : [podsDirectory])]);
  }

  /** Takes over the configuration as it is by now. One that cannot be understood, or had, leaves in force what is. */
  async #readConfig(): Promise<void> {
    const path = this.#options.config;
    const before = this.#config;
    try {
      const read = configOf(this.#options);
      const { directory } = before.engine;
      const { socket, listen } = before;
      const fixed = [
        ...(read.engine.directory === directory ? [] : ['directory']),
        ...(read.socket === socket ? [] : ['agent.socket']),
        ...(JSON.stringify(read.listen) === JSON.stringify(listen) ? [] : ['agent.listen']),
      ];
      const config = { ...read, engine: { ...read.engine, directory }, socket, listen };
      this.#problems = fixed.map((name) => ({ subject: path, error: `${name} has changed: restart the agent` }));
      if (JSON.stringify(config) === JSON.stringify(before)) return;
      const [held, had] = [heldOptions(config, this.#options), heldOptions(before, this.#options)];
      if (textOf(held) !== textOf(had)) await this.#reopen(held);
      this.#config = config;
      this.#log.info(`${path} is in force as it is now`);
    } catch (error) {
      this.#problems = [{ subject: path, error: wordsOf(error) }];
      // Neither the new engine could be had, nor one like the old: another process may.
      if (this.#holder.isLost) this.#end({ error });
    }
  }

  /** Exchanges the engine. With options that were refused it is tried seldom: the engine of now is closed for it. */
  async #reopen(held: HeldOptions): Promise<void> {
    const text = textOf(held);
    if (this.#refused?.held === text && Date.now() < this.#refused.until) throw this.#refused.error;
    try {
      await this.#holder.reopen(held);
    } catch (error) {
      this.#refused = { held: text, error, until: Date.now() + held.everyMs };
      throw error;
    }
  }

  /** Says what is wrong with files, where it was not said before. */
  #complain(): void {
    const complaints = new Set([...this.#problems, ...this.#wanted.problems].map(problemText));
    for (const text of complaints) if (!this.#complaints.has(text)) this.#log.error(text);
    this.#complaints = complaints;
  }

  #reconciled({ repaired, removed, failed }: ReconcileReport): void {
    for (const { subject, found } of repaired) this.#log.warn(`mended: ${subject}: ${found}`);
    for (const id of removed) this.#log.info(`${id} is not there any more`);
    for (const { subject, error } of failed) this.#log.error(`${subject}: ${wordsOf(error)}`);
    this.#pods.removed(removed);
  }

  #report(): AgentReport {
    const { error } = this.#proxy;
    return {
      pid: process.pid,
      config: this.#options.config,
      since: this.#since,
      problems: [
        ...this.#problems,
        ...this.#wanted.problems,
        ...(error === undefined ? [] : [{ subject: 'proxy', error }]),
      ],
    };
  }

  #tellStatus(): void {
    const unmet = this.#pods.unmet().length;
    const missing = unmet === 0 ? '' : `, ${unmet} missing`;
    this.#notifier.tell({ STATUS: `${this.#pods.count} pods enrolled${missing}` });
  }

  async #teardown(): ReturnType<Control['teardown']> {
    this.#log.info('everything is torn down, as it was asked for');
    this.#isOver = true;
    this.#files.close();
    let failure: { readonly error: unknown } | undefined;
    try {
      await Promise.all([this.#pods.stop(), this.#proxy.stop()]);
      const kept = await this.#holder.teardown();
      this.#owned.clear();
      return kept;
    } catch (error) {
      failure = { error };
      throw error;
    } finally {
      // Who asked is answered first.
      setTimeout(() => this.#end(failure), ANSWER_MS);
    }
  }

  /** Ends the agent and leaves everything running, after what is being done. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isOver = true;
    this.#notifier.tell({ STOPPING: 1 });
    clearTimeout(this.#timer);
    this.#files.close();
    for (const server of this.#servers.splice(0)) await server[Symbol.asyncDispose]();
    await Promise.all([this.#pods.stop(), this.#proxy.stop()]);
    await this.#turn;
    clearTimeout(this.#timer);
    await this.#holder.close();
    this.#notifier.close();
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** The configuration, with what the caller has in the place of parts of it. @throws AmbientRedirectError `ERR_CONFIG` */
export function configOf({
  config: path,
  directory,
  socket,
}: Pick<AgentOptions, 'config' | 'directory' | 'socket'>): AgentConfig {
  const config = loadConfig(path);
  return {
    ...config,
    engine: { ...config.engine, ...(directory === undefined ? {} : { directory }) },
    socket: socket ?? config.socket,
  };
}

function heldOptions({ engine, reconcileMs: everyMs }: AgentConfig, { sys, host }: AgentOptions): HeldOptions {
  return { ...engine, everyMs, ...(sys && { sys }), ...(host && { host }) };
}

function textOf({ sys: _sys, ...options }: HeldOptions): string {
  return JSON.stringify(options);
}
