import { createProbes, isNetlinkTcError, listLinks, openSys, type Link } from 'netlink-tc';
import { EngineView, DEFAULT_DIRECTORY, type EngineOptions, type EngineStatus } from '../engine/index.ts';
import { settingsOf, type EngineSettings } from '../engine/options.ts';
import { AmbientRedirectError, isAmbientRedirectError } from '../error.ts';
import { Host } from '../topology/index.ts';
import { checkChains } from './chains.ts';
import { checkCni } from './cni.ts';
import { checkContainer, checkNetworkNamespace } from './container.ts';
import type { Finding } from './finding.ts';
import { checkAsked, checkKernel } from './kernel.ts';
import { checkLeftovers } from './leftovers.ts';
import { checkLockdown } from './lockdown.ts';
import { machineAt } from './machine.ts';
import { checkMounts } from './mounts.ts';
import { checkPrivileges, PRIVILEGES } from './privileges.ts';
import type { Interface, MachineScene, NetworkScene } from './scene.ts';
import { SELF_TEST, selfTest } from './self-test.ts';
import { checkState, stateError } from './state.ts';
import { checkSysctls } from './sysctls.ts';

/** Options of {@link examine}. What an engine was opened with last counts where nothing is said. */
export interface ExamineOptions extends Pick<EngineOptions, 'sys' | 'directory' | 'host' | 'priority' | 'order'> {
  readonly attach?: EngineOptions['attach'] | undefined;
  readonly steer?: EngineOptions['steer'] | undefined;
  /** Names of interfaces of the host to look at; those of enrolled pods and of the proxy if left out, where there are none all that could be pods'. */
  readonly interfaces?: readonly string[];
  /** Whether a connection is redirected to try it, which takes seconds; it is if left out. */
  readonly selfTest?: boolean;
  /** Directory in whose place `/` would be, without its last slash: for tests of what cannot be made for real. */
  readonly root?: string;
  /** Ends it. */
  readonly signal?: AbortSignal;
}

type NetworkCheck = (scene: NetworkScene) => Finding[] | Promise<Finding[]>;

const MACHINE_CHECKS = [checkKernel, checkPrivileges, checkContainer, checkMounts, checkLockdown] as const;
const NETWORK_CHECKS: readonly (readonly [string, NetworkCheck])[] = [
  ['what options ask for', checkAsked],
  ['the network namespace', checkNetworkNamespace],
  ['settings of the network', checkSysctls],
  ['network plugins', checkCni],
  ['hooks of interfaces', checkChains],
  ['leftovers', checkLeftovers],
];

/**
 * Looks whether redirection works on this node, or would, and what stands in its way. It changes nothing but for the self-test, which makes
 * network namespaces and a directory in a bpffs, and takes them away.
 *
 * What a missing privilege keeps it from is a finding, and no error.
 * @throws AmbientRedirectError `ERR_INVALID_ARGUMENT` for an option, `ERR_INTERFACE_NOT_FOUND` for an interface that is not there
 * @throws the signal's reason when it aborts
 * @example
 * ```ts
 * const findings = await examine();
 * console.log(wouldWork(findings), findings.filter(({ severity }) => severity === 'error'));
 * ```
 */
export async function examine(options: ExamineOptions = {}): Promise<readonly Finding[]> {
  const { directory = DEFAULT_DIRECTORY, root = '', signal } = options;
  const sys = options.sys ?? (await openSys());
  const scene: MachineScene = { sys, machine: machineAt(root), probes: createProbes(sys), directory };
  const found = MACHINE_CHECKS.flatMap((check) => check(scene));
  const state = await readState(scene, options);
  found.push(...state.found);
  found.push(...(await examineNetwork(scene, state, options)));
  signal?.throwIfAborted();
  found.push(
    options.selfTest === false
      ? SELF_TEST.finding('self-test-left-out', 'this kernel', [])
      : await selfTest(sys, state.settings, signal),
  );
  return found;
}

/** Whether redirection works, or would: nothing that was found stands in its way. */
export function wouldWork(findings: readonly Finding[]): boolean {
  return findings.every(({ severity }) => severity !== 'error');
}

interface State {
  readonly found: readonly Finding[];
  readonly status: EngineStatus | undefined;
  readonly settings: EngineSettings;
  readonly host: EngineOptions['host'];
}

