import type { Control, ControlStatus } from '../control/index.ts';
import type { PodRequest, UnenrollOptions } from '../engine/index.ts';
import type { EnrollOptions } from '../engine/enroll.ts';
import { AmbientRedirectError } from '../error.ts';
import type { EngineHolder } from './engine-holder.ts';
import type { WantedPod } from './wanted.ts';

/** What the agent adds to what its engine does. */
export interface AgentView {
  /** Pods whose coming and going is not for others to say. */
  readonly wanted: () => ReadonlyMap<string, WantedPod>;
  /** What the agent tells beside the engine's state. */
  readonly report: () => Pick<ControlStatus, 'agent' | 'wanted'>;
  /** Hears of pods that were found gone. */
  readonly onRemoved: (ids: readonly string[]) => void;
  /** Takes everything away and ends the agent. */
  readonly teardown: Control['teardown'];
}

/**
 * What other commands may ask of an agent: all that its engine does, but for pods that its configuration names. Those come and go with what names
 * them.
 */
export function agentControl(holder: EngineHolder, view: AgentView): Control {
  const refuseWanted = (ids: readonly string[]): void => {
    for (const id of ids) {
      const wish = view.wanted().get(id);
      if (wish === undefined) continue;
      throw new AmbientRedirectError('ERR_CONFLICT', `${id} is wanted by ${wish.source}`, {
        hint: 'change it there: the agent does as it says',
      });
    }
  };
  const enroll = async (pods: PodRequest | readonly PodRequest[], options?: EnrollOptions): Promise<unknown> => {
    const all = Array.isArray(pods) ? (pods as readonly PodRequest[]) : [pods as PodRequest];
    refuseWanted(all.map(({ id }) => id));
    return holder.use((engine): Promise<unknown> =>
      Array.isArray(pods)
        ? engine.enroll(pods as readonly PodRequest[], options)
        : engine.enroll(pods as PodRequest, options),
    );
  };
  const unenroll = async (
    ids: string | readonly string[],
    options?: UnenrollOptions,
  ): Promise<boolean | readonly boolean[]> => {
    refuseWanted(typeof ids === 'string' ? [ids] : ids);
    return holder.unenroll(ids, options);
  };
  return {
    enroll: enroll as Control['enroll'],
    unenroll: unenroll as Control['unenroll'],
    setProxy: (proxy, options) => holder.use((engine) => engine.setProxy(proxy, options)),
    clearProxy: () => holder.use((engine) => engine.clearProxy()),
    reconcile: async () => {
      const report = await holder.use((engine) => engine.reconcile());
      view.onRemoved(report.removed);
      return report;
    },
    status: async () => {
      const status = await holder.use((engine) => engine.status());
      const { agent, wanted = [] } = view.report();
      const isFine = wanted.length === 0 && (agent === undefined || agent.problems.length === 0);
      return { ...status, ok: status.ok && isFine, ...(agent && { agent }), wanted };
    },
    metrics: () => holder.use((engine) => engine.metrics()),
    events: (options) => holder.events(options),
    teardown: view.teardown,
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
