/** A lab with a mesh whose pods come and go. */
import { openSys, type Sys } from 'netlink-tc';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedirectEngine, type EngineOptions } from '../../packages/ambient-redirect/src/engine/index.ts';
import { isAmbientRedirectError } from '../../packages/ambient-redirect/src/error.ts';
import { attachModes, kernelAtLeast } from '../../packages/netlink-tc/test/kernel.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { startHaproxy } from '../support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../support/lab.ts';
import { root, tool, type Need } from '../support/needs.ts';
import { addNftRule, type PacketCounter } from '../support/nft.ts';
import { difference } from '../support/residue.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { labTraces } from '../support/traces.ts';
import { startServer } from './load.ts';

/** What the tests need of the machine. */
export const NEEDS: readonly Need[] = [root, ...['haproxy', 'nft'].map(tool)];

/** A lab and its processes take some seconds on a machine that is busy. */
export const SETUP_MS: number = 60_000 * SLOWNESS;

const GIVEN = process.env['AMBIENT_CYCLES'];

/** How often something is repeated: so often, or what `AMBIENT_CYCLES` says. */
export function times(usual: number): number {
  return GIVEN === undefined ? usual : Number(GIVEN);
}

/** One way to redirect. */
export interface Combination {
  readonly attach: 'tcx' | 'clsact';
  readonly steer: 'sk_lookup' | 'tproxy';
}

/**
 * How connections can be steered here. The proxies of these tests take over from each other on the same ports; to listeners that share theirs, tc gives
 * nothing before 6.6.
 */
const STEERS: readonly Combination['steer'][] = kernelAtLeast('6.6') ? ['sk_lookup', 'tproxy'] : ['sk_lookup'];

/** All that this kernel has. */
export const COMBINATIONS: readonly Combination[] = attachModes().flatMap((attach) =>
  STEERS.map((steer) => ({ attach, steer })),
);

/**
 * Some that have each way of attaching and of steering; all of them where `AMBIENT_CYCLES` is set. For what takes its time, and does not depend on both.
 */
export const SOME: readonly Combination[] =
  GIVEN === undefined && STEERS.length > 1
    ? COMBINATIONS.filter(({ attach, steer }) => (attach === 'tcx') === (steer === 'sk_lookup'))
    : COMBINATIONS;

/** All that could be left behind, but for what tests set themselves in the proxy's namespace. */
const NOT_TESTS = /^(?!.*(tcp_migrate_req|ip_local_port_range))/;

/** Pods of a lab that can be enrolled. */
export type PodName = 'client' | 'server';

/** A lab, a proxy, a server in the pod `server`, and an engine that no pod is enrolled with yet. */
export class Scene implements AsyncDisposable {
  readonly sys: Sys;
  readonly lab: Lab;
  engine: RedirectEngine;
  proxy: LabProcess;
  /** Packets that connection tracking of the node did not know what to do with. They are dropped, as kube-proxy does it. */
  readonly invalid: PacketCounter;
  readonly #options: EngineOptions;
  /** What there was before the engine. */
  readonly #clean: readonly string[];

  private constructor(
    made: Pick<Scene, 'sys' | 'lab' | 'engine' | 'proxy' | 'invalid'>,
    options: EngineOptions,
    clean: readonly string[],
  ) {
    this.sys = made.sys;
    this.lab = made.lab;
    this.engine = made.engine;
    this.proxy = made.proxy;
    this.invalid = made.invalid;
    this.#options = options;
    this.#clean = clean;
  }