/** What an engine has made, and the options that it works by. */
async function readState({ sys, directory }: MachineScene, options: ExamineOptions): Promise<State> {
  const { host, attach, steer, priority, order } = options;
  const given: EngineOptions = {
    ...(attach && { attach }),
    ...(steer && { steer }),
    ...(priority !== undefined && { priority }),
    ...(order && { order }),
  };
  const without = (found: readonly Finding[]): State => ({
    found,
    status: undefined,
    settings: settingsOf(given),
    host,
  });
  try {
    await using view = await EngineView.open({ sys, directory, ...(host && { host }) });
    const status = await view.status();
    const settings = settingsOf({ ...view.options, ...given });
    return { found: checkState(status), status, settings, host: host ?? view.options.host };
  } catch (error) {
    // The directory is in no bpffs, which is told of already.
    if (isAmbientRedirectError(error, 'ERR_INVALID_ARGUMENT')) return without([]);
    return without([cannotBeRead(error, directory)]);
  }
}

/** The finding that an error is: a missing privilege, or something of the node. @throws the error, if it is neither */
function cannotBeRead(error: unknown, what: string): Finding {
  const { code } = error as NodeJS.ErrnoException;
  if (isNetlinkTcError(error, 'ERR_PERMISSION') || code === 'EACCES' || code === 'EPERM')
    return PRIVILEGES.finding('privileges-not-looked-at', what, [(error as Error).message]);
  const finding = stateError(error, what);
  if (finding === undefined) throw error;
  return finding;
}

async function examineNetwork(machine: MachineScene, state: State, options: ExamineOptions): Promise<Finding[]> {
  const found: Finding[] = [];
  const attempt = async (what: string, run: () => Finding[] | Promise<Finding[]>): Promise<void> => {
    try {
      found.push(...(await run()));
    } catch (error) {
      // Who names an interface that is not there is told so.
      if (isAmbientRedirectError(error, 'ERR_INTERFACE_NOT_FOUND')) throw error;
      found.push(cannotBeRead(error, what));
    }
  };
  const { status, settings, host: of } = state;
  await attempt("the host's network namespace", async () => {
    using host = new Host(machine.sys, of);
    const links = await host.socket.request(listLinks());
    const interfaces = interfacesOf(links, status, options.interfaces);
    const scene: NetworkScene = { ...machine, host, isHostNamed: of !== undefined, settings, status, interfaces };
    for (const [what, check] of NETWORK_CHECKS) {
      options.signal?.throwIfAborted();
      await attempt(what, () => check(scene));
    }
    return [];
  });
  return found;
}

function interfacesOf(
  links: readonly Link[],
  status: EngineStatus | undefined,
  names: readonly string[] | undefined,
): Interface[] {
  // One that leaves has its program as long as it has connections.
  const proxies = [status?.proxy, status?.leaving].flatMap((each) => each?.hostInterface ?? []);
  const pods = (status?.pods ?? []).map(({ hostInterface }) => hostInterface);
  const roleOf = (index: number): Interface['role'] =>
    proxies.some((proxy) => proxy.index === index)
      ? 'proxy'
      : pods.some((pod) => pod.index === index)
        ? 'pod'
        : 'candidate';
  const byIndex = new Map(links.map((link) => [link.index, link]));
  const interfaceOf = ({ index, name }: Pick<Link, 'index' | 'name'>): Interface => {
    const link = byIndex.get(index);
    const master = byIndex.get(link?.master ?? 0);
    const input = master?.kind === 'bridge' ? master.name : name;
    return { index, name, input, kind: link?.kind, role: roleOf(index) };
  };
  if (names !== undefined && names.length > 0) {
    return names.map((name) => {
      const link = links.find((each) => each.name === name);
      if (link !== undefined) return interfaceOf(link);
      throw new AmbientRedirectError('ERR_INTERFACE_NOT_FOUND', `the host has no ${name}`, {
        interface: name,
        candidates: links.map((each) => each.name),
        hint: 'ip -brief link lists those that it has; another namespace is named by host',
      });
    });
  }
  const known = [...pods, ...proxies];
  if (known.length > 0) return known.map(interfaceOf);
  const isPair = ({ kind, parentNetnsId = -1 }: Link): boolean =>
    (kind === 'veth' || kind === 'netkit') && parentNetnsId >= 0;
  return links.filter(isPair).map(interfaceOf);
}
