import type { CommandSpec } from '../command-spec.ts';
import { NODE_OPTIONS, OUTPUT_OPTIONS } from '../common-options.ts';

/** `ambient-redirect chain show`. */
export const chainShow: CommandSpec = {
  name: 'chain show',
  summary: 'show what a packet meets on an interface: every program and filter, in the order that the kernel asks them',
  description: `Programs of tcx come first, then the filters of clsact by their priorities. Each is told with what it can return, which is found in its instructions; with what becomes of a packet then; and with whether a packet gets to it: always, maybe (past some of those before it only with certain verdicts), or never.

Without arguments it shows the interfaces of the engine: those of its pods and of the proxy, and the proxy's own where its connections are steered by tproxy. Any other can be named, whether there is an engine or not.`,
  arguments: [
    {
      name: 'INTERFACE',
      summary: "an interface of the host; those of the engine's pods and proxy if left out",
      optional: true,
      repeat: true,
      completes: 'interface',
    },
  ],
  options: [...NODE_OPTIONS, ...OUTPUT_OPTIONS],
  examples: [
    { summary: "the engine's interfaces", line: 'ambient-redirect chain show' },
    { summary: 'any interface', line: 'ambient-redirect chain show eth0 vethcart1' },
    {
      summary: 'programs of ours that no packet gets to',
      line: `ambient-redirect chain show --json | jq '.chains[] | select(any(.entries[]; .ours and .reached == "never")) | .interface'`,
    },
  ],
  json: {
    summary:
      'A chain for each side of each interface, `where` it is (`host`, or `proxy` for its own interface): `passes` tells whether a packet is still there after it (`always`, `maybe`, `never`). Of each entry: `layer`, `name`, whether it is `ours`, what its program `returns` (none where it could not be read; `?` for what cannot be told), the `verdicts` that follow (`next`, `leave`, `pass`, `drop`, `stolen`, `redirect`, `unknown`), whether it is `reached`, and by `shadowedBy` which entries, counted from 0, can keep packets from it.',
    example: {
      chains: [
        {
          interface: 'vethcart1',
          where: 'host',
          index: 11,
          direction: 'ingress',
          passes: 'maybe',
          entries: [
            {
              layer: 'tcx',
              name: 'app_outbound',
              ours: true,
              program: { id: 412, tag: '515f0a3214e59e89' },
              linkId: 1982,
              returns: ['unspec', 'shot', 'redirect'],
              verdicts: ['next', 'drop', 'redirect'],
              reached: 'always',
              shadowedBy: [],
            },
          ],
        },
      ],
    },
  },
  run: () => import('../run/chain-show.ts'),
};