  static async open({ attach, steer }: Combination, changes: EngineOptions = {}): Promise<Scene> {
    const sys = await openSys();
    const lab = await createLab(sys);
    try {
      // Or a port that the proxy has in a pod's name may be one that the pod has itself.
      lab.proxy.sysctl('ipv4/ip_local_port_range', '10000 32000');
      const invalid = await addNftRule(lab.node, 'invalid', 'forward', 'ct state invalid', 'drop');
      await startServer(lab.server);
      const proxy = await startHaproxy(lab.proxy, { reuseport: true });
      const options: EngineOptions = {
        sys,
        directory: `/sys/fs/bpf/ambient-test-${process.pid}-${attach}-${steer}`,
        host: { fd: lab.node.netns.fd },
        podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
        attach,
        steer,
        ...changes,
      };
      const clean = labTraces(lab, NOT_TESTS);
      const engine = await RedirectEngine.open(options);
      const scene = new Scene({ sys, lab, engine, proxy, invalid }, options, clean);
      await scene.setProxy();
      return scene;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  /** Names the proxy to the engine. */
  async setProxy(options: { readonly handover?: boolean } = {}): Promise<void> {
    const { lab, proxy } = this;
    await this.engine.setProxy({ netns: { path: lab.proxy.path }, pid: proxy.pid }, options);
  }

  /** Lets another proxy take over, and waits until the old one has ended by itself. */
  async handOver(): Promise<void> {
    const old = this.proxy;
    this.proxy = await startHaproxy(this.lab.proxy, { reuseport: true });
    await this.setProxy({ handover: true });
    // What has come to the old one by then is accepted by it.
    await sleep(50);
    await old.stop('SIGUSR1');
    await this.setProxy();
  }

  /** Kills the proxy. */
  async killProxy(): Promise<void> {
    await this.proxy.stop('SIGKILL');
  }

  /** Starts another proxy. Nobody tells the engine. */
  async startProxy(): Promise<void> {
    this.proxy = await startHaproxy(this.lab.proxy, { reuseport: true });
  }

  /** Closes the engine, and opens another in its place. */
  async restart(changes: EngineOptions = {}): Promise<void> {
    await this.engine.close();
    this.engine = await RedirectEngine.open({ ...this.#options, ...changes });
  }

  /** Enrolls pods. */
  async enroll(names: readonly PodName[], established: 'preserve' | 'reset' = 'preserve'): Promise<void> {
    const { lab } = this;
    await this.engine.enroll(
      names.map((name) => ({ id: name, netns: { fd: lab[name].netns.fd } })),
      { established },
    );
  }

  /** Waits until none of the connections is left that were open before pods were enrolled. */
  async settle(): Promise<void> {
    const deadline = Date.now() + 15_000 * SLOWNESS;
    for (;;) {
      const { failed } = await this.engine.reconcile();
      if (failed.length > 0) throw new Error(`reconcile: ${JSON.stringify(failed.map(String))}`);
      const { pods } = await this.engine.status();
      if (pods.every(({ mode }) => mode === 'full')) return;
      if (Date.now() <= deadline) continue;
      const open = await Promise.all(
        (['client', 'server', 'proxy'] as const).map(
          async (name) => `${name}\n${await this.lab[name].exec('ss', '-tnH')}`,
        ),
      );
      throw new Error(`connections from before are left: ${open.join('')}`);
    }
  }

  /** Takes everything away. The engine leaves nothing behind. */
  async close(): Promise<void> {
    await this.engine.teardown().catch((error: unknown) => {
      if (!isAmbientRedirectError(error, 'ERR_CLOSED')) throw error;
    });
    const left = difference(this.#clean, labTraces(this.lab, NOT_TESTS));
    await this.lab.close();
    if (left.length > 0) throw new Error(`the engine left:\n${left.join('\n')}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** SYNs and SYN-ACKs that hosts had to send again. */
export function synsSentAgain(...hosts: readonly LabHost[]): number {
  return hosts.reduce((sum, { netns }) => {
    const lines = netns.run(() => readFileSync('/proc/thread-self/net/netstat', 'utf8')).split('\n');
    const [names = '', values = ''] = lines.filter((line) => line.startsWith('TcpExt:'));
    return sum + Number(values.split(' ')[names.split(' ').indexOf('TCPSynRetrans')] ?? NaN);
  }, 0);
}
