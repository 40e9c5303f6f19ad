import type { CommandSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect teardown`. */
export const teardown: CommandSpec = {
  name: 'teardown',
  summary: 'take everything away that was made on this node',
  description:
    'Pods first, then what is at the proxy, then the settings of the node, which become what they were. Connections that go by the proxy are cut off: unenroll pods before to let them end. Settings that someone else has changed since are left as they are.',
  options: [{ name: 'yes', short: 'y', summary: 'do not ask' }, DRY_RUN_OPTION, ...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: 'what would be taken away', line: 'ambient-redirect teardown --dry-run' },
    { summary: 'take it away', line: 'ambient-redirect teardown --yes' },
  ],
  json: {
    summary:
      'The pods that were enrolled, and the settings that someone else has changed since: what was found, and what was there before us.',
    example: {
      pods: ['shop/cart-1'],
      left: [{ what: 'net/ipv4/conf/all/rp_filter of the host', found: '2', wanted: '1' }],
    },
  },
  run: () => import('../run/teardown.ts'),
};
