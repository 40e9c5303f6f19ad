/** What the page of the doctor has one do by hand, done on a node with an engine, as it stands there. */
import { existsSync } from 'node:fs';
import { release } from 'node:os';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../packages/ambient-redirect/src/cli/commands/index.ts';
import { ALL_AREAS } from '../../packages/ambient-redirect/src/doctor/codes.ts';
import { describeWith, root, tool } from '../support/needs.ts';
import { Node } from './node.ts';
import { commands } from './pages.ts';

const LIMIT_MS = 180_000;

/** What stands for others in commands. */
const PLACES: Readonly<Record<string, string>> = {
  DEV: 'vethcart1',
  NETNS: '/run/netns/ztunnel',
  DIR: '/sys/fs/bpf/ambient',
  SIDE: 'ingress',
  PRIORITY: '20000',
  HANDLE: '0x1',
  // Of the program that steers to this node's proxy: others may run on the machine.
  LINK: `$(bpftool -j link show | jq ".[] | select(.netns_ino == $(stat -Lc %i /run/netns/ztunnel)).id")`,
};

/** How what a command shows comes to be there. */
interface How {
  /** Typed before it. */
  readonly before?: string;
  /** Typed after it. */
  readonly after?: string;
  /** Its exit code, if it is not 0. */
  readonly code?: number;
  /** Not in the node's network namespace, but in the machine's, which alone has it. */
  readonly first?: true;
}

/** A command, and what it shows of what findings are about. */
type Row = readonly [command: string, shows: RegExp, how?: How];

const CAPABILITIES = /^CapEff:\s+[0-9a-f]{16}$/m;
const OURS = /app_outbound/;
const LOCKDOWN = existsSync('/sys/kernel/security/lockdown');

const SEE: readonly Row[] = [
  ['uname -r', new RegExp(`^${release()}\n$`)],
  ['bpftool feature probe kernel', /map_type ringbuf is available[^]*type sched_cls:[^]*- bpf_redirect_peer\n/],
  ['ls -l /sys/kernel/btf/vmlinux', /vmlinux$/m],
  ['grep -E "Cap|Seccomp" /proc/self/status', /^CapEff:.*\n(.*\n)*Seccomp:/m],
  ['cat /proc/sys/net/core/bpf_jit_enable', /^[012]\n$/, { first: true }],
  ['cat /proc/sys/net/core/bpf_jit_harden', /^[012]\n$/, { first: true }],
  ['grep CapEff /proc/self/status', CAPABILITIES],
  ['grep NoNewPrivs /proc/self/status', /^NoNewPrivs:\s+[01]\n$/],
  ['grep Seccomp /proc/self/status', /^Seccomp:\s+[012]\n/],
  ['ls -l /proc/self/ns/', /user -> user:\[\d+\]\n/],
  ['ls -l /proc/self/ns/user', /user -> user:\[\d+\]\n/],
  ['ls -l /proc/self/ns/pid', /pid -> pid:\[\d+\]\n/],
  ['ls -l /proc/self/ns/net', /net -> net:\[\d+\]\n/],
  ['cat /proc/self/uid_map', /^\s+\d+\s+\d+\s+\d+\n/],
  [
    'grep " /proc/sys" /proc/self/mountinfo',
    / \/proc\/sys ro,/,
    { before: 'mount --bind /proc/sys /proc/sys; mount -o remount,bind,ro /proc/sys', after: 'umount /proc/sys' },
  ],
  ['findmnt -t bpf', /^\/sys\/fs\/bpf +bpf +bpf /m],
  ['grep " - bpf " /proc/self/mountinfo', / \/sys\/fs\/bpf rw,.* - bpf /],
  // A kernel that cannot be locked down has no such file.
  [
    'cat /sys/kernel/security/lockdown',
    /\[(none|integrity|confidentiality)\]|No such file/,
    { code: LOCKDOWN ? 0 : 1 },
  ],
  ['ls DIR', /^lock\nv1\n$|^v1\n/m],
  ['find DIR', /\/v1\/maps\/records\n/],
  ['find /sys/fs/bpf', /\/v1\/links\/pod-1-ingress|\/v1\/programs\/app_outbound-/],
  ['find /sys/fs/bpf -name records', /^\/sys\/fs\/bpf\/ambient\/v1\/maps\/records\n$/],
  ['ambient-redirect status', /^All is as it is wanted\./],
  ['ambient-redirect proxy show', /^status +listening/],
  ['ambient-redirect doctor --json', /"code":\s*"state-whole"/],
  ['bpftool net show', OURS],
  ['bpftool net show dev DEV', OURS],
  ['bpftool prog show', /sched_cls +name app_outbound/],
  ['bpftool link show', /attach_type sk_lookup/],
  ['bpftool cgroup tree', /^CgroupPath\n/],
  ['tc filter show dev DEV ingress', OURS],
  ['tc filter show dev DEV egress', /app_inbound/],
  ['tc qdisc show dev DEV', /^qdisc clsact ffff: /m],
  ['nsenter --net=NETNS ss -ltnp', /:15001 .*haproxy/],
  ['nsenter --net=NETNS sysctl net.ipv4.ip_forward', /^net\.ipv4\.ip_forward = 0\n$/],
  ['nsenter --net=NETNS sysctl net.ipv6.conf.all.forwarding', /^net\.ipv6\.conf\.all\.forwarding = 0\n$/],
  ['nsenter --net=NETNS sysctl net.ipv4.conf.all.arp_ignore', /^net\.ipv4\.conf\.all\.arp_ignore = \d\n$/],
  ['sysctl net.ipv4.ip_forward', /^net\.ipv4\.ip_forward = 1\n$/],
  ['sysctl net.ipv6.conf.all.forwarding', /^net\.ipv6\.conf\.all\.forwarding = 1\n$/],
  ['sysctl net.ipv4.conf.all.rp_filter', /^net\.ipv4\.conf\.all\.rp_filter = [012]\n$/],
  ['sysctl net.ipv4.conf.DEV.rp_filter', /^net\.ipv4\.conf\.vethcart1\.rp_filter = [012]\n$/],
  ['ls /etc/cni/net.d', /^10-ptp\.conflist\n$/, { before: `echo '{}' > /etc/cni/net.d/10-ptp.conflist` }],
  ['ip -brief link', /^vethcart1@/m],
  ['ip -brief link show type veth', /^vethcart1@/m],
  ['ip route', /^10\.244\.7\.21 dev vethcart1 /m],
  ['ip rule', /lookup main/],
  [
    'bridge link',
    /v-outsider.* master cni0 /,
    { before: 'ip link add cni0 type bridge; ip link set v-outsider master cni0' },
  ],
  [
    'iptables -t raw -vL cali-rpf-skip',
    /^Chain cali-rpf-skip /,
    // As Felix makes it.
    { before: 'iptables -t raw -N cali-rpf-skip' },
  ],
  ['dmesg', /./],
];

