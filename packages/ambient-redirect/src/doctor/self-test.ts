import { ensureBpffs, findBpffs, type Family, type Sys } from 'netlink-tc';
import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RedirectEngine } from '../engine/index.ts';
import type { EngineSettings } from '../engine/options.ts';
import { area, type Area, type Finding } from './finding.ts';
import { isOfNode } from './state.ts';
import { TestNetwork } from './test-network.ts';

/** Codes of what the self-test finds. */
export type SelfTestCode = 'self-test-passed' | 'self-test-not-captured' | 'self-test-failed' | 'self-test-left-out';

/** A connection that is redirected for real. */
export const SELF_TEST: Area<SelfTestCode> = area('self-test', {
  'self-test-passed': {
    severity: 'ok',
    title: 'Redirection works on this kernel',
    cause:
      'A node, a pod, a stranger and a proxy were made in network namespaces of their own. An engine with a directory of its own, and with the options of the one that is looked at, captured a connection each way, and the proxy got it with its addresses as they were. All of it is gone.',
    see: ['ambient-redirect doctor'],
    remedy: 'Nothing to do.',
  },
  'self-test-not-captured': {
    severity: 'error',
    title: 'A connection did not reach the proxy',
    cause:
      'Programs were loaded and attached, and the connection got no answer, or not from the proxy: something between does not do what is expected of it.',
    see: ['ambient-redirect doctor --json', 'ambient-redirect demo'],
    remedy:
      'Try the other ways: `--attach clsact`, `--steer tproxy`. If one of them passes, give the engine that option, and report the kernel.',
  },
  'self-test-failed': {
    severity: 'error',
    title: 'Redirection cannot be set up here',
    cause: 'The engine could not do one of its steps. The evidence is the error; it says what the kernel refused.',
    see: ['ambient-redirect doctor --json', 'dmesg'],
    remedy: 'See what is said of privileges, container, mounts and the kernel; then of the error itself.',
  },
  'self-test-left-out': {
    severity: 'info',
    title: 'No connection was redirected to try it',
    cause: 'It was asked for by `--skip-self-test`.',
    see: ['ambient-redirect doctor'],
    remedy: 'Run the doctor without it: it takes seconds, and touches nothing that is there.',
  },
});

/** Runs the self-test, and takes away what it made. @throws the signal's reason when it aborts */
export async function selfTest(sys: Sys, settings: EngineSettings, signal?: AbortSignal): Promise<Finding> {
  const before = performance.now();
  const took = (): string => `it took ${((performance.now() - before) / 1000).toFixed(1)} s`;
  const steps: string[] = [];
  try {
    const failed = await inBpffs(sys, (root) => redirect(sys, { root, settings, steps, signal }));
    const code = failed ? 'self-test-not-captured' : 'self-test-passed';
    return SELF_TEST.finding(code, 'this kernel', [...steps, took()]);
  } catch (error) {
    if (!isOfNode(error)) throw error;
    return SELF_TEST.finding('self-test-failed', 'this kernel', [...steps, `${error.code}: ${error.message}`, took()]);
  }
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** Runs something with a bpffs: one that is mounted and can be written, else one of its own, which goes after it. */
async function inBpffs<T>(sys: Sys, run: (root: string) => Promise<T>): Promise<T> {
  const mounted = findBpffs().find(isWritable);
  if (mounted !== undefined) return run(mounted);
  const own = mkdtempSync(join(tmpdir(), 'ambient-doctor-'));
  try {
    ensureBpffs(sys, own);
    try {
      return await run(own);
    } finally {
      sys.call('umount2', new TextEncoder().encode(`${own}\0`), 0);
    }
  } finally {
    rmdirSync(own);
  }
}

interface Run {
  readonly root: string;
  readonly settings: EngineSettings;
  /** Told what was done. */
  readonly steps: string[];
  readonly signal: AbortSignal | undefined;
}

/** @returns whether a connection was not captured */
async function redirect(sys: Sys, { root, settings, steps, signal }: Run): Promise<boolean> {
  const { attach, steer, ports, priority, order, routing, mark } = settings;
  signal?.throwIfAborted();
  const directory = `${root}/ambient-doctor-${process.pid}-${randomBytes(4).toString('hex')}`;
  const network = await TestNetwork.create(sys);
  try {
    await network.listen(ports);
    const engine = await RedirectEngine.open({
      sys,
      directory,
      host: { fd: network.node.netns.fd },
      podCidrs: network.podCidrs,
      attach,
      steer,
      ports,
      priority,
      routing: { ...routing, mark },
      // Beside a program of the node there is no place here.
      ...(typeof order === 'string' ? { order } : {}),
    });
    try {
      const { steering } = await engine.setProxy({ netns: { fd: network.proxy.netns.fd }, pid: process.pid });
      steps.push(`steering by ${steering.mode}: ${steering.reason}`);
      const { attached } = await engine.enroll({ id: 'doctor', netns: { fd: network.pod.netns.fd } });
      steps.push(`programs attached by ${attached}`);
      const families = await Promise.all(network.families.map((family) => connectBoth(network, family, signal)));
      signal?.throwIfAborted();
      steps.push(...families.flat().map(({ text }) => text));
      return families.flat().some(({ isFine }) => !isFine);
    } finally {
      await engine.teardown();
    }
  } finally {
    // What was made of an engine that could not be opened, or not be torn down.
    rmSync(directory, { recursive: true, force: true });
    await network.close();
  }
}

interface Attempt {
  readonly text: string;
  readonly isFine: boolean;
}

/** Connects from the pod to the stranger, and the other way round. */
async function connectBoth(network: TestNetwork, family: Family, signal: AbortSignal | undefined): Promise<Attempt[]> {
  const { pod, stranger } = network;
  const attempts: Attempt[] = [];
  for (const [from, to, purpose] of [
    [pod, stranger, 'outbound'],
    [stranger, pod, 'plaintext'],
  ] as const) {
    signal?.throwIfAborted();
    const wanted = `${purpose} ${from.addresses[family]} to ${to.addresses[family]}`;
    const got = await network.ask(from, to.addresses[family], signal);
    attempts.push({ text: `${from.name} to ${to.name}, ${family}: ${got}`, isFine: got === wanted });
  }
  return attempts;
}
