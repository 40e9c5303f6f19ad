/** How a network namespace is set up: what a redirection, or a test, could leave behind there. */
import { execFileSync } from 'node:child_process';
import type { Lab } from './lab.ts';

const PATH_WITH_SBIN = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** Settings that change by themselves, or when the kernel loads a module. */
const VOLATILE = /netdev_rss_key|tcp_fastopen_key|congestion_control|stable_secret|\/(udp|tcp)_mem:/;

/** Reads all of it in one process: an interface's filters, and settings, are those of the namespace that it runs in. */
const SCRIPT = `
  ip -4 rule | sed 's/^/rule ipv4 /'
  ip -6 rule | sed 's/^/rule ipv6 /'
  ip -4 route show table all | sed 's/^/route ipv4 /'
  ip -6 route show table all | sed 's/^/route ipv6 /'
  tc qdisc show
  for name in $(ip -o link | sed 's/^[0-9]*: //; s/[@:].*//'); do
    for side in ingress egress; do
      tc filter show dev $name $side 2>/dev/null | sed "s/^/$name $side /"
    done
  done
  grep -rs . /proc/sys/net/ipv4 /proc/sys/net/ipv6 /proc/sys/net/core
  true
`;

/** Settings of the machine: tests that run beside each other change them for a while, so they are looked at when none does. */
const MACHINE = 'grep -Hs . /sys/kernel/rcu_expedited /proc/sys/kernel/bpf_stats_enabled';

/**
 * Rules, routes, qdiscs, filters and settings, one line each.
 * @param path to the network namespace; that of this process, and the machine's own settings, if left out
 */
export function traces(path?: string): string[] {
  const shell = ['sh', '-c', path === undefined ? `${SCRIPT}${MACHINE}; true` : SCRIPT] as const;
  const [command, ...args] = path === undefined ? shell : (['nsenter', `--net=${path}`, ...shell] as const);
  const text = execFileSync(command, args, {
    encoding: 'utf8',
    env: { ...process.env, PATH: PATH_WITH_SBIN },
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 24,
  });
  return text
    .split('\n')
    .map((line) => line.replace(/ expires \d+sec/, '').trim())
    .filter((line) => line !== '' && !VOLATILE.test(line));
}

/** What in the node and the proxy of a lab can only be an engine's, or is set by it: rules, routes of tables with numbers, programs, how packets are forwarded. */
export const ENGINES: RegExp = /^rule |^route .* table \d|app_(in|out)bound|ztunnel_|\/conf\/(all|eth0|v-proxy)\//;

/** What is set up in the node and the proxy of a lab, a line each. @param only those that match; all if left out */
export function labTraces({ node, proxy }: Pick<Lab, 'node' | 'proxy'>, only?: RegExp): string[] {
  return [node, proxy].flatMap(({ name, path }) =>
    traces(path)
      .filter((line) => only?.test(line) !== false)
      .map((line) => `${name}: ${line}`),
  );
}
