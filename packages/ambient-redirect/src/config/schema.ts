/** What a configuration may say. The tables of docs/configuration.md are made of it. */
import type { AgentEntry, ConfigFile, PodEntry, PodFile, PodPlace, ProxyEntry } from './config-file.ts';
import { normalisePolicy, type PodPolicy, type TrafficRules } from '../policy.ts';
import type { ProxyPorts } from '../ports.ts';
import { settingsOf } from '../engine/options.ts';
import { isAmbientRedirectError } from '../error.ts';
import {
  address,
  either,
  listenAt,
  list,
  netns,
  object,
  optional,
  path,
  podId,
  ports,
  prefix,
  required,
  text,
  truth,
  whole,
  word,
  type Complaint,
  type Schema,
} from './types.ts';

const U32 = 0xffff_ffff;

/** What of one direction is captured. */
const TRAFFIC_RULES: Schema<TrafficRules> = object<TrafficRules>({
  includeCidrs: optional(
    list(prefix, 'prefixes'),
    'Only these: destinations of what goes out, sources of what comes in. All if left out',
  ),
  excludeCidrs: optional(list(prefix, 'prefixes'), 'Not these'),
  includePorts: optional(
    list(ports, 'ports and ranges') as Schema<NonNullable<TrafficRules['includePorts']>>,
    'Only connections to these. All if left out',
  ),
  excludePorts: optional(
    list(ports, 'ports and ranges') as Schema<NonNullable<TrafficRules['excludePorts']>>,
    'No connections to these',
  ),
});

/** What of a pod's traffic is captured. */
const POLICY: Schema<PodPolicy> = object<PodPolicy>(
  {
    dns: optional(truth, 'DNS over UDP as well. As the key `dns` of the node says, if left out'),
    outbound: optional(TRAFFIC_RULES, 'What of the connections that it opens'),
    inbound: optional(TRAFFIC_RULES, 'What of the connections that others open to it'),
  },
  (policy) => complaintOf(() => normalisePolicy(policy, { dns: false }, '')),
);

const POD_MEMBERS = {
  netns: optional(netns, 'Its network namespace'),
  pid: optional(whole(1, 0x7fff_ffff), 'A process in its network namespace, in the place of `netns`'),
  interface: optional(
    text,
    "The host's end of its interface. Enough by itself, but then connections that are open are not known",
  ),
  podInterface: optional(text, 'The interface inside, where it has several. With `netns` or `pid` only'),
  addresses: optional(list(address, 'addresses'), 'Its addresses. Those of its interface if left out'),
  policy: optional(POLICY, 'What of its traffic is captured. All TCP if left out'),
};

const here = (message: string): Complaint => ({ at: [], message });

function misplaced({ netns: by, pid, interface: end, podInterface }: PodPlace): Complaint | undefined {
  if (by !== undefined && pid !== undefined) return here('has netns and pid: one of them says it');
  if (by !== undefined || pid !== undefined) return undefined;
  if (podInterface !== undefined) return here('has podInterface, but neither netns nor pid');
  return end === undefined ? here('has none of netns, pid and interface') : undefined;
}

const ID = 'Its name with the engine, such as `shop/cart-1`: of up to 253 characters, and no other pod has it';

/** A pod of the list. */
export const POD: Schema<PodEntry> = object<PodEntry>({ id: required(podId, ID), ...POD_MEMBERS }, misplaced);

/** A file of the directory. */
export const POD_FILE: Schema<PodFile> = object<PodFile>(
  { id: optional(podId, `${ID}. The name of the file, without its ending, if left out`), ...POD_MEMBERS },
  misplaced,
);

/** Who the proxy is. */
const PROXY: Schema<ProxyEntry> = object<ProxyEntry>(
  {
    netns: optional(netns, 'Its network namespace. That of `pid` if left out'),
    pid: optional(
      either(whole(1, 0x7fff_ffff), path, 'is a whole number, or the path of a file that has it'),
      'Its process, or the file where it is told. Whoever listens on its ports in `netns`, if left out',
    ),
    interface: optional(text, 'Its own interface, where it has several'),
  },
  ({ netns: by, pid }) =>
    by === undefined && typeof pid !== 'number' ? here('has no netns, and no process id as pid') : undefined,
);

