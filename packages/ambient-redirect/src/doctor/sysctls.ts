import { hostAddresses } from '../topology/index.ts';
import { readSysctl } from '../node/sysctl.ts';
import { area, type Area, type Finding } from './finding.ts';
import type { NetworkScene } from './scene.ts';

/** Codes of what is found of settings of the network. */
export type SysctlCode =
  | 'sysctls-fine'
  | 'sysctls-forwarding-off'
  | 'sysctls-forwarding-unneeded'
  | 'sysctls-rp-filter'
  | 'sysctls-rp-filter-strict'
  | 'sysctls-proxy-forwards'
  | 'sysctls-proxy-answers-arp'
  | 'sysctls-changed';

const RP_FILTER = ['sysctl net.ipv4.conf.all.rp_filter', 'sysctl net.ipv4.conf.DEV.rp_filter'];

/** Settings below /proc/sys/net. */
export const SYSCTLS: Area<SysctlCode> = area('sysctls', {
  'sysctls-fine': {
    severity: 'ok',
    title: 'Settings of the network are as redirection needs them',
    cause: 'The node forwards, and does not drop what the proxy sends in the name of pods.',
    see: ['sysctl net.ipv4.ip_forward', 'sysctl net.ipv4.conf.all.rp_filter'],
    remedy: 'Nothing to do.',
  },
  'sysctls-forwarding-off': {
    severity: 'error',
    title: 'The node does not forward',
    cause:
      'Pods reach nothing beyond their own interface, and neither does the proxy for them. Container runtimes and CNI plugins switch it on; something has switched it off again.',
    see: ['sysctl net.ipv4.ip_forward', 'sysctl net.ipv6.conf.all.forwarding'],
    remedy:
      'Switch it on: `sysctl -w net.ipv4.ip_forward=1`, for IPv6 `sysctl -w net.ipv6.conf.all.forwarding=1`, and write it to a file in /etc/sysctl.d.',
  },
  'sysctls-forwarding-unneeded': {
    severity: 'info',
    title: 'The node does not forward, and no pod is known to need it',
    cause:
      'Container runtimes and CNI plugins switch forwarding on when there are pods; that of IPv6 only where pods have addresses of it. Without it they reach nothing beyond their own interface.',
    see: ['sysctl net.ipv4.ip_forward', 'sysctl net.ipv6.conf.all.forwarding'],
    remedy: 'Nothing to do. If pods cannot reach each other later, look here again.',
  },
  'sysctls-rp-filter': {
    severity: 'error',
    title: 'The reverse path filter drops what the proxy sends in the name of pods',
    cause:
      "The proxy sends from the addresses of pods, to which no route leads by its interface. The engine sets the filter to 0 at the proxy's interface and for `all`, of which the larger counts; somebody has set it again.",
    see: RP_FILTER,
    remedy:
      'Run `ambient-redirect reconcile`, and find out who sets it: a file in /etc/sysctl.d, NetworkManager, systemd-networkd, or a CNI plugin.',
  },
  'sysctls-rp-filter-strict': {
    severity: 'info',
    title: 'The reverse path filter is on; the engine will change it',
    cause:
      "What the proxy sends in the name of pods does not pass it. `proxy set` sets it to 0 at the proxy's interface and for `all`, sets all other interfaces to what `all` was, and puts everything back at the end.",
    see: RP_FILTER,
    remedy: 'Nothing to do. Where something writes these settings again (a tool that hardens nodes), exempt them.',
  },
  'sysctls-proxy-forwards': {
    severity: 'error',
    title: 'The namespace of the proxy forwards',
    cause:
      'What is captured and finds no listener is sent on unproxied, instead of being dropped. The engine had switched it off.',
    see: ['nsenter --net=NETNS sysctl net.ipv4.ip_forward', 'nsenter --net=NETNS sysctl net.ipv6.conf.all.forwarding'],
    remedy: 'Run `ambient-redirect reconcile`, and keep whatever sets up the proxy from switching it on.',
  },
  'sysctls-proxy-answers-arp': {
    severity: 'error',
    title: 'The proxy answers ARP requests for every address',
    cause:
      'The rule that brings every packet to its sockets makes all addresses its own. With `arp_ignore` 0 it would take the traffic of its neighbours on a bridge.',
    see: ['nsenter --net=NETNS sysctl net.ipv4.conf.all.arp_ignore'],
    remedy: 'Run `ambient-redirect reconcile`.',
  },
  'sysctls-changed': {
    severity: 'warning',
    title: 'A setting is not as the engine has set it',
    cause: 'Somebody has changed it since.',
    see: ['ambient-redirect status'],
    remedy: 'Run `ambient-redirect reconcile`.',
  },
});

