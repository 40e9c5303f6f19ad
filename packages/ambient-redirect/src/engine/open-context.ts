import { openSys, type NetnsReference } from 'netlink-tc';
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

/**
 * Opens all that an engine works with, takes over what the last one left, and brings the kernel in line with it. Where that fails, nothing stays
 * open.
 * @param onChange told when the proxy goes away or comes back
 */
export async function openContext(options: EngineOptions, onChange: () => void): Promise<EngineContext> {
  const settings = settingsOf(options);
  const sys = options.sys ?? (await openSys());
  const owned: Disposable[] = [];
  const own = <T extends Disposable>(one: T): T => {
    owned.push(one);
    return one;
  };
  try {
    const host = own(new Host(sys, hostReference(options.host)));
    const directory = own(StateDirectory.open(sys, settings.directory, { create: true }));
    endBulk(directory.records);
    const programs = own(new ProgramStore(sys, directory));
    const { attach: mode, priority, order } = settings;
    const hookOptions = { netns: host.netns, mode, priority, ...(order && { order }) };
    const context: EngineContext = {
      sys,
      settings,
      host,
      directory,
      programs,
      hooks: new Hooks(sys, host.socket, directory, hookOptions),
      podMaps: new PodMaps(directory.maps),
      directFlows: new DirectFlows(directory.maps),
      proxySide: own(await ProxySide.open({ sys, host, directory, programs, settings, onChange })),
      pods: recordedPods(directory.records),
      drains: new Map(),
      node: await nodeFacts(host, settings),
      sample: undefined,
    };
    if (context.pods.size > 0 || context.proxySide.state !== undefined) await reconcile(context);
    return context;
  } catch (error) {
    for (const one of owned.toReversed()) one[Symbol.dispose]();
    throw error;
  }
}

function hostReference(of: EngineOptions['host']): NetnsReference | undefined {
  return of !== undefined && 'fd' in of ? { path: `/proc/self/fd/${of.fd}` } : of;
}
