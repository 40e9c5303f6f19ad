import { openSys, type Sys } from 'netlink-tc';
import { isAmbientRedirectError } from '../error.ts';
import { Host } from '../topology/index.ts';
import type { NodeFacts } from '../programs/index.ts';
import { nodeFacts, type EngineContext } from './context.ts';
import { closeContext, hostReference, lookAtContext } from './open-context.ts';
import { settingsOf, type EngineOptions, type EngineSettings } from './options.ts';
import { programPin } from './program-store.ts';
import { recordedOptions } from './recorded-options.ts';
import { schema, schemaDigest } from './schema.ts';

/** What a plan is made on: the node as it is, looked at and not changed. */
export interface Ground extends AsyncDisposable {
  readonly sys: Sys;
  readonly host: Host;
  readonly settings: EngineSettings;
  readonly node: NodeFacts;
  /** What is pinned; undefined where there is no state of an engine. */
  readonly context: EngineContext | undefined;
  /** Name of the pin of a program. */
  readonly pinOf: (name: string, facts: unknown) => string;
}

/**
 * Looks at the node as an engine would find it that is opened with these options.
 * @throws AmbientRedirectError what `EngineView.open` throws, but for `ERR_NO_STATE`
 */
export async function openGround(options: EngineOptions): Promise<Ground> {
  const where = {
    ...(options.sys && { sys: options.sys }),
    ...(options.directory && { directory: options.directory }),
  };
  const all = { ...(await recordedOptions(where)), ...options };
  try {
    const context = await lookAtContext(all);
    const { sys, host, settings, node, directory } = context;
    const pinOf = (name: string, facts: unknown): string => programPin(name, facts, directory);
    return { sys, host, settings, node, context, pinOf, [Symbol.asyncDispose]: () => closeContext(context) };
  } catch (error) {
    if (!isAmbientRedirectError(error, 'ERR_NO_STATE')) throw error;
  }
  const settings = settingsOf(all);
  const sys = all.sys ?? (await openSys());
  const host = new Host(sys, hostReference(all.host));
  try {
    const digest = schemaDigest(schema());
    return {
      sys,
      host,
      settings,
      node: await nodeFacts(host, settings),
      context: undefined,
      pinOf: (name, facts) => programPin(name, facts, { schemaDigest: digest }),
      [Symbol.asyncDispose]: () => {
        host.close();
        return Promise.resolve();
      },
    };
  } catch (error) {
    host.close();
    throw error;
  }
}
