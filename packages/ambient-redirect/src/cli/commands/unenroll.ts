import type { CommandSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect unenroll`. */
export const unenroll: CommandSpec = {
  name: 'unenroll',
  summary: 'redirect the traffic of pods no more',
  description: `Connections that go by the proxy run to their end, new ones go past it; what is left when the time is over is cut off. A pod that is not enrolled is left alone.

SIGINT ends the waiting only: the pod goes on draining, in the agent or in the next command that changes the node.`,
  arguments: [{ name: 'POD', summary: 'its name with the engine', repeat: true }],
  options: [
    {
      name: 'drain',
      value: 'SECONDS',
      number: { from: 0, to: 86_400, whole: false },
      default: '60',
      summary: 'how long connections by the proxy may take to end',
    },
    { name: 'now', summary: 'cut off what goes by the proxy, and wait for nothing; of a pod that drains, too' },
    DRY_RUN_OPTION,
    ...NODE_OPTIONS,
    ...OUTPUT_OPTIONS,
  ],
  examples: [
    { summary: 'let connections end, for a minute at most', line: 'ambient-redirect unenroll shop/cart-1' },
    { summary: 'for ten minutes', line: 'ambient-redirect unenroll shop/cart-1 shop/cart-2 --drain 600' },
    { summary: 'cut it short', line: 'ambient-redirect unenroll shop/cart-1 --now' },
  ],
  exitCodes: { 130: 'stopped by SIGINT; the pods go on draining' },
  json: {
    summary: 'Of each pod, whether it was enrolled.',
    example: { unenrolled: [{ id: 'shop/cart-1', wasEnrolled: true }] },
  },
  run: () => import('../run/unenroll.ts'),
};
