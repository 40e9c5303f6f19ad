import type { Sys } from 'netlink-tc';
import { RedirectEngine, type EngineOptions } from '../../packages/ambient-redirect/src/engine/index.ts';
import { isAmbientRedirectError } from '../../packages/ambient-redirect/src/error.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { POD_CIDR, type Lab } from '../support/lab.ts';
import { BYPASS } from './scene.ts';

/** One way to redirect. */
export interface Combination {
  readonly attach: 'tcx' | 'clsact';
  readonly steer: 'sk_lookup' | 'tproxy';
}

/** The pods that a mesh has in a lab. */
const ENROLLED = ['client', 'server'] as const;

/** A mesh in a lab: an engine with its proxy, and the pods of {@link ENROLLED}. */
export class Mesh {
  readonly engine: RedirectEngine;
  readonly steer: Combination['steer'];
  readonly #lab: Lab;
  readonly #start: () => Promise<LabProcess>;
  #proxy: LabProcess;

  private constructor(
    lab: Lab,
    engine: RedirectEngine,
    start: () => Promise<LabProcess>,
    proxy: LabProcess,
    steer: Combination['steer'],
  ) {
    this.#lab = lab;
    this.engine = engine;
    this.#start = start;
    this.#proxy = proxy;
    this.steer = steer;
  }

  /**
   * Opens an engine in the namespace of the lab's node, names the proxy to it, and enrolls the pods.
   * @param start starts the proxy and waits until it listens
   */
  static async open(
    sys: Sys,
    lab: Lab,
    combination: Combination,
    start: () => Promise<LabProcess>,
    options: EngineOptions = {},
  ): Promise<Mesh> {
    const { steer } = combination;
    const engine = await RedirectEngine.open({
      sys,
      host: { fd: lab.node.netns.fd },
      podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
      bypass: BYPASS,
      ...combination,
      ...options,
    });
    try {
      const mesh = new Mesh(lab, engine, start, await start(), steer);
      await mesh.setProxy();
      await engine.enroll(ENROLLED.map((name) => ({ id: name, netns: { fd: lab[name].netns.fd } })));
      return mesh;
    } catch (error) {
      await engine.teardown();
      throw error;
    }
  }

  /** The proxy's process. */
  get proxy(): LabProcess {
    return this.#proxy;
  }

  /** Names the proxy to the engine. */
  async setProxy(): Promise<void> {
    await this.engine.setProxy({ netns: { fd: this.#lab.proxy.netns.fd }, pid: this.#proxy.pid });
  }

  /** Starts another proxy in the place of one that has ended. */
  async startProxy(): Promise<void> {
    this.#proxy = await this.#start();
    await this.setProxy();
  }

  /** Takes the mesh away. A second call, or one after `engine.teardown()`, does nothing. */
  async close(): Promise<void> {
    await this.engine.teardown().catch((error: unknown) => {
      if (!isAmbientRedirectError(error, 'ERR_CLOSED')) throw error;
    });
  }
}
