/**
 * An engine as a process of its own, to be killed. Its argument is a {@link Job} as JSON. It says `ready` once the job is done, with how many steps
 * that took, and waits; with `dieAt` it ends itself by SIGKILL before that step of the job's last part.
 */
import { openSys, type Sys } from 'netlink-tc';
import { RedirectEngine, type EngineOptions } from '../../packages/ambient-redirect/src/engine/index.ts';
import { watchChanges } from './changes.ts';
import { countSteps } from './steps.ts';

/** What the engine is to do. */
export interface Job {
  readonly options: Omit<EngineOptions, 'sys'>;
  readonly proxy: Place;
  /** A proxy in another namespace, which takes over. */
  readonly successor?: Place;
  /** Pods by their ids: paths of their namespaces. */
  readonly pods: Readonly<Record<string, string>>;
  /** What is done, in order: the steps of the last one are counted. */
  readonly parts: readonly Part[];
  /** What is a step: a call that changes something in the kernel, or changes of one kind that follow each other, as `docs/lifecycle.md` numbers them. */
  readonly steps?: 'calls' | 'changes';
  readonly dieAt?: number;
  readonly established?: 'preserve' | 'reset';
}

/** Where a proxy is. */
export interface Place {
  readonly path: string;
  readonly pid: number;
}

/** One thing that an engine does. */
export type Part = 'setProxy' | 'handOver' | 'enroll' | 'unenroll' | 'drain' | 'teardown';

const job = JSON.parse(process.argv[2] ?? '') as Job;
const real: Sys = await openSys();
const kinds: string[] = [];
let taken: number | undefined;
const step = (): void => {
  if (taken === undefined) return;
  taken += 1;
  if (taken === job.dieAt) process.kill(process.pid, 'SIGKILL');
};
let sys = real;
if (job.steps === 'changes')
  watchChanges((kind) => {
    if (kinds.at(-1) === kind) return;
    kinds.push(kind);
    step();
  });
else ({ sys } = countSteps(real, step));
const engine = await RedirectEngine.open({ ...job.options, sys });
const { proxy, successor = proxy, pods, established = 'preserve' } = job;
const setProxy = ({ path, pid }: Place): Promise<unknown> => engine.setProxy({ netns: { path }, pid });
const doPart: Readonly<Record<Part, () => Promise<unknown>>> = {
  setProxy: () => setProxy(proxy),
  handOver: () => setProxy(successor),
  enroll: () =>
    engine.enroll(
      Object.entries(pods).map(([id, path]) => ({ id, netns: { path } })),
      { established },
    ),
  unenroll: () => engine.unenroll(Object.keys(pods)),
  drain: () => engine.unenroll(Object.keys(pods), { drain: { timeoutMs: 1_000 } }),
  teardown: () => engine.teardown(),
};
for (const [index, part] of job.parts.entries()) {
  if (index === job.parts.length - 1) [kinds.length, taken] = [0, 0];
  await doPart[part]();
}
if (kinds.length > 0) console.log(`steps: ${kinds.join(', ')}`);
console.log(`ready ${taken}`);
setInterval(() => engine, 1000);