/** What remedies have one type. The last one ends the engine. */
const REMEDIES: readonly Row[] = [
  ['mount -t bpf bpf /sys/fs/bpf', /^(bpf\n){2,3}$/, { after: 'findmnt -no FSTYPE /sys/fs/bpf; umount /sys/fs/bpf' }],
  ['sysctl -w net.ipv4.ip_forward=1', /^net\.ipv4\.ip_forward = 1\n$/],
  ['sysctl -w net.ipv6.conf.all.forwarding=1', /^net\.ipv6\.conf\.all\.forwarding = 1\n$/],
  ['ambient-redirect upgrade --help', /^Usage: ambient-redirect upgrade /],
  ['tc filter del dev DEV SIDE pref PRIORITY handle HANDLE bpf', /^$/],
  ['bpftool link detach id LINK', /^$/],
  // At a terminal, where it asks.
  [
    'ambient-redirect teardown --directory DIR',
    /with 1 enrolled pod\? \[y\/N\] all of \/sys\/fs\/bpf\/ambient .*taken away/,
    { before: "echo y | script -qe /dev/null -c '", after: "'" },
  ],
];

/** What is not run here, and why not. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  'cilium-dbg status': 'there is no Cilium: its own command is in its own image',
  'cilium-dbg status --verbose': 'the same',
  'sysctl -w net.core.bpf_jit_enable=1': 'it is a setting of the whole machine, for all that runs on it',
};

/** Commands that remedies have in a line of text; one that is named without any option is none to type. */
function remedies(): readonly string[] {
  const text = ALL_AREAS.flatMap(({ codes }) => Object.values(codes).map(({ remedy }) => remedy)).join('\n');
  const found = [...text.matchAll(/`(?<command>(?:ambient-redirect|bpftool|ip|mount|nsenter|sysctl|tc) [^`]+)`/g)];
  const names = new Set(COMMANDS.map(({ name }) => `ambient-redirect ${name}`));
  return found.map(({ groups }) => groups?.['command'] ?? '').filter((command) => !names.has(command));
}

test('every command is run, here or as an example of its own page, or is left out for a reason', () => {
  const examples = new Set(commands('docs/cli.md'));
  const shown = new Set([...commands('docs/doctor.md'), ...remedies()]);
  const here = [...SEE, ...REMEDIES].map(([command]) => command);
  const named = [...here, ...Object.keys(LEFT_OUT)];
  expect(named.toSorted()).toEqual([...shown].filter((each) => named.includes(each) || !examples.has(each)).toSorted());
});

const TOOLS = [
  'haproxy',
  'jq',
  'bpftool',
  'ip',
  'tc',
  'bridge',
  'ss',
  'findmnt',
  'sysctl',
  'iptables',
  'dmesg',
  'script',
].map(tool);

describeWith([root, ...TOOLS], 'what the page of the doctor has one do by hand', () => {
  let node: Node;

  beforeAll(async () => {
    node = await Node.open();
    // By clsact, which both tc and bpftool show; only newer ones than some distributions have show tcx.
    await node.done('ambient-redirect proxy set --netns /run/netns/ztunnel --attach clsact');
    await node.done('ambient-redirect enroll shop/cart-1 --netns /run/netns/cart');
  }, LIMIT_MS);

  afterAll(() => node.close());

  test.each([...SEE, ...REMEDIES].map(([command, shows, how = {}]) => [command, shows, how] as const))(
    '%s',
    async (command, shows, { before = '', after = '', code = 0, first = false }) => {
      const typed = command.replaceAll(/\b[A-Z]+\b/g, (name) => PLACES[name] ?? name);
      const ran = await node.run([before, typed, after].join('\n'), { first });
      expect(ran.code, ran.err).toBe(code);
      expect(ran.out + ran.err).toMatch(shows);
    },
    LIMIT_MS,
  );
});
