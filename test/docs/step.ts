import { expect } from 'vitest';
import type { Node } from './node.ts';

/** A line of a page, and what is true when it runs. */
export type Step = readonly [line: string, does: (node: Node, line: string) => Promise<void>];

/** A step whose line ends with 0, having printed something. */
export const says = (line: string, ...what: readonly RegExp[]): Step => [
  line,
  async (node) => {
    const out = await node.done(line);
    for (const each of what) expect(out).toMatch(each);
  },
];
