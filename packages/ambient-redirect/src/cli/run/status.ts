import { writeFileSync } from 'node:fs';
import { hostname, release } from 'node:os';
import { openSys } from 'netlink-tc';
import type { ControlStatus, ReadControl } from '../../control/index.ts';
import { problemsOf, renderReport, type Measured } from '../../report/index.ts';
import type { Arguments } from '../arguments.ts';
import type { CommandRun } from '../command-spec.ts';
import { EXIT } from '../errors.ts';
import { version } from '../run.ts';
import { chainsOf, openHost } from './chains.ts';
import { requirePods } from './known-pods.ts';
import { measure } from './measure.ts';
import { openToLook } from './node.ts';
import { statusText } from './status-text.ts';

/** What `--json` prints. */
export interface StatusDocument extends ControlStatus {
  /** Runs of programs while `--stats` had the kernel count. */
  readonly measured?: Measured;
}

/** `ambient-redirect status`. */
export const run: CommandRun = async ({ args, output, io }) => {
  await using control = await openToLook(args);
  const { status: all, measured } = await look(args, control, io.signal);
  const status = ofPods(all, args.all('pod'));
  const file = args.text('html');
  const ok = problemsOf(status).length === 0;
  if (file !== undefined) {
    const page = await report(args, control, { status, measured });
    if (file === '-') io.stdout.write(page);
    else writeFileSync(file, page);
    if (file === '-') return ok ? EXIT.ok : EXIT.failed;
    output.note(`written to ${file}`);
  }
  const document: StatusDocument = { ...status, ok, ...(measured === undefined ? {} : { measured }) };
  output.result(document, () => statusText(status, output, { measured, onlyProblems: output.quiet, now: Date.now() }));
  return ok ? EXIT.ok : EXIT.failed;
};

async function look(
  args: Arguments,
  control: ReadControl,
  signal: AbortSignal,
): Promise<{ readonly status: ControlStatus; readonly measured: Measured | undefined }> {
  const seconds = args.number('stats');
  if (seconds === undefined) return { status: await control.status(), measured: undefined };
  return measure(await openSys(), control, { seconds, signal });
}

/** Of the pods that are asked for alone; of all where none is. */
function ofPods(status: ControlStatus, ids: readonly string[]): ControlStatus {
  if (ids.length === 0) return status;
  const wanted = status.wanted ?? [];
  requirePods(ids, [...status.pods, ...wanted]);
  const of = <T>(all: readonly T[], subject: (one: T) => string): readonly T[] =>
    all.filter((one) => ids.includes(subject(one)));
  const { agent, ...rest } = status;
  return {
    ...rest,
    ...(agent === undefined ? {} : { agent: { ...agent, problems: of(agent.problems, (one) => one.subject) } }),
    pods: of(status.pods, (pod) => pod.id),
    wanted: of(wanted, (pod) => pod.id),
    problems: of(status.problems, (problem) => problem.subject),
    warnings: of(status.warnings, (warning) => warning.subject),
  };
}

async function report(
  args: Arguments,
  control: ReadControl,
  { status, measured }: { readonly status: ControlStatus; readonly measured: Measured | undefined },
): Promise<string> {
  using host = await openHost(args);
  const metrics = await control.metrics();
  const shown = new Set(status.pods.map(({ id }) => id));
  return renderReport({
    taken: new Date().toISOString(),
    node: hostname(),
    kernel: release(),
    version: version(),
    status,
    metrics: { ...metrics, pods: metrics.pods.filter(({ id }) => shown.has(id)) },
    chains: await chainsOf(host, status),
    measured,
  });
}
