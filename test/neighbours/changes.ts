import { DirectFlows } from '../../packages/ambient-redirect/src/engine/direct-flows.ts';
import { StateDirectory } from '../../packages/ambient-redirect/src/engine/directory.ts';
import { Hooks } from '../../packages/ambient-redirect/src/engine/hook.ts';
import { PodMaps } from '../../packages/ambient-redirect/src/engine/pod-maps.ts';
import { ProxySettings } from '../../packages/ambient-redirect/src/engine/proxy-settings.ts';
import { RecordStore } from '../../packages/ambient-redirect/src/engine/records.ts';
import { Steering } from '../../packages/ambient-redirect/src/engine/steering.ts';

/** What an engine changes: the steps that `docs/lifecycle.md` numbers are made of these. */
export type Change = 'record' | 'pod maps' | 'noted connections' | 'hooks' | 'settings' | 'steering' | 'directory';

const CHANGERS: Readonly<Record<Change, readonly [{ readonly prototype: object }, readonly string[]]>> = {
  record: [RecordStore, ['put', 'delete']],
  'pod maps': [PodMaps, ['set', 'remove']],
  'noted connections': [DirectFlows, ['note', 'forget']],
  hooks: [Hooks, ['attach', 'replace', 'detach', 'removeQdiscs']],
  settings: [ProxySettings, ['apply', 'restore']],
  steering: [Steering, ['attach', 'detach']],
  directory: [StateDirectory, ['remove']],
};

/**
 * Tells of each change that an engine of this process makes, before it is made, by its kind.
 * @param before what another change does on its way is not told
 */
export function watchChanges(before: (kind: Change) => void): void {
  let depth = 0;
  for (const [kind, [{ prototype }, names]] of Object.entries(CHANGERS)) {
    const methods = prototype as unknown as Record<string, (...args: unknown[]) => unknown>;
    for (const name of names) {
      const real = methods[name] as (typeof methods)[string];
      methods[name] = function (...args: unknown[]): unknown {
        if (depth === 0) before(kind as Change);
        depth += 1;
        const ended = (): void => void (depth -= 1);
        let result: unknown;
        try {
          result = real.apply(this, args);
        } catch (error) {
          ended();
          throw error;
        }
        if (result instanceof Promise) void result.then(ended, ended);
        else ended();
        return result;
      };
    }
  }
}
