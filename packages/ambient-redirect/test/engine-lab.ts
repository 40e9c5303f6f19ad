/** A lab with an engine: for tests of what it does to pods that have connections. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Sys } from 'netlink-tc';
import { onTestFinished } from 'vitest';
import type { LabProcess } from '../../../test/support/lab-process.ts';
import { startProxy } from '../../../test/support/lab-proxy.ts';
import { createLab, POD_CIDR, type Lab } from '../../../test/support/lab.ts';
import { testSys } from '../../netlink-tc/test/sys.ts';
import { StateDirectory } from '../src/engine/directory.ts';
import { RedirectEngine, type EngineOptions } from '../src/engine/index.ts';
import type { PodRequest } from '../src/engine/roster.ts';
import { podRecordName, type PodRecord } from '../src/engine/pod-record.ts';
import { statePath } from './state.ts';

/** Port of the server of an {@link EngineLab} that sends back what it gets. */
const ECHO = 7;

/** A lab, its proxy, and engines on its node, one at a time. */
export interface EngineLab {
  readonly sys: Sys;
  readonly lab: Lab;
  readonly proxy: LabProcess;
  /** Where the engines have their state. */
  readonly directory: string;
  /** Opens an engine with the proxy; the last one tears down when the test ends. */
  open(changes?: EngineOptions): Promise<RedirectEngine>;
  /** The same, with the proxy that the last one had. */
  reopen(): Promise<RedirectEngine>;
  /** What an engine is asked for to enroll a pod. */
  pod(name: 'client' | 'server'): PodRequest;
  /** Connects from `client` to the echo server of `server`. */
  connect(family: 'ipv4' | 'ipv6'): Promise<Echo>;
  /** Changes what is recorded of a pod, while no engine is open: as if the last one had ended there. */
  rewrite(pod: string, changes: Partial<PodRecord>): void;
  /** How many connections are noted that run past the proxy. */
  noted(): number;
}

/** A connection to an echo server. */
export interface Echo {
  readonly socket: Socket;
  /** Sends a word and waits for it. @throws Error when it does not come within a second, or the connection fails */
  says(word: string): Promise<void>;
  /** Ends the connection, and waits until the other side has ended it too. */
  end(): Promise<void>;
}

/** Makes a lab with a proxy and an echo server in `server`. All of it goes when the test ends. */
export async function engineLab(options: EngineOptions = {}): Promise<EngineLab> {
  const sys = await testSys();
  const lab = await createLab(sys);
  const directory = statePath(sys);
  const all: EngineOptions = {
    sys,
    directory,
    host: { fd: lab.node.netns.fd },
    podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
    ...options,
  };
  const opened: RedirectEngine[] = [];
  onTestFinished(async () => {
    for (const engine of opened) await engine.close();
    if (existsSync(directory)) await (await RedirectEngine.open(all)).teardown();
    await lab.close();
  });
  await lab.server.serveTcp(ECHO, (socket) => socket.pipe(socket));
  const proxy = await startProxy(lab.proxy);
  const reopen = async (changes: EngineOptions = {}): Promise<RedirectEngine> => {
    const engine = await RedirectEngine.open({ ...all, ...changes });
    opened.push(engine);
    return engine;
  };
  return {
    sys,
    lab,
    proxy,
    directory,
    reopen,
    open: async (changes) => {
      const engine = await reopen(changes);
      await engine.setProxy({ netns: { fd: lab.proxy.netns.fd }, pid: proxy.pid });
      return engine;
    },
    pod: (name) => ({ id: name, netns: { fd: lab[name].netns.fd } }),
    connect: (family) => connectEcho(lab, family),
    rewrite: (pod, changes) => {
      using state = StateDirectory.open(sys, directory, { create: false });
      const name = podRecordName(pod);
      const record = state.records.get<PodRecord>(name);
      if (record === undefined) throw new Error(`nothing is recorded of ${pod}`);
      state.records.put(name, { ...record, ...changes });
    },
    noted: () => {
      using state = StateDirectory.open(sys, directory, { readOnly: true });
      return [...state.maps.direct.keys()].length;
    },
  };
}

async function connectEcho({ client, server }: Lab, family: 'ipv4' | 'ipv6'): Promise<Echo> {
  const socket = client.connect({ to: { address: server.address(family), port: ECHO }, allowHalfOpen: true });
  await once(socket, 'connect');
  let heard = '';
  let listen: () => void = () => undefined;
  let failed: Error | undefined;
  socket
    .setEncoding('utf8')
    .on('data', (part: string) => {
      heard += part;
      listen();
    })
    .on('error', (error) => {
      failed = error;
      listen();
    });
  return {
    socket,
    says: (word) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`nothing came back: ${word}`)), 1_000);
        listen = (): void => {
          if (failed === undefined && !heard.endsWith(word)) return;
          clearTimeout(timer);
          if (failed === undefined) resolve();
          else reject(failed);
        };
        socket.write(word);
        listen();
      }),
    end: async () => {
      const closed = once(socket, 'close');
      socket.end();
      await closed;
    },
  };
}
