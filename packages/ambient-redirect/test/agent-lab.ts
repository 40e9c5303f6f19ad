/** An agent on the node of a lab, in this process or in one of its own. */
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { LabProcess } from '../../../test/support/lab-process.ts';
import { POD_CIDR } from '../../../test/support/lab.ts';
import { tempDir } from '../../../test/support/temp.ts';
import { Agent, lineLog } from '../src/agent/index.ts';
import { RemoteEngine } from '../src/control/index.ts';
import { exposeMetrics } from '../src/metrics/index.ts';
import { COMMAND } from './command.ts';
import { engineLab, type EngineLab } from './engine-lab.ts';

/** A lab, and what agents on its node are given. */
export interface AgentLab extends EngineLab {
  /** Where the files of an agent are. */
  readonly files: string;
  /** Path of its configuration. */
  readonly config: string;
  readonly socket: string;
  /** Writes the configuration: what is given beside what every agent of the lab has. */
  configure(more?: object): void;
  /** Writes a file of the directory of pods, in one step; `undefined` removes it. */
  pod(name: string): ReturnType<EngineLab['pod']>;
  podFile(name: string, content: object | string | undefined): void;
  /** Starts an agent in this process. What it tells is in `said`. */
  start(): Promise<{ readonly agent: Agent; readonly said: () => string }>;
  /** Starts an agent as a process of its own. @param before a command that runs it, such as `env NAME=VALUE` */
  spawn(...before: readonly string[]): LabProcess;
  /** Asks the agent that runs. */
  ask(): Promise<RemoteEngine>;
}

/** Makes a lab with a proxy and the files of an agent. All of it goes when the test ends. */
export async function agentLab(): Promise<AgentLab> {
  const base = await engineLab();
  const { lab, proxy, directory, sys } = base;
  const files = tempDir();
  const [config, pods, socket] = [join(files, 'agent.yaml'), join(files, 'pods'), join(files, 'run', 'agent.sock')];
  mkdirSync(pods);
  const write = (path: string, text: string): void => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  const configure = (more: object = {}): void =>
    write(
      config,
      JSON.stringify({
        directory,
        podCidrs: [POD_CIDR.ipv4, POD_CIDR.ipv6],
        proxy: { netns: lab.proxy.path, pid: proxy.pid },
        podsDirectory: pods,
        ...more,
        agent: { socket, drainSeconds: 20, ...('agent' in more ? (more.agent as object) : {}) },
      }),
    );
  configure();
  return {
    ...base,
    files,
    config,
    socket,
    configure,
    podFile: (name, content) => {
      const path = join(pods, name);
      if (content === undefined) rmSync(path);
      else write(path, typeof content === 'string' ? content : JSON.stringify(content));
    },
    start: async () => {
      let said = '';
      const log = lineLog((text) => (said += text), { format: 'plain' });
      const agent = await Agent.start({
        config,
        host: { fd: lab.node.netns.fd },
        sys,
        log,
        notify: {},
        metrics: exposeMetrics,
      });
      onTestFinished(() => agent.close());
      return { agent, said: () => said };
    },
    spawn: (...before) => {
      const started = lab.node.spawn([...before, ...COMMAND, 'agent', '-c', config]);
      onTestFinished(() => started.stop('SIGKILL'));
      return started;
    },
    ask: async () => {
      const remote = await RemoteEngine.find(socket);
      if (remote === undefined) throw new Error(`nobody answers at ${socket}`);
      return remote;
    },
  };
}
