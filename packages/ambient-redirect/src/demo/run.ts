import { randomBytes } from 'node:crypto';
import { once, on } from 'node:events';
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { ChildProcess } from 'node:child_process';
import type { Readable } from 'node:stream';
import { chain, listRules, type Family, type Sys } from 'netlink-tc';
import { RedirectEngine, type EngineOptions, type EngineMetrics } from '../engine/index.ts';
import type { DemoHost } from './demo-host.ts';
import { createNetwork, POD_CIDRS, type DemoNetwork, type DemoPod } from './network.ts';
import type { DemoChain, DemoCheck, DemoCount, DemoReport } from './report.ts';

/** Options of {@link runDemo}. */
export interface DemoOptions {
  /** Told of each check as it is made. */
  readonly onCheck?: (check: DemoCheck) => void;
  /** Told of what is done between the checks. */
  readonly onStep?: (step: string) => void;
  /** Called before anything is taken away, to look around. */
  readonly beforeTeardown?: (network: DemoNetwork, directory: string) => Promise<void>;
  readonly attach?: EngineOptions['attach'];
  readonly steer?: EngineOptions['steer'];
}

const FAMILIES: readonly Family[] = ['ipv4', 'ipv6'];
const WORD: Readonly<Record<Family, string>> = { ipv4: 'IPv4', ipv6: 'IPv6' };
/** How long a proxy may take to start: a second, and a hundred times that on a machine that is emulated. */
const PROXY_MS = 100_000;
/** How long a request is waited for that is not to be answered. */
const SILENCE_MS = 1_500;
/** Sysctls that the engine may touch, as they are compared before and after. */
const SYSCTLS = ['ipv4/conf/all/rp_filter', 'ipv4/conf/v-proxy/rp_filter'];

/**
 * Makes a node with pods in namespaces of its own, redirects the pods' traffic to a proxy, and looks at what happens. Nothing outside of these
 * namespaces is touched but one directory in the bpffs, which is gone at the end.
 * @throws NetlinkTcError `ERR_PERMISSION` without the privileges of root
 */
export async function runDemo(sys: Sys, options: DemoOptions = {}): Promise<DemoReport> {
  const begin = performance.now();
  const network = await createNetwork(sys);
  try {
    const demo = new Demo(sys, network, options);
    const seen = await demo.run();
    const ok = seen.checks.every((check) => check.ok);
    return { ...seen, ok, kernel: release(), milliseconds: Math.round(performance.now() - begin) };
  } finally {
    await network.close();
  }
}

class Demo {
  readonly #sys: Sys;
  readonly #network: DemoNetwork;
  readonly #options: DemoOptions;
  readonly #checks: DemoCheck[] = [];
  readonly #directory = `/sys/fs/bpf/ambient-demo-${randomBytes(4).toString('hex')}`;

  constructor(sys: Sys, network: DemoNetwork, options: DemoOptions) {
    this.#sys = sys;
    this.#network = network;
    this.#options = options;
  }

  async run(): Promise<Omit<DemoReport, 'ok' | 'kernel' | 'milliseconds'>> {
    const { client, server, outsider, proxy, node } = this.#network;
    for (const host of [client, server, outsider]) await host.serve();
    const before = await this.#traces();

    this.#step('the proxy starts, and the engine is told of it');
    const { attach = 'auto', steer = 'auto' } = this.#options;
    const engine = await RedirectEngine.open({
      sys: this.#sys,
      directory: this.#directory,
      host: { fd: node.netns.fd },
      podCidrs: POD_CIDRS,
      attach,
      steer,
    });
    let torn = false;
    try {
      let running = await startProxy(proxy);
      const { steering } = await engine.setProxy({ netns: { fd: proxy.netns.fd }, pid: running.pid as number });
      this.#step('two pods are enrolled');
      const pods = [client, server].map(({ name, netns }) => ({ id: name, netns: { fd: netns.fd } }));
      const [enrolment] = await engine.enroll(pods);
      const attached = enrolment?.attached ?? 'clsact';

      for (const family of FAMILIES) {
        await this.#captured(engine, client, server, family, 'app_outbound');
        await this.#captured(engine, client, outsider, family, 'app_outbound');
        await this.#captured(engine, outsider, server, family, 'app_inbound');
      }
      for (const family of FAMILIES) {
        await this.#untouched(engine, `probe of the node → server, ${WORD[family]}`, () =>
          node.ask(server.addresses[family]),
        );
        await this.#untouched(engine, `UDP client → server, ${WORD[family]}`, () =>
          client.echo(server.addresses[family]),
        );
      }
      const chains = await this.#chains();
      await this.#chainsAreOurs(chains);

