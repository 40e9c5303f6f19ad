import type { PodPolicy } from '../policy.ts';
import type { EngineOptions } from '../engine/options.ts';

/** Where a pod is: by its network namespace, or by the host's end of its interface. */
export interface PodPlace {
  /** Path of its network namespace, or its name below `/run/netns`. */
  readonly netns?: string;
  /** A process in it. */
  readonly pid?: number;
  /** The host's end of its interface. */
  readonly interface?: string;
  /** Name of the interface inside, where it has several. */
  readonly podInterface?: string;
}

/** A pod, as a configuration names it. */
export interface PodEntry extends PodPlace {
  readonly id: string;
  readonly addresses?: readonly string[];
  readonly policy?: PodPolicy;
}

/** A pod, as a file of a directory of pods names it: the file's name is its id where it says none. */
export type PodFile = Omit<PodEntry, 'id'> & { readonly id?: string };

/** The proxy, as a configuration names it. */
export interface ProxyEntry {
  /** Path of its network namespace, or its name below `/run/netns`; that of its process if left out. */
  readonly netns?: string;
  /** Its process, or a file that has its id. */
  readonly pid?: number | string;
  /** Name of its own interface, where it has several. */
  readonly interface?: string;
}

/** What concerns the agent's own process. */
export interface AgentEntry {
  readonly socket?: string;
  readonly listen?: string | number;
  readonly drainSeconds?: number;
  readonly reconcileSeconds?: number;
}

/** The agent's configuration, as it is written: options of the engine, but for those that are no text, and what is the agent's. */
export interface ConfigFile extends Omit<EngineOptions, 'sys' | 'host' | 'order'> {
  readonly order?: 'head' | 'tail';
  readonly proxy?: ProxyEntry;
  readonly pods?: readonly PodEntry[];
  readonly podsDirectory?: string;
  readonly agent?: AgentEntry;
}
