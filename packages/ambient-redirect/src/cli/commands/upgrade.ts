import type { CommandSpec } from '../command-spec.ts';
import { DRY_RUN_OPTION, NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect upgrade`. */
export const upgrade: CommandSpec = {
  name: 'upgrade',
  summary: 'bring a running state to this version',
  description: `Programs are replaced in place by those of this version, and maps are made anew where this version lays them out differently. Connections go on.

Where an agent runs, it has to be of this version: start it anew, and it upgrades by itself.`,
  options: [DRY_RUN_OPTION, ...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: 'after a new version was installed', line: 'ambient-redirect upgrade' },
    { summary: 'what would be replaced', line: 'ambient-redirect upgrade --dry-run' },
  ],
  exitCodes: { 1: 'an agent of another version runs, or something could not be mended' },
  json: {
    summary: 'The build of the programs now, what was replaced on hooks, and what `reconcile` tells.',
    example: {
      build: 'bd7e15d05c260b79c2c63436d01f6f5a',
      replaced: [
        {
          where: 'vethcart1 ingress',
          before: 'app_outbound 3 1f2e3d4c5b6a7988',
          now: 'app_outbound 9 8899aabbccddeeff',
        },
      ],
      repaired: [],
      removed: [],
      failed: [],
    },
  },
  run: () => import('../run/upgrade.ts'),
};
