import { isAmbientRedirectError } from '../error.ts';
import { EngineView, type EngineStatus } from '../engine/index.ts';
import { configOf, type AgentOptions } from './agent.ts';
import { OwnedPods } from './owned-pods.ts';
import { problemText } from './readiness.ts';
import { WantedPods } from './wanted.ts';

/** What an agent would do at its start. */
export interface AgentPlan {
  /** Path of the configuration. */
  readonly config: string;
  readonly directory: string;
  /** `named`: there is none by now; `named again`: there is one already. Undefined where the configuration names none. */
  readonly proxy: 'named' | 'named again' | undefined;
  /** Pods that it would enroll. */
  readonly enroll: readonly string[];
  /** Pods that an agent has enrolled and nothing names any more. */
  readonly unenroll: readonly string[];
  /** Files of the directory of pods that cannot be understood, or read. */
  readonly problems: readonly string[];
}

/**
 * What an agent with a configuration would do, as far as it can be seen without doing it. Changes nothing.
 * @throws AmbientRedirectError `ERR_CONFIG`; what `EngineView.open` throws, but for `ERR_NO_STATE`
 */
export async function planOf(
  options: Pick<AgentOptions, 'config' | 'directory' | 'socket' | 'host' | 'sys'>,
): Promise<AgentPlan> {
  const config = configOf(options);
  const { directory } = config.engine;
  const wanted = new WantedPods();
  wanted.read(config, options.config);
  const status = await statusOf({ ...options, directory });
  const there = new Set((status?.pods ?? []).filter(({ status: one }) => one !== 'draining').map(({ id }) => id));
  const owned = new OwnedPods(`${config.socket}.pods`, directory);
  return {
    config: options.config,
    directory,
    proxy: config.proxy === undefined ? undefined : status?.proxy === undefined ? 'named' : 'named again',
    enroll: [...wanted.pods.keys()].filter((id) => !there.has(id)),
    unenroll: [...owned.ids].filter((id) => wanted.isWhole && there.has(id) && !wanted.pods.has(id)),
    problems: wanted.problems.map(problemText),
  };
}

async function statusOf({
  sys,
  directory,
  host,
}: Parameters<typeof EngineView.open>[0] & object): Promise<EngineStatus | undefined> {
  try {
    await using view = await EngineView.open({
      ...(sys && { sys }),
      ...(directory !== undefined && { directory }),
      ...(host && { host }),
    });
    return await view.status();
  } catch (error) {
    if (isAmbientRedirectError(error, 'ERR_NO_STATE')) return undefined;
    throw error;
  }
}
