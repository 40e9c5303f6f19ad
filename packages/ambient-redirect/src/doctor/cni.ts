import { isNetlinkTcError, listLinks, objects, type Link } from 'netlink-tc';
import { CNI_CODES, type CniCode } from './cni-codes.ts';
import { area, type Area, type Finding } from './finding.ts';
import type { Machine } from './machine.ts';
import type { NetworkScene } from './scene.ts';

/** Network plugins, and what is known of living with them. */
export const CNI: Area<CniCode> = area('cni', CNI_CODES);

/** Where runtimes have their configurations: the usual place, k3s, MicroK8s. */
const DIRECTORIES = [
  '/etc/cni/net.d',
  '/var/lib/rancher/k3s/agent/etc/cni/net.d',
  '/var/snap/microk8s/current/args/cni-network',
];

/** By what a plugin is known: the type in a configuration, the name of an interface, the name of a program. */
interface Sign {
  readonly code: CniCode;
  readonly plugin?: RegExp;
  readonly link?: RegExp;
  /** Links of other kinds of the same name are another's. */
  readonly kind?: string;
  readonly program?: RegExp;
}

const SIGNS: readonly Sign[] = [
  { code: 'cni-ptp', plugin: /^ptp$/ },
  { code: 'cni-bridge', plugin: /^(bridge|flannel)$/, link: /^cni\d+$/, kind: 'bridge' },
  { code: 'cni-bandwidth', plugin: /^bandwidth$/, link: /^bwp/, kind: 'ifb' },
  { code: 'cni-no-pair', plugin: /^(macvlan|ipvlan|host-device|sriov|ib-sriov|vlan)$/ },
  { code: 'cni-calico', plugin: /^calico$/, link: /^cali[0-9a-f]{11}$/, kind: 'veth' },
  { code: 'cni-calico-ebpf', link: /^bpf(in|out)\.cali$/, program: /^cali(co)?_tc_/ },
  {
    code: 'cni-cilium',
    plugin: /^cilium-cni$/,
    link: /^(cilium_host|cilium_net|lxc_health)$/,
    program: /^cil_from_con/,
  },
  { code: 'cni-cilium-socket-lb', program: /^cil_sock[46]_con/ },
  { code: 'cni-cilium-device', program: /^cil_(from|to)_netdev/ },
  { code: 'cni-aws', plugin: /^aws-cni$/, link: /^(eni|vlan)[0-9a-f]{11}$/, kind: 'veth' },
];

/** A plugin of a configuration, with the file that has it. */
interface Configured {
  readonly type: string;
  readonly evidence: string;
}

/** Looks for plugins by configurations, interfaces and programs. */
export async function checkCni(scene: NetworkScene): Promise<Finding[]> {
  const { configured, unread } = readConfigurations(scene.machine);
  const links = await scene.host.socket.request(listLinks());
  const programs = programNames(scene);
  const found = SIGNS.flatMap((sign) => {
    const evidence = evidenceOf(sign, { configured, links, programs });
    return evidence.length === 0 ? [] : [CNI.finding(sign.code, nameOf(sign.code), evidence)];
  });
  const told = [...found, ...unread];
  // Beside what joins pods to the network, bandwidth only shapes them.
  if (found.some(({ code }) => code !== 'cni-bandwidth')) return told;
  if (configured.length > 0) {
    const types = configured.map(({ type }) => type).join(', ');
    const evidence = [...new Set(configured.map((each) => each.evidence))];
    return [...told, CNI.finding('cni-unknown', types, evidence)];
  }
  if (told.length > 0) return told;
  const evidence = DIRECTORIES.map((path) => `${path}: no network plugin`);
  return [CNI.finding('cni-none', 'the node', evidence)];
}

function nameOf(code: CniCode): string {
  return code.replace('cni-', '');
}

function evidenceOf(
  { plugin, link: name, kind, program }: Sign,
  {
    configured,
    links,
    programs,
  }: {
    readonly configured: readonly Configured[];
    readonly links: readonly Link[];
    readonly programs: readonly string[];
  },
): string[] {
  const evidence: string[] = [];
  if (plugin !== undefined)
    evidence.push(...configured.filter(({ type }) => plugin.test(type)).map((each) => each.evidence));
  if (name !== undefined) {
    const its = links.filter((each) => name.test(each.name) && (kind === undefined || each.kind === kind));
    if (its.length > 0) evidence.push(`interfaces: ${few(its.map((each) => each.name))}`);
  }
  if (program !== undefined) {
    const its = programs.filter((each) => program.test(each));
    if (its.length > 0) evidence.push(`programs: ${few([...new Set(its)])}`);
  }
  return evidence;
}

function few(names: readonly string[]): string {
  const more = names.length - 5;
  return more > 0 ? `${names.slice(0, 5).join(', ')} and ${more} more` : names.join(', ');
}

/** The names of all programs; none where they may not be read, which is told of elsewhere. */
function programNames({ sys }: NetworkScene): readonly string[] {
  try {
    return [...objects(sys, 'program')].map(({ name }) => name);
  } catch (error) {
    if (isNetlinkTcError(error, 'ERR_PERMISSION')) return [];
    throw error;
  }
}

function readConfigurations(machine: Machine): { readonly configured: Configured[]; readonly unread: Finding[] } {
  const configured: Configured[] = [];
  const unread: Finding[] = [];
  for (const directory of DIRECTORIES) {
    for (const name of machine.list(directory)) {
      if (!/\.(conf|conflist|json)$/.test(name)) continue;
      const path = `${directory}/${name}`;
      const types = pluginTypes(machine.read(path) ?? '');
      if (types === undefined) unread.push(CNI.finding('cni-unread', path, [`${path} is no CNI configuration`]));
      const evidence = `${path}: ${types?.join(', ')}`;
      // Runtimes come with it: it joins no pod to anything.
      const joining = types?.filter((type) => type !== 'loopback') ?? [];
      configured.push(...joining.map((type) => ({ type, evidence })));
    }
  }
  return { configured, unread };
}

/** The plugins of a configuration, in their order; undefined where it is none (CNI specification 1.0, section 1). */
function pluginTypes(text: string): readonly string[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { plugins, type } = (value ?? {}) as { readonly plugins?: unknown; readonly type?: unknown };
  const all: readonly unknown[] = Array.isArray(plugins)
    ? plugins.map((each) => (each as { readonly type?: unknown } | null)?.type)
    : [type];
  return all.length > 0 && all.every((each) => typeof each === 'string') ? (all as readonly string[]) : undefined;
}
