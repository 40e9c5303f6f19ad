export { METRICS, type MetricName, type MetricSpec } from './metric-table.ts';
export { exposeMetrics, type Exposition, type MetricsSource } from './prometheus.ts';