/** Looks at forwarding, and at what could drop or misdirect what the proxy sends and gets. */
export async function checkSysctls(scene: NetworkScene): Promise<Finding[]> {
  const found = [...(await checkForwarding(scene)), ...checkDeviations(scene), ...checkReversePath(scene)];
  if (found.length > 0) return found;
  const evidence = ['ipv4/conf/all/forwarding', 'ipv4/conf/all/rp_filter'].map((name) => tell(scene, name));
  return [SYSCTLS.finding('sysctls-fine', 'the host', evidence)];
}

function tell({ host }: NetworkScene, name: string): string {
  return `/proc/sys/net/${name}: ${readSysctl(host.netns, name) ?? 'not there'}`;
}

/** A family that the host has no address of is none of its pods' either; and that the host has one of IPv6 says nothing of its pods. */
async function checkForwarding(scene: NetworkScene): Promise<Finding[]> {
  const { host, status, interfaces } = scene;
  const addresses = await hostAddresses(host);
  const pods = (status?.pods ?? []).flatMap((pod) => pod.addresses);
  const has = { ipv4: pods.some((each) => !each.includes(':')), ipv6: pods.some((each) => each.includes(':')) };
  return (['ipv4', 'ipv6'] as const).flatMap((family) => {
    if (!has[family] && addresses[family].length === 0) return [];
    // IPv4 asks the interface that a packet comes in by, IPv6 asks for all.
    const where = family === 'ipv4' && interfaces.length > 0 ? interfaces.map(({ input }) => input) : ['all'];
    const names = [...new Set(where)].map((each) => `${family}/conf/${each}/forwarding`);
    const off = names.filter((name) => readSysctl(host.netns, name) === '0');
    if (off.length === 0) return [];
    const isNeeded = has[family] || (family === 'ipv4' && interfaces.length > 0);
    const code = isNeeded ? 'sysctls-forwarding-off' : 'sysctls-forwarding-unneeded';
    return [
      SYSCTLS.finding(
        code,
        family === 'ipv4' ? 'IPv4' : 'IPv6',
        off.map((name) => tell(scene, name)),
      ),
    ];
  });
}

const CODE_OF: readonly (readonly [RegExp, SysctlCode])[] = [
  [/\/rp_filter of the host$/, 'sysctls-rp-filter'],
  [/\/forwarding of the proxy$/, 'sysctls-proxy-forwards'],
  [/\/arp_ignore of the proxy$/, 'sysctls-proxy-answers-arp'],
];

/** What the engine has set, and is otherwise now: all deviations of one code together, for `all` changes every interface. */
function checkDeviations({ status }: NetworkScene): Finding[] {
  const evidence = new Map<SysctlCode, string[]>();
  for (const { what, found, wanted } of status?.deviations ?? []) {
    if (!what.startsWith('net/')) continue;
    const code = CODE_OF.find(([pattern]) => pattern.test(what))?.[1] ?? 'sysctls-changed';
    evidence.set(code, [...(evidence.get(code) ?? []), `${what}: ${found ?? 'not there'}, wanted ${wanted}`]);
  }
  return [...evidence].map(([code, lines]) =>
    SYSCTLS.finding(code, code === 'sysctls-rp-filter' ? 'the host' : 'the proxy', lines),
  );
}

/** Before the engine has a proxy: what it will change. */
function checkReversePath(scene: NetworkScene): Finding[] {
  const { host, status, interfaces } = scene;
  if (status?.proxy !== undefined) return [];
  const names = ['all', ...interfaces.map(({ name }) => name)].map((name) => `ipv4/conf/${name}/rp_filter`);
  const on = names.filter((name) => (readSysctl(host.netns, name) ?? '0') !== '0');
  if (on.length === 0) return [];
  return [
    SYSCTLS.finding(
      'sysctls-rp-filter-strict',
      'the host',
      on.map((name) => tell(scene, name)),
    ),
  ];
}
