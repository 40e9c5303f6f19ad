import { openSys, ProgramReader, type NetnsReference } from 'netlink-tc';
import { Host } from '../topology/index.ts';
import { endBulk } from './bulk.ts';
import { nodeFacts, recordedPods, type EngineContext } from './context.ts';
import { DirectFlows } from './direct-flows.ts';
import { StateDirectory } from './directory.ts';
import { Hooks } from './hook.ts';
import { settingsOf, type EngineOptions } from './options.ts';
import { PodMaps } from './pod-maps.ts';
import { ProgramStore } from './program-store.ts';
import { ProxySide } from './proxy-side.ts';
import { reconcile } from './reconcile.ts';
import { recordOptions } from './recorded-options.ts';
import { readTelling, recordTelling } from './telling.ts';

/**
 * Opens all that an engine works with, takes over what the last one left, and brings the kernel in line with it. Where that fails, nothing stays
 * open.
 * @param onChange told when the proxy goes away or comes back
 */
export function openContext(options: EngineOptions, onChange: () => void): Promise<EngineContext> {
  return open(options, { readOnly: false, onChange }, async (context) => {
    endBulk(context.directory.records);
    recordTelling(context.directory.records, undefined);
    if (context.pods.size > 0 || context.proxySide.state !== undefined) context.opening = await reconcile(context);
    // Not before: who cannot be opened with them does not leave them to the next.
    recordOptions(context.directory.records, options);
  });
}

/** Opens what the engine that has the directory works with, beside it, to look at: nothing is changed. */
export function lookAtContext(options: EngineOptions): Promise<EngineContext> {
  return open(options, { readOnly: true }, () => Promise.resolve());
}

async function open(
  options: EngineOptions,
  { readOnly, onChange }: { readonly readOnly: boolean; readonly onChange?: () => void },
  begin: (context: EngineContext) => Promise<void>,
): Promise<EngineContext> {
  const settings = settingsOf(options);
  const sys = options.sys ?? (await openSys());
  const owned: Disposable[] = [];
  const own = <T extends Disposable>(one: T): T => {
    owned.push(one);
    return one;
  };
  try {
    const host = own(new Host(sys, hostReference(options.host)));
    const directory = own(StateDirectory.open(sys, settings.directory, readOnly ? { readOnly } : { create: true }));
    const programs = own(new ProgramStore(sys, directory));
    const { attach: mode, priority, order } = settings;
    const hookOptions = { netns: host.netns, mode, priority, ...(order && { order }) };
    const side = { sys, host, directory, programs, settings, readOnly, ...(onChange && { onChange }) };
    const context: EngineContext = {
      sys,
      settings,
      host,
      directory,
      programs,
      hooks: new Hooks(sys, host.socket, directory, hookOptions),
      podMaps: new PodMaps(directory.maps),
      directFlows: new DirectFlows(directory.maps),
      proxySide: own(await ProxySide.open(side)),
      reader: new ProgramReader(sys),
      pods: recordedPods(directory.records),
      drains: new Map(),
      node: await nodeFacts(host, settings),
      telling: readOnly ? readTelling(settings.directory, directory.records) : undefined,
      opening: undefined,
    };
    await begin(context);
    return context;
  } catch (error) {
    for (const one of owned.toReversed()) one[Symbol.dispose]();
    throw error;
  }
}

/** Lets go of all of it; what was made stays. */
export async function closeContext({ proxySide, programs, directory, host }: EngineContext): Promise<void> {
  await proxySide.close();
  programs.close();
  directory.close();
  host.close();
}

/** A namespace as it can be opened; a descriptor by its path in this process. */
export function hostReference(of: EngineOptions['host']): NetnsReference | undefined {
  return of !== undefined && 'fd' in of ? { path: `/proc/self/fd/${of.fd}` } : of;
}
