import type { NetnsReference } from 'netlink-tc';
import type { ProxyPorts } from '../ports.ts';
import type { ByFamily, DirectionTags } from '../programs/index.ts';
import type { ProxyListener } from './listeners.ts';
import type { HandedListener, PidSource } from './proxy-owner.ts';
import type { EngineSettings } from './options.ts';
import type { ProgramStore } from './program-store.ts';
import type { NetnsOf, PlaceIdentity, ProxyPlace } from './proxy-place.ts';
import type { StateDirectory } from './directory.ts';
import type { Host } from '../topology/index.ts';
import type { Sys } from 'netlink-tc';
import type { SteeringRecord, SteeringState } from './steering.ts';

/** The proxy, as a caller names it. */
export interface ProxyReference {
  /**
   * Its network namespace. A path is best: by a process id it is found again only while that process or another in the namespace runs, by a
   * descriptor only while a process does.
   */
  readonly netns: NetnsOf;
  /** Name of its own interface, where it has several. */
  readonly interface?: string;
  /** Its process; whoever listens on its ports in its namespace if left out. */
  readonly pid?: PidSource;
  /** Its listeners, where it hands them over: needed without `CAP_SYS_PTRACE` for steering by `sk_lookup`. */
  readonly listeners?: readonly HandedListener[];
  /** The ports that it listens on; those of the engine if left out. */
  readonly ports?: ProxyPorts;
}

/** How the proxy is steered to. */
export interface SteerOptions {
  /** Whether DNS is given to it. Default false. */
  readonly dns?: boolean;
  /** Whether it takes over from another on the same ports: new connections come to none but its own sockets. Default false. */
  readonly handover?: boolean;
}

/** The proxy as the engine knows it. */
export interface ProxyState {
  /** Inode number of its network namespace, in decimal. */
  readonly netnsInode: string;
  /** Its process; undefined where there is none, or it cannot be seen. */
  readonly pid: number | undefined;
  /** The host's end of its interface. */
  readonly hostInterface: { readonly index: number; readonly name: string };
  /** Its own end; the index counts in its namespace. */
  readonly ownInterface: { readonly index: number; readonly name: string; readonly mac: string };
  readonly addresses: ByFamily;
  readonly steering: SteeringState;
  /** Source MAC addresses that captured packets must have; undefined where `sk_lookup` steers. */
  readonly tags: DirectionTags | undefined;
  /** What connections are steered to. */
  readonly listeners: readonly ProxyListener[];
  /** `away`: no listener is there for what no mesh can do without, and what is captured is dropped. */
  readonly status: 'listening' | 'away';
  /** What is missing, one phrase each. */
  readonly missing: readonly string[];
}

/** What is recorded of the proxy: all that the next process needs to go on. */
export interface ProxyRecord extends Pick<ProxyState, 'hostInterface' | 'ownInterface' | 'addresses'> {
  readonly identity: PlaceIdentity;
  /** By which its namespace is found again; undefined where a descriptor named it. */
  readonly reference: NetnsReference | undefined;
  /** Undefined also where a function gives it. */
  readonly pid: number | string | undefined;
  readonly ports: ProxyPorts;
  readonly dns: boolean;
  readonly handover: boolean;
  readonly steering: SteeringRecord;
}

/** How a proxy was named. */
export type NamedProxy = Pick<ProxyRecord, 'reference' | 'pid' | 'ports' | 'dns' | 'handover'>;

/** What is seen of a proxy, and not recorded. */
export type SeenProxy = Pick<ProxyState, 'pid' | 'listeners' | 'status' | 'missing'>;

/** What is seen of a proxy of which there is nothing to be seen. @param why in words */
export function away(why: string): SeenProxy {
  return { pid: undefined, listeners: [], status: 'away', missing: [why] };
}

/** A proxy as it is seen. */
export function stateOf(record: ProxyRecord, seen: SeenProxy): ProxyState {
  const { identity, hostInterface, ownInterface, addresses, steering } = record;
  const { mode, reason, tags } = steering;
  const place = { netnsInode: identity.netns, hostInterface, ownInterface, addresses };
  return { ...place, steering: { mode, reason }, tags, ...seen };
}

/** What is recorded of a proxy in its place. */
export function recordOf(
  { identity, topology }: ProxyPlace,
  { reference, pid, ports, dns, handover }: NamedProxy,
  steering: SteeringRecord,
): ProxyRecord {
  const { hostInterface, podInterface, addresses } = topology;
  return {
    identity,
    reference,
    pid,
    ports,
    dns,
    handover,
    hostInterface: { index: hostInterface.index, name: hostInterface.name },
    ownInterface: { index: podInterface.index, name: podInterface.name, mac: podInterface.mac ?? '' },
    addresses,
    steering,
  };
}

/** Options of `ProxySide.open`. */
export interface ProxySideOptions {
  readonly sys: Sys;
  readonly host: Host;
  readonly directory: StateDirectory;
  readonly programs: Pick<ProgramStore, 'steer' | 'tproxy'>;
  readonly settings: EngineSettings;
  /** Told when the proxy goes away, comes back, or has other listeners than before. */
  readonly onChange?: (state: ProxyState) => void;
  /** Only look: slots stay as they are, nobody is watched. */
  readonly readOnly?: boolean;
}

/** Name of the record of the proxy. */
export const PROXY_RECORD = 'proxy';
