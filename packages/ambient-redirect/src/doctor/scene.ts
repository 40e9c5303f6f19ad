import type { Direction, Probes, Sys } from 'netlink-tc';
import type { EngineSettings } from '../engine/options.ts';
import type { EngineStatus } from '../engine/index.ts';
import type { Host } from '../topology/index.ts';
import type { Machine } from './machine.ts';

/** What can be looked at with no privileges, and without a network. */
export interface MachineScene {
  readonly sys: Sys;
  readonly machine: Machine;
  readonly probes: Probes;
  /** Where the engine has its state, or would have it. */
  readonly directory: string;
}

/** An interface that is looked at. */
export interface Interface {
  readonly index: number;
  readonly name: string;
  /** Name of the interface by which the stack of the host has what comes in here: of the bridge that it is a port of, or its own. */
  readonly input: string;
  /** `veth`, `netkit`; undefined where it is gone. */
  readonly kind: string | undefined;
  /** Whose host-side end it is; `candidate`: of a pod that could be enrolled. */
  readonly role: 'pod' | 'proxy' | 'candidate';
}

/** What can be looked at in a network. */
export interface NetworkScene extends MachineScene {
  /** The namespace with the host's ends of the pods' interfaces. */
  readonly host: Host;
  /** Whether the caller named it. */
  readonly isHostNamed: boolean;
  /** What an engine works by, or would. */
  readonly settings: EngineSettings;
  /** What an engine has made; undefined where there is none. */
  readonly status: EngineStatus | undefined;
  readonly interfaces: readonly Interface[];
}

/** Ids of the programs that the engine has recorded for a hook. */
export function ourPrograms({ status }: NetworkScene, device: number, direction: Direction): ReadonlySet<number> {
  const pods = (status?.pods ?? []).filter(({ hostInterface }) => hostInterface.index === device);
  const hooks = pods.flatMap((pod) => pod.hooks);
  if (status?.proxy !== undefined && status.proxy.hostInterface.index === device) hooks.push(status.proxy.hostIn);
  const its = hooks.filter((hook) => hook.direction === direction && hook.status === 'ours');
  const ids = its.flatMap(({ program }) => (program === undefined ? [] : [program.id]));
  if (direction === 'ingress' && status?.leaving?.hostInterface.index === device)
    ids.push(...status.programs.filter(({ name }) => name === 'ztunnel_host_in').map(({ id }) => id));
  return new Set(ids);
}
