import { execFileSync } from 'node:child_process';
import { expect, onTestFinished } from 'vitest';
import { NetlinkSocket, type NetlinkSocketOptions } from '../src/netlink/index.ts';
import { createAnonymousNetns, type Netns } from '../src/netns/index.ts';
import { addLink, setLink } from '../src/rtnl/index.ts';
import type { Sys } from '../src/sys/index.ts';

/** A network namespace of one test's own, with a netlink socket in it and a way to run commands there. */
export interface TestNetns {
  readonly netns: Netns;
  readonly socket: NetlinkSocket;
  /** Runs a command inside and returns what it prints. */
  run(command: string, ...args: string[]): string;
  /** The same for commands that print JSON. */
  json(command: string, ...args: string[]): Record<string, unknown>[];
}

const PATH_WITH_SBIN = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Makes a namespace that ends with the test. */
export function testNetns(sys: Sys, options: NetlinkSocketOptions = {}): TestNetns {
  const netns = createAnonymousNetns(sys);
  const socket = NetlinkSocket.open(sys, { ...options, netns });
  onTestFinished(() => {
    socket.close();
    netns.close();
  });
  const path = `/proc/${process.pid}/fd/${netns.fd}`;
  const run = (command: string, ...args: string[]): string =>
    execFileSync('nsenter', [`--net=${path}`, command, ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH: PATH_WITH_SBIN },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const json = (command: string, ...args: string[]): Record<string, unknown>[] => {
    const text = run(command, ...args).trim();
    return text === '' ? [] : (JSON.parse(text) as Record<string, unknown>[]);
  };
  return { netns, socket, run, json };
}

/** A namespace with the pair `v0` (index 2) and `v1` (index 3), both up. */
export async function testPair(sys: Sys): Promise<TestNetns> {
  const all = testNetns(sys);
  await all.socket.batch([
    addLink({ kind: 'veth', name: 'v0', index: 2, peer: { name: 'v1', index: 3 } }),
    setLink('v0', { up: true }),
    setLink('v1', { up: true }),
  ]);
  return all;
}

/**
 * Whether a tool can do something on this kernel. What it cannot for another reason than those that `lacking` names is an error.
 * @example `if (!toolCan(() => run('ip', 'link', 'add', 'd0', 'type', 'dummy'), /Unknown device type/)) return;`
 */
export function toolCan(work: () => void, lacking: RegExp): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!lacking.test(String((error as { stderr?: unknown }).stderr))) throw error;
    return false;
  }
}

/** What a tool cannot make, the kernel does not have: our request for it is refused with the kernel's words. */
export async function expectLacking(work: Promise<unknown>, words: RegExp): Promise<void> {
  await expect(work).rejects.toMatchObject({ kernelMessage: expect.stringMatching(words) as string });
}
