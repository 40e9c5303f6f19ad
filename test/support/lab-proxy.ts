import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabHost } from './lab-host.ts';
import type { LabProcess } from './lab-process.ts';
import { mainCommand } from './main-command.ts';

/** Ports that the proxies of a lab listen on. */
const PROXY_PORTS = { outbound: 15001, plaintext: 15006, hbone: 15008 } as const;

/** Where HAProxy tells how it fares, at addresses of its own: a connection that is none of the mesh's. */
export const STATISTICS_PORT = 9100;

/** What one of HAProxy's listeners is for, and the family that it takes. */
export type Frontend = `${keyof typeof PROXY_PORTS}${4 | 6}`;

/** Ports with a TCP listener in a namespace, both families: one that serves both is there twice. */
export function listeningPorts({ netns }: LabHost): number[] {
  return ['tcp', 'tcp6'].flatMap((name) =>
    netns
      .run(() => readFileSync(`/proc/thread-self/net/${name}`, 'utf8'))
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      // Local address and port in hexadecimal, remote, state: 0A is LISTEN (proc_net_tcp.rst of the kernel).
      .filter(([, , , state]) => state === '0A')
      .map(([, local = '']) => Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16)),
  );
}

function haproxyConfig(reuseport: boolean): string {
  const section = ([name, port]: readonly [string, number], v6: boolean): string => {
    const [bind, any] = v6 ? [`[::]:${port} v6only`, '[::]:0'] : [`0.0.0.0:${port}`, '0.0.0.0:0'];
    const source = v6 ? '[::]:0' : '0.0.0.0';
    // A server with address 0 is the destination of the connection that was accepted.
    return [
      `listen ${name}${v6 ? 6 : 4}`,
      `  bind ${bind} transparent`,
      `  server original ${any} source ${source} usesrc clientip`,
    ].join('\n');
  };
  // Without reuseport, or bpf_sk_assign refuses the listeners from tc before 6.6.
  const sharing = reuseport ? '' : '  noreuseport\n';
  const general = `global\n${sharing}  nbthread 1\n  maxconn 4000\ndefaults\n  mode tcp\n  retries 0`;
  const times = '  timeout connect 5s\n  timeout client 60s\n  timeout server 60s';
  const sections = Object.entries(PROXY_PORTS).flatMap((each) => [section(each, false), section(each, true)]);
  const statistics = `frontend statistics\n  mode http\n  bind [::]:${STATISTICS_PORT} v4v6\n  stats enable\n  stats uri /`;
  return `${[general, times, ...sections, statistics].join('\n')}\n`;
}

/**
 * Starts HAProxy as the transparent proxy of a namespace, both families, and waits until it listens. Needs `tool('haproxy')`.
 * @param options `reuseport`: beside another one, which it takes over from
 */
export async function startHaproxy(
  host: LabHost,
  { reuseport = false }: { readonly reuseport?: boolean } = {},
): Promise<LabProcess> {
  const directory = mkdtempSync(join(tmpdir(), 'ambient-test-'));
  try {
    const file = join(directory, 'haproxy.cfg');
    writeFileSync(file, haproxyConfig(reuseport));
    const listeners = listeningPorts(host).length + 2 * Object.keys(PROXY_PORTS).length + 1;
    const started = host.spawn(['haproxy', '-db', '-f', file]);
    await started.until('listens', () => listeningPorts(host).length === listeners);
    return started;
  } finally {
    // It reads its configuration once.
    rmSync(directory, { recursive: true });
  }
}

/** Connections that HAProxy has taken since it began, by listener. */
export async function haproxySessions(host: LabHost): Promise<Record<Frontend, number>> {
  const text = await host.request('127.0.0.1', STATISTICS_PORT, '/;csv');
  const [head = '', ...lines] = text.trim().split('\n');
  const names = head.replace('# ', '').split(',');
  const [name, kind, total] = ['pxname', 'svname', 'stot'].map((column) => names.indexOf(column)) as [
    number,
    number,
    number,
  ];
  const frontends = lines.map((line) => line.split(',')).filter((fields) => fields[kind] === 'FRONTEND');
  const counts = frontends.map((fields) => [fields[name], Number(fields[total])] as const);
  return Object.fromEntries(counts.filter(([each]) => each !== 'statistics')) as Record<Frontend, number>;
}

/** One line that the proxy of `ambient-redirect` prints. */
export interface ProxyEvent {
  readonly event: 'ready' | 'connection' | 'end' | 'counters';
  readonly [field: string]: unknown;
}

/** The events that a proxy has printed so far. */
export function proxyEvents(started: LabProcess): ProxyEvent[] {
  const lines = started.output.slice(0, started.output.lastIndexOf('\n') + 1).split('\n');
  return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as ProxyEvent);
}

/** Starts the proxy of `ambient-redirect` as a process of its own, and waits until it listens. */
export async function startProxy(host: LabHost): Promise<LabProcess> {
  const started = host.spawn(
    mainCommand(new URL('../../packages/ambient-redirect/src/proxy/main.ts', import.meta.url)),
  );
  await started.until('listens', () => proxyEvents(started).some(({ event }) => event === 'ready'));
  return started;
}
