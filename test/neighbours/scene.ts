/** A lab with a proxy, an engine on its node in this process or in one that is killed, and what others have on the pods' interfaces. */
import {
  addFilter,
  attachTcx,
  isNetlinkTcError,
  openById,
  queryHook,
  readProgramInfo,
  replaceQdisc,
  TC_ACT,
  type HookEntry,
  type Sys,
} from 'netlink-tc';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished } from 'vitest';
import { RedirectEngine, type EngineOptions } from '../../packages/ambient-redirect/src/engine/index.ts';
import { statePath } from '../../packages/ambient-redirect/test/state.ts';
import { Tracer } from '../../packages/netlink-tc/test/hook.ts';
import { lacksTcx } from '../../packages/netlink-tc/test/kernel.ts';
import { closing, testSys } from '../../packages/netlink-tc/test/sys.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { haproxySessions, startHaproxy } from '../support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../support/lab.ts';
import { mainCommand } from '../support/main-command.ts';
import { SLOWNESS } from '../support/slowness.ts';
import { difference } from '../support/residue.ts';
import { ENGINES, labTraces } from '../support/traces.ts';
import type { Job } from './engine-main.ts';

const MAIN = new URL('engine-main.ts', import.meta.url);

/** A lab with a web server in `server`, and its proxy. */
export interface Scene {
  readonly sys: Sys;
  readonly lab: Lab;
  readonly proxy: LabProcess;
  /** A proxy in `outsider`, where it was asked for. */
  readonly successor: LabProcess | undefined;
  readonly directory: string;
  /** Opens an engine in this process, with the proxy. */
  open(changes?: EngineOptions): Promise<RedirectEngine>;
  /** Opens an engine in this process, with what the one before it has recorded. */
  reopen(changes?: EngineOptions): Promise<RedirectEngine>;
  /** Names the proxy to an engine. */
  setProxy(engine: RedirectEngine): Promise<void>;
  /** Names its successor. */
  handOver(engine: RedirectEngine): Promise<void>;
  /** Starts an engine as a process of its own, which says `ready` when it has done its parts. */
  start(
    job: Pick<Job, 'parts' | 'steps' | 'dieAt' | 'established'>,
    changes?: Pick<EngineOptions, 'attach'>,
  ): LabProcess;
  /** What an engine is asked for to enroll pods. */
  pods(...names: ('client' | 'server')[]): { readonly id: string; readonly netns: { readonly fd: number } }[];
}

/**
 * Makes a scene. All of it goes when the test ends; an engine has to leave nothing in it then.
 * @param more `isLost`: whether the test takes from the engine what it has recorded, and what settings were before is then known to nobody;
 * `hasSuccessor`: whether there is a second proxy
 */
export async function scene(
  options: EngineOptions = {},
  { isLost = false, hasSuccessor = false }: { readonly isLost?: boolean; readonly hasSuccessor?: boolean } = {},
): Promise<Scene> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  const shared: Omit<EngineOptions, 'sys' | 'host'> = {
    directory,
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
    ...options,
  };
  const opened: RedirectEngine[] = [];
  const children: LabProcess[] = [];
  const openOne = async (changes: EngineOptions = {}): Promise<RedirectEngine> => {
    const engine = await RedirectEngine.open({ sys, host: { fd: lab.node.netns.fd }, ...shared, ...changes });
    opened.push(engine);
    return engine;
  };
  const clean: string[] = [];
  onTestFinished(async () => {
    for (const engine of opened) await engine.close();
    for (const child of children) await child.stop('SIGKILL');
    if (existsSync(directory)) await (await openOne()).teardown();
    const left = labTraces(lab, ENGINES);
    await lab.close();
    if (!isLost && clean.length > 0) expect(difference(clean, left), 'left in the lab').toEqual([]);
  });
  await lab.server.serveHttp();
  const proxy = await startHaproxy(lab.proxy);
  const successor = hasSuccessor ? await startHaproxy(lab.outsider) : undefined;
  clean.push(...labTraces(lab, ENGINES));
  const setProxy = async (engine: RedirectEngine): Promise<void> => {
    await engine.setProxy({ netns: { fd: lab.proxy.netns.fd }, pid: proxy.pid });
  };
  return {
    sys,
    lab,
    proxy,
    successor,
    directory,
    setProxy,
    handOver: async (engine) => {
      await engine.setProxy({ netns: { fd: lab.outsider.netns.fd }, pid: successor?.pid ?? 0 });
    },
    reopen: openOne,
    open: async (changes) => {
      const engine = await openOne(changes);
      await setProxy(engine);
      return engine;
    },
    start: (job, changes = {}) => {
      const { client, server, node } = lab;
      const whole: Job = {
        options: { ...shared, ...changes, host: { path: node.path } },
        proxy: { path: lab.proxy.path, pid: proxy.pid },
        ...(successor && { successor: { path: lab.outsider.path, pid: successor.pid } }),
        pods: { client: client.path, server: server.path },
        ...job,
      };
      const child = node.spawn([...mainCommand(MAIN), JSON.stringify(whole)]);
      children.push(child);
      return child;
    },
    pods: (...names) => names.map((id) => ({ id, netns: { fd: lab[id].netns.fd } })),
  };
}

