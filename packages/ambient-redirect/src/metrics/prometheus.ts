import { Counter, Gauge, Registry } from 'prom-client';
import type { EngineMetrics, EngineStatus, ReconcileMetrics } from '../engine/index.ts';
import { VERDICT_MEANING } from '../observe/index.ts';
import { METRICS, type MetricName, type MetricSpec } from './metric-table.ts';

/** Whoever knows the state of a node and its counters: an engine, a view of one, or an agent. */
export interface MetricsSource {
  status(): Promise<
    EngineStatus & {
      /** Pods that are wanted and could not be enrolled. */
      readonly wanted?: readonly unknown[];
      /** What an agent could not do beside that. */
      readonly agent?: { readonly problems: readonly unknown[] };
    }
  >;
  metrics(): Promise<EngineMetrics>;
}

/** Metrics as Prometheus reads them. */
export interface Exposition {
  /** For the header `Content-Type`. */
  readonly contentType: string;
  readonly text: string;
}

/** Every status that pods can have: those that none has are told as 0. */
const POD_STATUS: readonly (EngineStatus['pods'][number]['status'] | 'failed')[] = [
  'enrolling', 'enrolled', 'draining', 'leaving', 'degraded', 'missing', 'failed',
]; // prettier-ignore

/** What an engine at work alone knows. */
const OF_RECONCILES = 'ambient_redirect_reconcile_';

type Labels = Readonly<Record<string, string>>;

/** Takes values; adds up those that come again with the same labels. */
type Put = (name: MetricName, value: bigint | number, labels?: Labels) => void;

/**
 * Tells all metrics of a node in the text format of Prometheus, as they are now.
 * @example
 * ```ts
 * const { contentType, text } = await exposeMetrics(engine);
 * ```
 */
export async function exposeMetrics(source: MetricsSource): Promise<Exposition> {
  const [status, metrics] = await Promise.all([source.status(), source.metrics()]);
  const registry = new Registry();
  const made = new Map<MetricName, Counter | Gauge>();
  for (const [name, spec] of Object.entries(METRICS) as [MetricName, MetricSpec][]) {
    // What nobody measures is not 0.
    if (metrics.reconciles === undefined && name.startsWith(OF_RECONCILES)) continue;
    const options = { name, help: spec.help, labelNames: spec.labels, registers: [registry] };
    if (spec.type === 'counter') made.set(name, new Counter(options));
    if (spec.type === 'gauge') made.set(name, new Gauge(options));
  }
  const put: Put = (name, value, labels = {}) => made.get(name)?.inc(labels, Number(value));
  putTraffic(put, metrics);
  putState(put, status);
  const { reconciles } = metrics;
  if (reconciles !== undefined) {
    put('ambient_redirect_reconcile_failures_total', reconciles.failed);
    put('ambient_redirect_reconcile_repairs_total', reconciles.repaired);
  }
  const histogram = reconciles === undefined ? '' : durations(reconciles);
  return { contentType: registry.contentType, text: `${await registry.metrics()}${histogram}` };
}

function putTraffic(put: Put, { pods, steered, untold }: EngineMetrics): void {
  for (const { id: pod, traffic, connections } of pods) {
    for (const { direction, family, verdict, packets, bytes } of traffic) {
      const labels = { pod, direction, family, verdict, ...VERDICT_MEANING[verdict] };
      put('ambient_redirect_packets_total', packets, labels);
      put('ambient_redirect_bytes_total', bytes, labels);
    }
    for (const { direction, family, count } of connections)
      put('ambient_redirect_connections_total', count, { pod, direction, family });
  }
  for (const [result, count] of Object.entries(steered)) put('ambient_redirect_steered_total', count, { result });
  put('ambient_redirect_events_lost_total', untold);
}

function putState(
  put: Put,
  { pods, problems, proxy, maps, programs, wanted = [], agent }: Awaited<ReturnType<MetricsSource['status']>>,
): void {
  for (const status of POD_STATUS) {
    const count = status === 'failed' ? wanted.length : pods.filter((pod) => pod.status === status).length;
    put('ambient_redirect_pods', count, { status });
  }
  put('ambient_redirect_problems', problems.length + wanted.length + (agent?.problems.length ?? 0));
  put('ambient_redirect_proxy_listening', Number(proxy?.status === 'listening'));
  for (const { purpose, family } of proxy?.listeners ?? [])
    put('ambient_redirect_proxy_listeners', 1, { purpose, family });
  for (const { name: map, entries, limit } of maps) {
    put('ambient_redirect_map_entries', entries, { map });
    put('ambient_redirect_map_entries_limit', limit, { map });
  }
  for (const { id, name: program, tag, runs, runTimeNs } of programs) {
    if (runs === undefined || runTimeNs === undefined) continue;
    // Programs of the same tag are counted each: their sum would fall when one of them goes.
    const labels = { program, tag, id: String(id) };
    put('ambient_redirect_program_runs_total', runs, labels);
    put('ambient_redirect_program_run_seconds_total', Number(runTimeNs) / 1e9, labels);
  }
}

/** prom-client's histograms are made of single observations; these are counted in buckets already. */
function durations({ count, seconds, buckets }: ReconcileMetrics): string {
  const name = 'ambient_redirect_reconcile_duration_seconds' satisfies MetricName;
  const { type, help } = METRICS[name];
  return [
    '',
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    ...buckets.map((bucket) => `${name}_bucket{le="${bucket.atMost}"} ${bucket.count}`),
    `${name}_bucket{le="+Inf"} ${count}`,
    `${name}_sum ${seconds}`,
    `${name}_count ${count}`,
    '',
  ].join('\n');
}
