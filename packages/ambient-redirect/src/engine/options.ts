import type { NetnsReference, Order, Sys } from 'netlink-tc';
import { AmbientRedirectError } from '../error.ts';
import { invalid, known, normaliseCidrs } from '../policy.ts';
import { DEFAULT_PORTS, type ProxyPorts } from '../ports.ts';
import type { ByFamily, NodeFacts } from '../programs/index.ts';

/** Where the engine keeps what it made, unless it is told otherwise. */
export const DEFAULT_DIRECTORY = '/sys/fs/bpf/ambient';

/** Priority of our filters in clsact: behind what is put there by hand, before what the kernel numbers by itself. */
export const DEFAULT_PRIORITY = 20_000;

/** Istio's mark, and the bits of it that count. */
export const DEFAULT_MARK = { value: 0x400, mask: 0xfff } as const;

/** Options of `RedirectEngine.open`. */
export interface EngineOptions {
  /** The door to the kernel; one of its own if left out. */
  readonly sys?: Sys;
  /** Directory in a bpffs where everything is pinned; {@link DEFAULT_DIRECTORY} if left out. */
  readonly directory?: string;
  /** The network namespace that has the host's ends of the pods' interfaces; that of this thread if left out. */
  readonly host?: NetnsReference | { readonly fd: number };
  /** How programs are attached: `auto`, the default, takes tcx where the kernel has it, found out by trying. */
  readonly attach?: 'auto' | 'tcx' | 'clsact';
  /** tcx: where among others' programs; last where nothing is said. */
  readonly order?: Order;
  /** clsact: priority of our filters; {@link DEFAULT_PRIORITY} if left out. */
  readonly priority?: number;
  /** How connections find the proxy's listeners: `auto`, the default, takes `sk_lookup` where it can be had. */
  readonly steer?: 'auto' | 'sk_lookup' | 'tproxy';
  /** The proxy's ports; Istio's where left out. */
  readonly ports?: Partial<ProxyPorts>;
  /** The routing table and the rule's priority in the proxy's namespace, and the mark of tproxy steering; Istio's where left out. */
  readonly routing?: {
    readonly table?: number;
    readonly priority?: number;
    readonly mark?: { readonly value: number; readonly mask: number };
  };
  /**
   * The node's pod prefixes, at most one a family. Pods in them are found faster: in an array by the last 16 bits of their address. Others work too.
   */
  readonly podCidrs?: readonly string[];
  /** Prefixes that are left alone for all pods, either way. */
  readonly bypass?: readonly string[];
  /** Whether DNS over UDP is captured where a pod's policy says nothing of it; not if left out. */
  readonly dns?: boolean;
  /** What happens to what would be captured while there is no proxy: `drop`, the default, or `pass`. */
  readonly withoutProxy?: 'drop' | 'pass';
}

/** Options, checked and filled up. */
export interface EngineSettings {
  readonly directory: string;
  readonly attach: 'auto' | 'tcx' | 'clsact';
  readonly order: Order | undefined;
  readonly priority: number;
  readonly steer: 'auto' | 'sk_lookup' | 'tproxy';
  readonly ports: ProxyPorts;
  readonly routing: { readonly table?: number; readonly priority?: number };
  readonly mark: { readonly value: number; readonly mask: number };
  readonly podCidrs: NodeFacts['podCidrs'];
  readonly bypass: ByFamily;
  readonly dns: boolean;
  readonly withoutProxy: 'drop' | 'pass';
}

const NAMES = [
  'sys',
  'directory',
  'host',
  'attach',
  'order',
  'priority',
  'steer',
  'ports',
  'routing',
  'podCidrs',
  'bypass',
  'dns',
  'withoutProxy',
];

/**
 * Checks options and fills up what is left out.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT`, with the name of the option
 */
export function settingsOf(options: EngineOptions): EngineSettings {
  known(options, NAMES, 'options');
  const { directory = DEFAULT_DIRECTORY, priority = DEFAULT_PRIORITY, routing = {}, dns = false } = options;
  if (typeof directory !== 'string' || !directory.startsWith('/'))
    throw invalid('directory', 'is an absolute path', directory);
  whole('priority', priority, 1, 0xffff);
  if (typeof dns !== 'boolean') throw invalid('dns', 'is true or false', dns);
  known(routing, ['table', 'priority', 'mark'], 'routing');
  const { table, priority: rule, mark = DEFAULT_MARK } = routing;
  if (table !== undefined) whole('routing.table', table, 1, 0xffff_ffff);
  if (rule !== undefined) whole('routing.priority', rule, 1, 32_765);
  whole('routing.mark.mask', mark.mask, 1, 0xffff_ffff);
  whole('routing.mark.value', mark.value, 1, 0xffff_ffff);
  if ((mark.value & ~mark.mask) !== 0) throw invalid('routing.mark', 'has a value within its mask', mark);
  return {
    directory,
    attach: one('attach', options.attach, ['auto', 'tcx', 'clsact']),
    order: options.order,
    priority,
    steer: one('steer', options.steer, ['auto', 'sk_lookup', 'tproxy']),
    ports: portsOf(options.ports ?? {}),
    routing: {
      ...(table === undefined ? {} : { table }),
      ...(rule === undefined ? {} : { priority: rule }),
    },
    mark,
    podCidrs: podCidrs(options.podCidrs ?? []),
    bypass: normaliseCidrs(options.bypass ?? [], 'bypass'),
    dns,
    withoutProxy: one('withoutProxy', options.withoutProxy, ['drop', 'pass']),
  };
}

function portsOf(given: Partial<ProxyPorts>): ProxyPorts {
  known(given, Object.keys(DEFAULT_PORTS), 'ports');
  const ports = { ...DEFAULT_PORTS, ...given };
  for (const [name, port] of Object.entries(ports)) whole(`ports.${name}`, port, 1, 0xffff);
  const { outbound, hbone, plaintext } = ports;
  if (new Set([outbound, hbone, plaintext]).size < 3) throw invalid('ports', 'are different from each other', ports);
  return ports;
}

/** At most one prefix a family, and of each what an array has room for: of IPv6 the first /112. */
function podCidrs(given: readonly string[]): NodeFacts['podCidrs'] {
  const { ipv4, ipv6 } = normaliseCidrs(given, 'podCidrs');
  const [first4, ...more4] = ipv4;
  const [first6, ...more6] = ipv6;
  if (more4.length > 0 || more6.length > 0) {
    throw new AmbientRedirectError('ERR_INVALID_ARGUMENT', 'podCidrs has several prefixes of one family', {
      hint: 'give the one that most pods are of: the others are found too',
    });
  }
  const [network6 = '', length6 = '0'] = (first6 ?? '').split('/');
  return {
    // A wider prefix of IPv4 does not fit, and no part of it is likelier than another.
    ...(first4 === undefined || Number(first4.split('/')[1]) < 16 ? {} : { ipv4: first4 }),
    ...(first6 === undefined ? {} : { ipv6: `${network6}/${Math.max(112, Number(length6))}` }),
  };
}

function one<T extends string>(name: string, given: T | undefined, of: readonly [T, ...T[]]): T {
  const [first] = of;
  if (given === undefined) return first;
  if (of.includes(given)) return given;
  throw invalid(name, `is one of ${of.join(', ')}`, given);
}

function whole(name: string, given: number, least: number, most: number): void {
  if (!Number.isInteger(given) || given < least || given > most)
    throw invalid(name, `is a whole number from ${least} to ${most}`, given);
}
