import type { CommandSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect reconcile`. */
export const reconcile: CommandSpec = {
  name: 'reconcile',
  summary: 'compare what is wanted with the kernel, and mend what differs',
  description:
    'Pods whose interface is gone are unenrolled. The agent does this by itself, whenever something changes.',
  options: [DRY_RUN_OPTION, ...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: 'mend what others broke', line: 'ambient-redirect reconcile' },
    { summary: 'what would be mended', line: 'ambient-redirect reconcile --dry-run' },
  ],
  exitCodes: { 1: 'something could not be mended' },
  json: {
    summary:
      'What was not as it should be and is again, the pods that are gone and were unenrolled, and what could not be mended. A subject is the id of a pod, or `proxy`.',
    example: {
      repaired: [{ subject: 'shop/cart-1', found: 'app_outbound was detached by someone else' }],
      removed: ['shop/old-1'],
      failed: [],
    },
  },
  run: () => import('../run/reconcile.ts'),
};
