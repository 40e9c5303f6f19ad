import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect metrics`. */
export const metrics: CommandSpec = {
  name: 'metrics',
  summary: 'print what is counted, as Prometheus reads it',
  description:
    'It prints once what an agent tells at /metrics, and needs no agent: a timer and the textfile collector of the node exporter do as well. What an agent alone knows, such as how long its reconciles take, is missing then.',
  options: [...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: 'all metrics', line: 'ambient-redirect metrics' },
    {
      summary: 'packets that were dropped',
      line: `ambient-redirect metrics | grep 'packets_total.*outcome="dropped"'`,
    },
  ],
  exitCodes: { 1: 'there is no state of an engine' },
  json: {
    summary: 'The counters that the API calls `EngineMetrics`; the state of the node is in that of `status`.',
    example: {
      pods: [
        {
          id: 'shop/cart-1',
          traffic: [{ direction: 'outbound', family: 'ipv4', verdict: 'captured', packets: '1200', bytes: '96000' }],
          connections: [{ direction: 'outbound', family: 'ipv4', count: '12' }],
        },
      ],
      steered: {
        outbound: '12',
        hbone: '0',
        plaintext: '0',
        dns: '0',
        established: '0',
        noListener: '0',
        wrongFamily: '0',
      },
      untold: '0',
    },
  },
  run: () => import('../run/metrics.ts'),
};
