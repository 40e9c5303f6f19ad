import { execFileSync } from 'node:child_process';
import { onTestFinished } from 'vitest';
import { NetlinkSocket, type NetlinkSocketOptions } from '../src/netlink/index.ts';
import { createAnonymousNetns, type Netns } from '../src/netns/index.ts';
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