      this.#step('the proxy is killed');
      running.kill('SIGKILL');
      await once(running, 'close');
      for (const family of FAMILIES) await this.#failsClosed(client, server, family);
      await this.#untouched(engine, 'probe of the node → server, without a proxy', () =>
        node.ask(server.addresses.ipv4),
      );
      this.#step('another proxy starts');
      running = await startProxy(proxy);
      await engine.setProxy({ netns: { fd: proxy.netns.fd }, pid: running.pid as number });
      await this.#captured(engine, client, server, 'ipv4', 'app_outbound');
      const counts = countsOf(await engine.metrics());

      await this.#options.beforeTeardown?.(this.#network, this.#directory);
      this.#step('everything is taken away');
      torn = true;
      await engine.teardown();
      await this.#nothingLeft(before);
      return { attached, steering, checks: this.#checks, chains, counts };
    } finally {
      if (!torn) await engine.teardown();
    }
  }

  #step(step: string): void {
    this.#options.onStep?.(step);
  }

  #check(check: DemoCheck): void {
    this.#checks.push(check);
    this.#options.onCheck?.(check);
  }

  /** A request goes by the proxy, and the server sees the client's own address all the same. */
  async #captured(
    engine: RedirectEngine,
    from: DemoHost,
    to: DemoHost,
    family: Family,
    by: 'app_outbound' | 'app_inbound',
  ): Promise<void> {
    const before = await engine.metrics();
    const seen = await outcome(async () => (await from.ask(to.addresses[family])).client);
    const connections = newConnections(before, await engine.metrics());
    const own = from.addresses[family];
    this.#check({
      what: `${from.name} → ${to.name}, ${WORD[family]}`,
      expected: `captured; the server sees ${own}`,
      found: connections > 0n ? `captured; the server saw ${seen}` : `not captured; ${seen}`,
      ok: connections === 1n && (seen === own || seen === `::ffff:${own}`),
      by,
    });
  }

  /** Something works, and no packet of it is captured. */
  async #untouched(engine: RedirectEngine, what: string, work: () => Promise<unknown>): Promise<void> {
    const before = await engine.metrics();
    const seen = await outcome(async () => {
      await work();
      return 'it came back';
    });
    const connections = newConnections(before, await engine.metrics());
    const ok = seen === 'it came back' && connections === 0n;
    this.#check({
      what,
      expected: 'passes by',
      found: ok ? 'passed by' : `${seen}; ${connections} connections captured`,
      ok,
      by: undefined,
    });
  }

  async #failsClosed(from: DemoHost, to: DemoHost, family: Family): Promise<void> {
    const seen = await outcome(async () => (await from.ask(to.addresses[family], SILENCE_MS)).server);
    this.#check({
      what: `${from.name} → ${to.name}, ${WORD[family]}, without a proxy`,
      expected: 'no answer: nothing passes unproxied',
      found: seen === to.name ? 'an answer' : seen,
      ok: seen !== to.name,
      by: 'app_outbound',
    });
  }

  async #chains(): Promise<DemoChain[]> {
    const { node, interfaces } = this.#network;
    const chains: DemoChain[] = [];
    for (const [name, device] of Object.entries(interfaces) as [DemoPod, number][]) {
      for (const direction of ['ingress', 'egress'] as const) {
        const each = await chain(this.#sys, node.socket, { device, direction, netns: node.netns });
        if (each.entries.length > 0) chains.push({ interface: `v-${name}`, chain: each });
      }
    }
    return chains;
  }

  async #chainsAreOurs(chains: readonly DemoChain[]): Promise<void> {
    const found = chains.map(
      (each) => `${each.interface} ${each.chain.entries.map(({ program }) => program?.name).join()}`,
    );
    const expected = [
      'v-client app_outbound',
      'v-client app_inbound',
      'v-server app_outbound',
      'v-server app_inbound',
      'v-proxy ztunnel_host_in',
    ];
    this.#check({
      what: 'programs on the interfaces',
      expected: `${expected.length}, on the enrolled pods and the proxy alone`,
      found: String(found) === String(expected) ? `${found.length}` : found.join('; '),
      ok: String(found) === String(expected),
      by: undefined,
    });
  }

  /** What can be left behind: programs, rules, settings. */
  async #traces(): Promise<readonly string[]> {
    const { proxy, node } = this.#network;
    const rules = await Promise.all(FAMILIES.map((family) => proxy.socket.request(listRules({ family }))));
    const programs = (await this.#chains()).map((each) => each.interface);
    const settings = SYSCTLS.map((name) => `${name}=${node.get(name)}`);
    return [...rules.flat().map(({ priority, table }) => `rule ${priority} table ${table}`), ...programs, ...settings];
  }

  async #nothingLeft(before: readonly string[]): Promise<void> {
    const { client, server } = this.#network;
    const left = (await this.#traces()).filter((trace) => !before.includes(trace));
    if (existsSync(this.#directory)) left.push(this.#directory);
    this.#check({
      what: 'what is left behind',
      expected: 'nothing',
      found: left.length === 0 ? 'nothing' : left.join(', '),
      ok: left.length === 0,
      by: undefined,
    });
    const seen = await outcome(async () => (await client.ask(server.addresses.ipv4)).server);
    this.#check({
      what: 'client → server, without the mesh',
      expected: 'an answer',
      found: seen === 'server' ? 'an answer' : seen,
      ok: seen === 'server',
      by: undefined,
    });
  }
}

async function startProxy(host: DemoHost): Promise<ChildProcess> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const child = host.start(fileURLToPath(new URL(`../proxy/main.${extension}`, import.meta.url)));
  const options = { signal: AbortSignal.timeout(PROXY_MS), close: ['end'] };
  let output = '';
  for await (const [data] of on(child.stdout as Readable, 'data', options)) {
    output += String(data);
    if (output.includes('"ready"')) break;
  }
  child.stdout?.resume();
  return child;
}

async function outcome(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Connections that came to the proxy in between. Packets would not do: those that end an earlier one may be late. */
function newConnections(before: EngineMetrics, after: EngineMetrics): bigint {
  const sum = ({ steered }: EngineMetrics): bigint => steered.outbound + steered.hbone + steered.plaintext;
  return sum(after) - sum(before);
}

function countsOf({ pods }: EngineMetrics): DemoCount[] {
  return pods.flatMap(({ id, traffic }) => traffic.map((each) => ({ pod: id, ...each })));
}
