import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect top`. */
export const top: CommandSpec = {
  name: 'top',
  summary: 'show connections, packets and bytes a second, by pod and verdict',
  description: `It reads the counters that programs keep anyway, so that looking costs the packets nothing. On a terminal the table is drawn anew in place, else it is printed below the one before.

OPENED/S and TAKEN/S are TCP connections that the proxy was given, counted when each begins: those that the pod opened, and those that were opened to it. Connections that run past the proxy are not among them; where ztunnel_tproxy steers, none is counted by pod. BYTES/S has link layer headers. A pod of which nothing passes is not shown.`,
  options: [
    {
      name: 'interval',
      value: 'SECONDS',
      number: { from: 0.1, to: 3600, whole: false },
      default: '1',
      summary: 'how long it is counted each time',
    },
    { name: 'once', summary: 'count one interval, and end' },
    { name: 'pod', value: 'POD', repeat: true, summary: 'of this pod' },
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'what passes, until Ctrl-C', line: 'ambient-redirect top' },
    { summary: 'over three seconds', line: 'ambient-redirect top --once --interval 3' },
    {
      summary: 'packets that are dropped, each second',
      line: `ambient-redirect top --json | jq -c '.pods[] | {id, dropped: [.traffic[] | select(.outcome == "dropped")]}'`,
    },
  ],
  exitCodes: {
    0: 'it was ended: by --once or a signal',
    1: 'a pod is not enrolled, or there is no state of an engine',
  },
  json: {
    summary:
      'A line for each interval. Everything is a second: `connections` that the proxy was given, `packets` and `bytes` by direction and verdict, both families together; `steered` is what became of connections at the proxy (where ztunnel_tproxy steers, of packets). `seconds` is how long was really counted. Pods of which nothing passed are there, with empty `traffic`.',
    stream: true,
    example: {
      time: '2026-02-26T08:30:01.000Z',
      seconds: 1.002,
      pods: [
        {
          id: 'shop/cart-1',
          connections: { outbound: 12.5, inbound: 3 },
          traffic: [
            { direction: 'outbound', verdict: 'captured', outcome: 'redirected', packets: 1200, bytes: 96_000 },
          ],
        },
      ],
      steered: { outbound: 12.5, hbone: 0, plaintext: 3, dns: 0, established: 0, noListener: 0, wrongFamily: 0 },
    },
  },
  run: () => import('../run/top.ts'),
};
