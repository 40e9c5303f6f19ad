export { METRICS } from './metric-table.ts';
export { exposeMetrics } from './prometheus.ts';
