import { resolve } from 'node:path';
import { DEFAULT_DIRECTORY, EngineView, recordedOptions, RedirectEngine, type EngineOptions } from '../engine/index.ts';
import { DEFAULT_SOCKET, type Control, type ReadControl } from './control.ts';
import { RemoteEngine } from './remote-engine.ts';

/** Options of {@link openControl}. */
export interface ControlOptions extends EngineOptions {
  /** Path of the agent's socket; {@link DEFAULT_SOCKET} if left out. */
  readonly socket?: string;
  /** `read` looks only, and can be had beside whoever changes the node. */
  readonly need: 'read' | 'change';
}

/**
 * Finds who can do something to the node: the agent, if one answers for the directory; else an engine of this process, opened as the last one
 * was but for the options that are given here, or, to look, a view of what is pinned.
 * @throws AmbientRedirectError to change: what `RedirectEngine.open` throws; to look: what `EngineView.open` throws, such as `ERR_NO_STATE`
 * @example
 * ```ts
 * await using control = await openControl({ need: 'change' });
 * await control.unenroll('shop/cart-1');
 * ```
 */
export function openControl(options: ControlOptions & { readonly need: 'change' }): Promise<Control>;
export function openControl(options: ControlOptions & { readonly need: 'read' }): Promise<ReadControl>;
export async function openControl(given: ControlOptions): Promise<Control | ReadControl> {
  const { socket = DEFAULT_SOCKET, need, ...options } = given;
  const { sys, directory, host } = options;
  const agent = await RemoteEngine.find(socket);
  if (agent?.agent.directory === resolve(directory ?? DEFAULT_DIRECTORY)) return agent;
  const where = { ...(sys && { sys }), ...(directory !== undefined && { directory }), ...(host && { host }) };
  if (need === 'read') return EngineView.open(where);
  return RedirectEngine.open({ ...(await recordedOptions(where)), ...options });
}
