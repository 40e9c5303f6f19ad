import type { Ended, SchedClsTools } from 'bpf-asm';

/** Licence of every program: no helper that they call wants another. */
export const LICENCE = 'Apache-2.0';

/** What programs at tc hooks are written with. */
export type Tools = SchedClsTools<typeof LICENCE>;

/**
 * Reads a packet's headers, which may lie out of direct reach: then they are pulled in, and the packet is read anew. A packet that is too short all the
 * same is left alone.
 *
 * @param story - what becomes of the packet; `short` ends it where a header is not there.
 */
export function readHeaders({ skb, next, helpers, repeat }: Tools, story: (short: () => Ended) => Ended): Ended {
  repeat(
    2,
    (_round, { again }) =>
      story(() => {
        helpers.skbPullData(skb.len);
        return again();
      }),
    { as: 'bounded' },
  );
  return next();
}