/** The agent's own process. */
const AGENT: Schema<AgentEntry> = object<AgentEntry>({
  socket: optional(path, 'Where it listens to the other commands. Default `/run/ambient-redirect/agent.sock`'),
  listen: optional(
    listenAt,
    'Where `/healthz`, `/readyz` and `/metrics` are, by HTTP: a port (of 127.0.0.1) or `ADDRESS:PORT`. Nowhere if left out',
  ),
  drainSeconds: optional(
    whole(0, 86_400),
    'How long connections by the proxy may run on when a pod is not wanted any more. Default 60',
  ),
  reconcileSeconds: optional(whole(1, 86_400), 'How often everything is looked at, whatever happens. Default 60'),
});

/** The ports of the proxy. */
const PORTS: Schema<Partial<ProxyPorts>> = object<Partial<ProxyPorts>>({
  outbound: optional(whole(1, 0xffff), 'Connections that a pod opens. Default 15001'),
  hbone: optional(whole(1, 0xffff), 'Tunnels from other proxies. Default 15008'),
  plaintext: optional(whole(1, 0xffff), 'Connections to a pod from outside of the mesh. Default 15006'),
  dns: optional(whole(1, 0xffff), 'DNS queries. Default 15053'),
});

const MARK = object<{ readonly value: number; readonly mask: number }>({
  value: required(whole(1, U32), 'The bits that are set'),
  mask: required(whole(1, U32), 'The bits that count'),
});

/** What is set in the proxy's namespace. */
const ROUTING: Schema<NonNullable<ConfigFile['routing']>> = object<NonNullable<ConfigFile['routing']>>({
  table: optional(whole(1, U32), 'The routing table. Default 100'),
  priority: optional(whole(1, 32_765), 'The priority of the rule. Default 20000'),
  mark: optional(MARK, 'The mark, `{ value, mask }`, of steering by `tproxy`. Default 0x400 of 0xfff'),
});

/** What the engine says against options that are right each by itself. */
function disagreeing({
  proxy: _proxy,
  pods = [],
  podsDirectory: _directory,
  agent: _agent,
  ...options
}: ConfigFile): Complaint | undefined {
  const ids = new Set<string>();
  for (const [index, { id }] of pods.entries()) {
    if (ids.has(id)) return { at: ['pods', index, 'id'], message: 'is the name of another pod above' };
    ids.add(id);
  }
  return complaintOf(() => settingsOf(options));
}

/** What the engine says against what a check looks at: it begins with the path. */
function complaintOf(check: () => unknown): Complaint | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    const [, at = '', message = ''] = isAmbientRedirectError(error) ? (/^(\S+) (.*)$/.exec(error.message) ?? []) : [];
    if (message === '') throw error;
    return { at: at.split('.').filter((step) => step !== ''), message };
  }
}

/** The whole file. */
export const CONFIG: Schema<ConfigFile> = object<ConfigFile>(
  {
    directory: optional(path, 'Where in a bpffs the state is pinned. Default `/sys/fs/bpf/ambient`'),
    attach: optional(
      word('auto', 'tcx', 'clsact'),
      'How programs are attached. `auto`, the default, takes tcx where the kernel has it',
    ),
    order: optional(word('head', 'tail'), "tcx: before or behind others' programs. Default `tail`"),
    priority: optional(whole(1, 0xffff), 'clsact: the priority of the filters. Default 20000'),
    steer: optional(
      word('auto', 'sk_lookup', 'tproxy'),
      "How connections find the proxy's listeners. `auto`, the default, takes `sk_lookup` where it can be had",
    ),
    ports: optional(PORTS, "The proxy's ports"),
    routing: optional(ROUTING, "What is set in the proxy's namespace"),
    podCidrs: optional(
      list(prefix, 'prefixes'),
      "The node's pod prefixes, at most one of each family. Pods in them are found faster; others work too",
    ),
    bypass: optional(list(prefix, 'prefixes'), 'What is left alone for all pods, either way'),
    dns: optional(truth, 'Whether DNS over UDP is captured where the policy of a pod does not say. Default `false`'),
    withoutProxy: optional(
      word('drop', 'pass'),
      'What happens to what would be captured while there is no proxy. Default `drop`',
    ),
    proxy: optional(
      PROXY,
      'Who the proxy is. If left out, who it is stays as it is: nobody, or whom `proxy set` names',
    ),
    pods: optional(list(POD, 'objects'), 'Pods to be enrolled'),
    podsDirectory: optional(
      path,
      'Where files are, one for a pod (`.yaml`, `.yml`, `.json`), that is to be enrolled as long as the file is there',
    ),
    agent: optional(AGENT, "The agent's own process"),
  },
  disagreeing,
);
