/**
 * An engine as a process of its own, to be killed. Its argument is a {@link Job} as JSON. It says `ready` once the job is done, and waits; with
 * `dieAt` it ends itself by SIGKILL before that step of the job's last part: its steps are calls that change something in the kernel.
 */
import { openSys, type Sys } from 'netlink-tc';
import { RedirectEngine, type EngineOptions } from '../../packages/ambient-redirect/src/engine/index.ts';
import { countSteps } from './steps.ts';

/** What the engine is to do. */
export interface Job {
  readonly options: Omit<EngineOptions, 'sys'>;
  readonly proxy: { readonly path: string; readonly pid: number };
  /** Pods by their ids: paths of their namespaces. */
  readonly pods: Readonly<Record<string, string>>;
  /** What is done, in order: the steps of the last one are counted. */
  readonly parts: readonly Part[];
  readonly dieAt?: number;
  readonly established?: 'preserve' | 'reset';
}

/** One thing that an engine does. */
export type Part = 'setProxy' | 'enroll' | 'unenroll' | 'teardown';

const job = JSON.parse(process.argv[2] ?? '') as Job;
const real: Sys = await openSys();
let isCounting = false;
const steps = countSteps(real, (number) => {
  if (isCounting && number === job.dieAt) process.kill(process.pid, 'SIGKILL');
});
const engine = await RedirectEngine.open({ ...job.options, sys: steps.sys });
const { proxy, pods, established = 'preserve' } = job;
const doPart: Readonly<Record<Part, () => Promise<unknown>>> = {
  setProxy: () => engine.setProxy({ netns: { path: proxy.path }, pid: proxy.pid }),
  enroll: () =>
    engine.enroll(
      Object.entries(pods).map(([id, path]) => ({ id, netns: { path } })),
      { established },
    ),
  unenroll: () => engine.unenroll(Object.keys(pods)),
  teardown: () => engine.teardown(),
};
for (const [index, part] of job.parts.entries()) {
  isCounting = index === job.parts.length - 1;
  if (isCounting) steps.restart();
  await doPart[part]();
}
console.log(`ready ${steps.taken}`);
setInterval(() => engine, 1000);
