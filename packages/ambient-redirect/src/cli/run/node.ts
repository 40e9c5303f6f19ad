/**
 * What commands share that look at a node or change it. Only files of `run/` may import this: it loads the engine.
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { NetnsReference } from 'netlink-tc';
import { openControl, RemoteEngine, type Control, type ReadControl } from '../../control/index.ts';
import { recordedOptions, type EngineOptions } from '../../engine/index.ts';
import { AmbientRedirectError } from '../../error.ts';
import type { Arguments } from '../arguments.ts';
import { CliError } from '../errors.ts';

/** A network namespace as it is named on the command line: by a path, by the id of a process in it, or by its name of `ip netns`. */
export function netnsOf(text: string): NetnsReference {
  if (/^\d+$/.test(text)) return { pid: Number(text) };
  return text.includes('/') ? { path: resolve(text) } : { name: text };
}

/**
 * Which engine the options name.
 * @throws Error `EACCES` where it cannot be looked whether there is a directory: it would seem to be none
 */
export function nodeOf(args: Arguments): { readonly directory: string; readonly host?: NetnsReference } {
  const host = args.text('host');
  const directory = resolve(args.need('directory'));
  statSync(directory, { throwIfNoEntry: false });
  return { directory, ...(host === undefined ? {} : { host: netnsOf(host) }) };
}

/** Path of the agent's socket. */
function socketOf(args: Arguments): string {
  return resolve(args.need('socket'));
}

/** How the engine is to work, as far as the options say it. */
export function engineOptionsOf(args: Arguments): EngineOptions {
  const [attach, steer, withoutProxy] = [args.text('attach'), args.text('steer'), args.text('without-proxy')];
  const [podCidrs, bypass] = [args.all('pod-cidr'), args.all('bypass')];
  return {
    ...(attach === undefined ? {} : { attach: attach as NonNullable<EngineOptions['attach']> }),
    ...(steer === undefined ? {} : { steer: steer as NonNullable<EngineOptions['steer']> }),
    ...(withoutProxy === undefined ? {} : { withoutProxy: withoutProxy as NonNullable<EngineOptions['withoutProxy']> }),
    ...(podCidrs.length === 0 ? {} : { podCidrs }),
    ...(bypass.length === 0 ? {} : { bypass }),
  };
}

/** Who can look at the node: the agent, or a view of what is pinned. Close it. */
export function openToLook(args: Arguments): Promise<ReadControl> {
  return openControl({ ...nodeOf(args), socket: socketOf(args), need: 'read' });
}

/**
 * Who can change the node: the agent, or an engine of this process. Close it.
 * @param options `engine`: how it is to work. Without, there has to be a state: a command that takes something away does not make one
 * @throws CliError when an agent answers, whose configuration says how it works, and `engine` says something
 * @throws AmbientRedirectError `ERR_NO_STATE`, `ERR_LOCKED`, and what else `openControl` does
 */
export async function openToChange(
  args: Arguments,
  { engine }: { readonly engine?: EngineOptions } = {},
): Promise<Control> {
  const where = nodeOf(args);
  const agent = await refuseEngineOptions(args, engine ?? {});
  if (agent !== undefined) return agent;
  if (engine === undefined && (await recordedOptions(where)) === undefined) throw noState(where);
  return openControl({ ...engine, ...where, socket: socketOf(args), need: 'change' });
}

/**
 * Finds the agent, whose configuration says how the engine works.
 * @throws CliError when there is one, and `engine` says something
 */
export async function refuseEngineOptions(args: Arguments, engine: EngineOptions): Promise<RemoteEngine | undefined> {
  const agent = await findAgent(args);
  const said = Object.keys(engine);
  if (agent === undefined || said.length === 0) return agent;
  throw new CliError(`the agent with process ${agent.agent.pid} has its own configuration`, {
    hint: `leave out what says how the engine works (${said.join(', ')}), or write it there`,
  });
}

/** The agent that answers for the directory. */
export async function findAgent(args: Arguments): Promise<RemoteEngine | undefined> {
  const agent = await RemoteEngine.find(socketOf(args));
  return agent?.agent.directory === nodeOf(args).directory ? agent : undefined;
}

function noState({ directory }: { readonly directory: string }): AmbientRedirectError {
  return new AmbientRedirectError('ERR_NO_STATE', `there is no state of an engine in ${directory}`, {
    hint: 'nothing was ever enrolled there; give --directory if it is another',
  });
}
