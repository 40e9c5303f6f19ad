/** The node that the pages speak of: with a pod, a proxy, and the places where they are looked for, so that a command runs as it stands there. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSys } from 'netlink-tc';
import { COMMAND } from '../../packages/ambient-redirect/test/command.ts';
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { haproxySessions, startHaproxy } from '../support/lab-proxy.ts';
import { addPods, createLab, type Lab } from '../support/lab.ts';
import { mainCommand } from '../support/main-command.ts';
import { TEMP_PREFIX } from '../support/temp.ts';
import { Typed, type Ran } from './typed.ts';

/** Pods beside those of the lab, with the interfaces that the pages name. */
const PODS = [
  { name: 'cart', ipv4: '10.244.7.21', ipv6: 'fd00:7::21', hostInterface: 'vethcart1', hostIndex: 21 },
  { name: 'cart-2', ipv4: '10.244.7.22', ipv6: 'fd00:7::22', hostInterface: 'vethcart2', hostIndex: 22 },
];

/** Directories of the machine that commands write to: here they write over them, and nothing of it is ever outside. */
const WRITTEN = ['/etc', '/usr/local/share'];

/** Directories that some package or unit of the node has made. */
const THERE = [
  '/etc/ambient-redirect',
  '/etc/bash_completion.d',
  '/etc/cni/net.d',
  '/run/ambient-redirect/pods',
  '/run/netns',
  '/usr/local/share/zsh/site-functions',
];

/** Words for a shell. */
function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(' ');
}

/** Makes a mount namespace into a node's: a script that runs in it, in an empty directory, and stays. */
function mountScript(namespaces: Readonly<Record<string, LabHost>>): string {
  const over = WRITTEN.flatMap((place, at) => [
    `mkdir -p over/${at} work/${at}`,
    `mount -t overlay -o 'lowerdir=${place},upperdir=over/${at},workdir=work/${at}' overlay ${place}`,
  ]);
  const names = Object.entries(namespaces).flatMap(([name, { path }]) => [
    `touch /run/netns/${name}`,
    // As it stands: the path of an open file leads to a file without a name.
    `mount --no-canonicalize --bind ${path} /run/netns/${name}`,
  ]);
  return [
    'mount -t tmpfs tmpfs . && cd "$PWD"',
    ...over,
    'mount -t tmpfs tmpfs /run',
    'mount -t bpf bpf /sys/fs/bpf',
    `mkdir -p ${quoted(THERE)}`,
    ...names,
    'echo ready',
    'exec sleep infinity',
  ].join('\n');
}

/**
 * A node of a lab, with file systems of its own: the proxy is at `/run/netns/ztunnel`, a pod at `/run/netns/cart` and behind `vethcart1`, another
 * at `/run/netns/cart-2`, the bpffs is empty, and what is written to `/etc` or `/run` is there alone. All of it goes with the process that made it.
 */
export class Node implements AsyncDisposable {
  readonly lab: Lab;
  /** The pod that the pages enroll. */
  readonly cart: LabHost;
  /** Where commands run, and the home of who types them. */
  readonly directory: string;
  /** The proxy, which others may take over from. */
  proxy: LabProcess;
  readonly #pods: readonly LabHost[];
  readonly #mounts: LabProcess;
  readonly #typed: Typed[] = [];

  private constructor(
    made: Pick<Node, 'lab' | 'cart' | 'directory' | 'proxy'>,
    pods: readonly LabHost[],
    mounts: LabProcess,
  ) {
    this.lab = made.lab;
    this.cart = made.cart;
    this.directory = made.directory;
    this.proxy = made.proxy;
    this.#pods = pods;
    this.#mounts = mounts;
  }

