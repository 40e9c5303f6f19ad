/** What a metric is: its help, its type and its labels. */
export interface MetricSpec {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly help: string;
  readonly labels: readonly string[];
}

const TABLE = {
  ambient_redirect_packets_total: {
    type: 'counter',
    help: 'Packets of pods, by what became of them and why.',
    labels: ['pod', 'direction', 'family', 'verdict', 'outcome', 'reason'],
  },
  ambient_redirect_bytes_total: {
    type: 'counter',
    help: 'Bytes of these packets, link layer headers included.',
    labels: ['pod', 'direction', 'family', 'verdict', 'outcome', 'reason'],
  },
  ambient_redirect_connections_total: {
    type: 'counter',
    help: 'TCP connections that the proxy was given, opened by pods (outbound) and to them (inbound); none where tproxy steers.',
    labels: ['pod', 'direction', 'family'],
  },
  ambient_redirect_steered_total: {
    type: 'counter',
    help: 'Connections at the proxy, by what became of them; where tproxy steers, packets.',
    labels: ['result'],
  },
  ambient_redirect_pods: {
    type: 'gauge',
    help: 'Pods by their status; failed are those that are wanted and could not be enrolled.',
    labels: ['status'],
  },
  ambient_redirect_problems: {
    type: 'gauge',
    help: 'Things that are wanted and not so; the command status tells them.',
    labels: [],
  },
  ambient_redirect_proxy_listening: {
    type: 'gauge',
    help: 'Whether there is a proxy that listens where it must.',
    labels: [],
  },
  ambient_redirect_proxy_listeners: {
    type: 'gauge',
    help: 'Listeners of the proxy that connections are steered to.',
    labels: ['purpose', 'family'],
  },
  ambient_redirect_map_entries: { type: 'gauge', help: 'Entries in a map.', labels: ['map'] },
  ambient_redirect_map_entries_limit: { type: 'gauge', help: 'Entries that a map has room for.', labels: ['map'] },
  ambient_redirect_program_runs_total: {
    type: 'counter',
    help: 'Runs of a program while the statistics of the kernel were on (kernel.bpf_stats_enabled).',
    labels: ['program', 'tag', 'id'],
  },
  ambient_redirect_program_run_seconds_total: {
    type: 'counter',
    help: 'Time that these runs took.',
    labels: ['program', 'tag', 'id'],
  },
  ambient_redirect_events_lost_total: {
    type: 'counter',
    help: 'Packets that were to be told by a trace and for which there was no room.',
    labels: [],
  },
  ambient_redirect_reconcile_duration_seconds: {
    type: 'histogram',
    help: 'How long reconciles took.',
    labels: [],
  },
  ambient_redirect_reconcile_failures_total: {
    type: 'counter',
    help: 'Reconciles that left something that could not be mended.',
    labels: [],
  },
  ambient_redirect_reconcile_repairs_total: {
    type: 'counter',
    help: 'What reconciles found not as it should be, and mended.',
    labels: [],
  },
} as const;

/** The name of a metric. */
export type MetricName = keyof typeof TABLE;

/** Every metric, by its name, in the order in which they are told. Those of a pod begin anew when it is enrolled anew. */
export const METRICS: Readonly<Record<MetricName, MetricSpec>> = TABLE;
