/**
 * What the tests leave behind on the machine: the vitest global set-up that looks before the first test and after the last. Descriptors are
 * looked at after each test (`testSys`), what is in the namespaces of a lab by those who make it.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { root, tool } from './needs.ts';
import { TEMP_PREFIX } from './temp.ts';
import { traces } from './traces.ts';

/** How long what was closed may take to go: the kernel frees programs and devices some time after their last user. */
const PATIENCE_MS = 5_000;

// An ordinary PATH does not look where bpftool is.
const PATH_WITH_SBIN = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Program types that a service manager attaches to control groups whenever it likes. */
const FOREIGN_TYPES = new Set(['cgroup_device', 'cgroup_skb', 'cgroup_sysctl', 'lsm']);

function names(directory: string, kind: string): string[] {
  return existsSync(directory) ? readdirSync(directory).map((name) => `${kind} ${name}`) : [];
}

/** One object as `bpftool -j prog|map|link show` prints it. */
interface BpfObject {
  readonly id: number;
  readonly type?: string;
  readonly name?: string;
}

function bpfObjects(kind: 'prog' | 'map' | 'link'): string[] {
  const text = execFileSync('bpftool', ['-j', kind, 'show'], {
    encoding: 'utf8',
    env: { ...process.env, PATH: PATH_WITH_SBIN },
  });
  const objects = JSON.parse(text === '' ? '[]' : text) as readonly BpfObject[];
  return objects
    .filter(({ type }) => type === undefined || !FOREIGN_TYPES.has(type))
    .map(({ id, type = '', name = '' }) => `bpf ${kind} ${id} ${type} ${name}`.trimEnd());
}

/** Network namespaces that processes are in, besides that of this one: they need no name. */
function processNamespaces(): string[] {
  const own = readlinkSync('/proc/self/ns/net');
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const netns = readlinkSync(`/proc/${pid}/ns/net`);
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        return netns === own ? [] : [`network namespace ${netns} of process ${pid} ${name}`];
      } catch {
        // It has ended, or is none of ours.
        return [];
      }
    });
}

/** All that a test could leave behind, one line each. What only root can see is there for root only. */
export function snapshot(): string[] {
  const seen = [
    ...names('/run/netns', 'network namespace'),
    ...names('/sys/class/net', 'network interface'),
    ...names(tmpdir(), 'temporary directory').filter((line) => line.includes(TEMP_PREFIX)),
  ];
  if (root.missing() !== undefined) return seen;
  if (existsSync('/sys/fs/bpf'))
    seen.push(
      ...readdirSync('/sys/fs/bpf', { recursive: true }).map((path) => `pin ${join('/sys/fs/bpf', String(path))}`),
    );
  seen.push(...processNamespaces());
  if (tool('ip').missing() === undefined && tool('tc').missing() === undefined) seen.push(...traces());
  if (tool('bpftool').missing() === undefined) seen.push(...(['prog', 'map', 'link'] as const).flatMap(bpfObjects));
  return seen;
}

/** What differs between two snapshots: `+` is new, `-` is gone. */
export function difference(before: readonly string[], after: readonly string[]): string[] {
  const old = new Set(before);
  const now = new Set(after);
  return [
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
  ];
}

/**
 * Called by vitest before the first test; what it returns is called after the last.
 *
 * A difference fails the run under `CI=true`, where nothing else uses the machine; elsewhere it is a warning, since it may
 * be someone else's.
 */
export function setup(): () => Promise<void> {
  const before = snapshot();
  return async () => {
    const strict = process.env['CI'] === 'true';
    const deadline = Date.now() + (strict ? PATIENCE_MS : 500);
    let found = difference(before, snapshot());
    while (found.length > 0 && Date.now() < deadline) {
      await sleep(200);
      found = difference(before, snapshot());
    }
    if (found.length === 0) return;
    const message = `the tests changed the machine:\n${found.map((line) => `  ${line}`).join('\n')}`;
    console.error(`${strict ? 'error' : 'warning'}: ${message}`);
    // vitest prints what a teardown throws and exits with 0 all the same.
    if (strict) process.exitCode = 1;
  };
}