  /** Makes a node on which no engine has ever run. */
  static async open(): Promise<Node> {
    const sys = await openSys();
    const lab = await createLab(sys);
    const pods = await addPods(sys, lab, PODS);
    const [cart, second] = pods;
    if (cart === undefined || second === undefined) throw new Error('there are no pods');
    const directory = mkdtempSync(join(tmpdir(), TEMP_PREFIX));
    mkdirSync(join(directory, 'mounts'));
    for (const [name, command] of Object.entries({
      'ambient-redirect': quoted(COMMAND),
      'bpf-asm': quoted(mainCommand(new URL('../../packages/bpf-asm/src/cli/main.ts', import.meta.url))),
      // From a checkout, npx finds the command by this name.
      npx: '',
    })) {
      mkdirSync(join(directory, 'bin'), { recursive: true });
      writeFileSync(join(directory, 'bin', name), `#!/bin/sh\nexec ${command} "$@"\n`);
      chmodSync(join(directory, 'bin', name), 0o755);
    }
    await lab.server.serveHttp();
    // Or a port that the proxy has in a pod's name may be one that the pod has itself.
    lab.proxy.sysctl('ipv4/ip_local_port_range', '10000 32000');
    const proxy = await startHaproxy(lab.proxy, { reuseport: true });
    const script = mountScript({ ztunnel: lab.proxy, cart, 'cni-1234': cart, 'cart-2': second });
    const holder = ['unshare', '--mount', '--propagation', 'private', '--wd', join(directory, 'mounts')];
    const mounts = lab.node.spawn([...holder, 'sh', '-ec', script]);
    await mounts.until('has its mounts', () => mounts.output.includes('ready'));
    return new Node({ lab, cart, directory, proxy }, pods, mounts);
  }

  /** Types a line into a shell of root's on the node. @param options `first`: not in the node's network namespace, but in the machine's */
  type(line: string, options: { readonly first?: boolean } = {}): Typed {
    const netns = options.first === true ? [] : [`--net=${this.lab.node.path}`];
    const mounts = [`--mount=/proc/${this.#mounts.pid}/ns/mnt`, `--wdns=${this.directory}`];
    // What prints for a terminal prints line by line.
    const shell = ['stdbuf', '-oL', 'bash', '-ec'];
    const env = {
      ...process.env,
      HOME: this.directory,
      PATH: `${join(this.directory, 'bin')}:${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`,
    };
    const typed = new Typed(['nsenter', ...netns, ...mounts, '--', ...shell], line, env);
    this.#typed.push(typed);
    return typed;
  }

  /** Runs a line to its end. */
  run(line: string, options: { readonly first?: boolean } = {}): Promise<Ran> {
    return this.type(line, options).ended();
  }

  /** Runs a line that is to end by itself, with 0 or another code. @returns what it printed to the standard output */
  async done(line: string, code = 0): Promise<string> {
    const ran = await this.run(line);
    if (ran.code !== code) throw new Error(`${line} ended with ${ran.code}: ${ran.out}${ran.err}`);
    return ran.out;
  }

  /** Runs a line while the pod opens connections, until it has said something; Ctrl-C ends it then. */
  async watched(line: string, what: RegExp): Promise<Ran> {
    const typed = this.type(line);
    await this.busy(typed.until(what));
    return typed.interrupt();
  }

  /** Has the pod open connections as long as something runs; whether they come about does not matter. */
  async busy<T>(running: Promise<T>): Promise<T> {
    const over = new AbortController();
    const traffic = (async () => {
      while (!over.signal.aborted) {
        await this.cart.request(this.lab.server.ipv4, 80, '/', { timeoutMs: 200 }).catch(() => undefined);
        await sleep(20);
      }
    })();
    const result = await running.finally(() => over.abort());
    await traffic;
    return result;
  }

  /** Opens a connection from the pod to the server. @returns whether it went by the proxy */
  async isCaptured(): Promise<boolean> {
    const { cart, lab } = this;
    const before = await haproxySessions(lab.proxy);
    const { server, client } = await cart.get(lab.server.ipv4);
    if (server !== 'server' || client !== cart.ipv4) throw new Error(`${server} saw ${client}`);
    return (await haproxySessions(lab.proxy)).outbound4 > before.outbound4;
  }

  /** Path by which a file of the node is reached from outside. */
  path(file: string): string {
    return join(`/proc/${this.#mounts.pid}/root`, file);
  }

  /** Writes a file of the node. @param file its path there; in the directory of commands if it is no whole one */
  write(file: string, text: string | Uint8Array): void {
    writeFileSync(file.startsWith('/') ? this.path(file) : join(this.directory, file), text);
  }

  /** Reads a file of the node. */
  read(file: string): string {
    return readFileSync(file.startsWith('/') ? this.path(file) : join(this.directory, file), 'utf8');
  }

  /** Starts another proxy beside the one there is, on the same ports. */
  async startProxy(): Promise<void> {
    this.proxy = await startHaproxy(this.lab.proxy, { reuseport: true });
  }

  /** Ends all that runs on the node; the engine's state goes with its bpffs. */
  async close(): Promise<void> {
    for (const typed of this.#typed) await typed.interrupt('SIGKILL');
    for (const pod of this.#pods) await pod.close();
    await this.lab.close();
    rmSync(this.directory, { recursive: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
