/** Connections that a change of the mesh must not disturb. */
import type { LabHost } from '../support/lab-host.ts';
import type { LabProcess } from '../support/lab-process.ts';
import { mainCommand } from '../support/main-command.ts';
import { SLOWNESS } from '../support/slowness.ts';

/** Ports that are served: several, or ports of the client run out. */
const PORTS = [7001, 7002, 7003, 7004] as const;

/** Loops that make short calls, where nothing else is said: eight, or what `AMBIENT_WORKERS` says. */
export const WORKERS: number = Number(process.env['AMBIENT_WORKERS'] ?? 8);

/** What calls are made. */
export interface CallOptions {
  /** Addresses of the server, in turn. */
  readonly addresses: readonly string[];
  readonly ports: readonly number[];
  /** Loops that connect, exchange some messages, and end the connection; then again. */
  readonly workers: number;
  /** Whether there is a connection to each address that carries as much as it can, and another after it. */
  readonly bulk: boolean;
  /** Whether one to each address lasts from the beginning to the end. */
  readonly lasting: boolean;
}

/** What became of the calls. */
export interface LoadReport {
  readonly connections: number;
  /** Those that failed in any way. */
  readonly broken: number;
  /** Those that took more than nine tenths of a second to come about. */
  readonly slow: number;
  /** Milliseconds that the slowest took to come about. */
  readonly slowest: number;
  /** Messages that came back as they were sent, and their bytes. */
  readonly exchanges: number;
  readonly bytes: number;
  /** What the first of those that are broken failed with. */
  readonly failures: readonly string[];
}

/**
 * What becomes of calls that nothing has disturbed. Where the machine is slow a SYN is sent again although it was not lost, and that says nothing.
 */
export const UNDISTURBED: Partial<LoadReport> = { broken: 0, failures: [], ...(SLOWNESS > 1 ? {} : { slow: 0 }) };

const MAIN = new URL('load-main.ts', import.meta.url);

function start(host: LabHost, ...args: readonly string[]): LabProcess {
  return host.spawn([...mainCommand(MAIN), ...args]);
}

/** Starts the server of a lab's host, and waits until it serves. */
export async function startServer(host: LabHost): Promise<LabProcess> {
  const started = start(host, 'serve', ...PORTS.map(String));
  await started.until('serves', () => PORTS.every((port) => started.output.includes(`serving ${port}\n`)));
  return started;
}

/** Calls that are being made. */
export interface Load {
  /** Lets all calls come to their end. @returns what became of them */
  finish(): Promise<LoadReport>;
}

/** Begins to call a server over both families. */
export async function startLoad(
  from: LabHost,
  to: LabHost,
  { workers = WORKERS, bulk = true, lasting = false }: Partial<Pick<CallOptions, 'workers' | 'bulk' | 'lasting'>> = {},
): Promise<Load> {
  const options: CallOptions = { addresses: [to.ipv4, to.ipv6], ports: PORTS, workers, bulk, lasting };
  const started = start(from, 'call', JSON.stringify(options));
  await started.until('calls', () => started.output.startsWith('calling\n'));
  return {
    async finish() {
      await started.stop('SIGTERM');
      const [, report] = started.output.split('\n');
      if (report === undefined || !report.startsWith('{')) throw new Error(`no report of calls: ${started.output}`);
      return JSON.parse(report) as LoadReport;
    },
  };
}
