import { EngineView, type EngineStatus } from '../../engine/index.ts';
import { PROGRAMS_BUILD } from '../../engine/programs-build.gen.ts';
import type { CommandRun } from '../command-spec.ts';
import { CliError, EXIT } from '../errors.ts';
import { findAgent, nodeOf, openToChange } from './node.ts';
import { showPlan } from './plan.ts';
import { reconcileAll, reportText } from './reconcile.ts';

/** A program on a hook, before and now. */
interface Replaced {
  readonly where: string;
  readonly before: string;
  readonly now: string;
}

/** `ambient-redirect upgrade`. */
export const run: CommandRun = async ({ args, output }) => {
  const agent = await findAgent(args);
  if (agent !== undefined) {
    const { build } = await agent.status();
    if (build !== PROGRAMS_BUILD) {
      throw new CliError(`the agent with process ${agent.agent.pid} is of another version`, {
        code: 'ERR_AGENT',
        exitCode: EXIT.failed,
        hint: 'start it anew: it takes over what is there and upgrades it',
      });
    }
  }
  if (args.flag('dry-run')) return showPlan({ kind: 'upgrade' }, { args, output });
  const before = agent === undefined ? await statusOf(nodeOf(args)) : undefined;
  await using control = await openToChange(args);
  const report = await reconcileAll(control);
  const after = await control.status();
  const replaced = before === undefined ? [] : replacements(before, after);
  output.result({ build: after.build, replaced, ...report }, () =>
    [
      ...replaced.map(
        ({ where, before: old, now }) => `${output.paint('green', 'replaced')}  ${where}: ${old} by ${now}`,
      ),
      reportText(report, output),
    ].join('\n'),
  );
  return report.failed.length === 0 ? EXIT.ok : EXIT.failed;
};

/** What is there before; undefined where this version cannot look at it as it is. */
async function statusOf(where: ReturnType<typeof nodeOf>): Promise<EngineStatus | undefined> {
  try {
    await using view = await EngineView.open(where);
    return await view.status();
  } catch {
    // What is wrong is told when it is opened to be changed.
    return undefined;
  }
}

function replacements(before: EngineStatus, after: EngineStatus): Replaced[] {
  const old = programsOf(before);
  return [...programsOf(after)].flatMap(([where, now]) => {
    const was = old.get(where);
    return was === undefined || was === now ? [] : [{ where, before: was, now }];
  });
}

/** What runs on each hook. */
function programsOf({ pods, proxy }: EngineStatus): ReadonlyMap<string, string> {
  const hooks = [
    ...pods.flatMap((pod) => pod.hooks.map((hook) => ({ name: pod.hostInterface.name, hook }))),
    ...(proxy === undefined ? [] : [{ name: proxy.hostInterface.name, hook: proxy.hostIn }]),
  ];
  return new Map(
    hooks.flatMap(({ name, hook: { direction, program } }) =>
      program === undefined ? [] : [[`${name} ${direction}`, `${program.name} ${program.id} ${program.tag}`]],
    ),
  );
}