/** Waits until an engine has done its parts. @returns how many steps the last one took; undefined when it has ended itself before */
export async function done(child: LabProcess): Promise<number | undefined> {
  // A process with all of the engine's sources takes long to begin on a machine that is busy.
  for (const deadline = Date.now() + 90_000 * SLOWNESS; child.running && Date.now() < deadline; await sleep(5)) {
    const [, steps] = /^ready (\d+)$/m.exec(child.output) ?? [];
    if (steps !== undefined) return Number(steps);
  }
  if (child.running || child.output !== '') throw new Error(`the engine said: ${child.output}`);
  return undefined;
}

/** Others who share the hooks of `client`: filters before and behind ours, and on tcx a program before and one behind. */
export async function sharers({ sys, lab: { node, client } }: Pick<Scene, 'sys' | 'lab'>): Promise<void> {
  const tracer = new Tracer(sys);
  const { hostIndex: device } = client;
  await node.socket.request(replaceQdisc({ device, kind: 'clsact' }));
  for (const direction of ['ingress', 'egress'] as const) {
    const { fd } = tracer.program(1, TC_ACT.UNSPEC);
    for (const priority of [1, 30_000]) {
      const options = { fd, name: `theirs${priority}`, flags: 1 };
      await node.socket.request(addFilter({ device, parent: direction, kind: 'bpf', priority, options }));
    }
    if (lacksTcx(sys)) continue;
    for (const [number, order] of [
      [2, 'head'],
      [3, 'tail'],
    ] as const) {
      const program = tracer.program(number, TC_ACT.UNSPEC);
      closing(node.netns.run(() => attachTcx(sys, program, device, direction, { order })));
    }
  }
}

/** What others have on an interface of a node: qdiscs, filters with their actions, and programs of tcx, each as a line. */
export async function foreignOn(
  sys: Sys,
  node: LabHost,
  { hostInterface: name, hostIndex }: LabHost,
): Promise<string[]> {
  const lines = [await node.exec('tc', 'qdisc', 'show', 'dev', name)];
  for (const side of ['ingress', 'egress']) lines.push(await node.exec('tc', 'filter', 'show', 'dev', name, side));
  const told = lines
    .flatMap((text) => text.split('\n'))
    .filter((line) => /^qdisc|^filter.* (handle|fh)|action/.test(line));
  const programs = (['tcx_ingress', 'tcx_egress'] as const).flatMap((attachType) =>
    node.netns
      .run(() => tcx(sys, hostIndex, attachType))
      .map(({ programId, linkId }) => `${attachType} link ${linkId} ${programName(sys, programId)} `),
  );
  // Of an `ingress` qdisc the kernel tells the parent that was named last by whoever added a filter: that one is nobody's.
  const parentless = told.map((line) => line.replace(/^filter (parent ffff:|ingress|egress) /, 'filter '));
  return [...parentless, ...programs].filter((line) => !/ app_(outbound|inbound) /.test(line));
}

/** Name of a program; its id where it is gone. */
export function programName(sys: Sys, id: number): string {
  using object = openById(sys, 'program', id);
  return object === undefined ? `${id}` : readProgramInfo(sys, object.fd).name;
}

/** Programs of tcx in their order; none where the kernel has none. */
function tcx(sys: Sys, target: number, attachType: 'tcx_ingress' | 'tcx_egress'): readonly HookEntry[] {
  try {
    return queryHook(sys, { target, attachType }).entries;
  } catch (error) {
    if (isNetlinkTcError(error) && error.errno === constants.errno.EINVAL) return [];
    throw error;
  }
}

/** Checks that `client` reaches `server` in its own name, of both families, and tells whether it did so by a proxy. */
export async function byProxy(
  { lab, successor }: Pick<Scene, 'lab' | 'successor'>,
  timeoutMs = 5_000,
): Promise<boolean> {
  const hosts = [lab.proxy, ...(successor === undefined ? [] : [lab.outsider])];
  const count = async (): Promise<number> => {
    const sessions = await Promise.all(hosts.map(haproxySessions));
    return sessions.flatMap((each) => Object.values(each)).reduce((sum, each) => sum + each, 0);
  };
  const before = await count();
  for (const family of ['ipv4', 'ipv6'] as const) {
    const seen = await lab.client.get(lab.server.address(family), 80, { timeoutMs });
    if (seen.client.replace('::ffff:', '') !== lab.client.address(family)) throw new Error(`it came as ${seen.client}`);
  }
  return (await count()) > before;
}
