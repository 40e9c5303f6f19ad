import type { Direction } from 'netlink-tc';
import type { ChainLine, InterfaceChain } from '../chain/index.ts';
import type { HookStatus } from '../engine/index.ts';
import { type Canvas, pillWidth } from './canvas.ts';

/** Height of a line of pills. */
export const LANE = 26;
/** Between pills. */
const GAP = 6;
/** What the name of a side takes at the begin of its first line. */
const SIDE = 58;

/** A program on a hook, as it is drawn. */
interface Pill {
  readonly text: string;
  readonly classes: string;
  readonly title: string;
}

/** A side of an interface. */
export interface Lane {
  readonly direction: Direction;
  readonly lines: readonly (readonly Pill[])[];
}

/**
 * Lays a chain out in lines of a given width, in the order that a packet meets it.
 * @param owner name of our program that should be in it; undefined where none should
 */
export function layLane(
  chain: Pick<InterfaceChain, 'direction' | 'entries'>,
  {
    hook,
    owner,
    room,
  }: { readonly hook: HookStatus | undefined; readonly owner: string | undefined; readonly room: number },
): Lane {
  const pills = chain.entries.map(pillOf);
  if (owner !== undefined && hook?.status !== 'ours') {
    const title = `${owner} should be here, and is not`;
    pills.push({ text: `✕ ${owner}`, classes: 'never absent', title });
  }
  const lines: Pill[][] = [[]];
  let left = room - SIDE;
  for (const pill of pills) {
    const width = pillWidth(pill.text) + GAP;
    if (width > left && lines.at(-1)?.length !== 0) {
      lines.push([]);
      left = room - SIDE;
    }
    lines.at(-1)?.push(pill);
    left -= width;
  }
  return { direction: chain.direction, lines };
}

/** Draws a lane. @returns the middle of its last line */
export function drawLane(canvas: Canvas, { direction, lines }: Lane, x: number, y: number): number {
  canvas.text(direction, { x, y: y + 17, classes: 'small t-soft', size: 11 });
  lines.forEach((line, row) => {
    let at = x + SIDE;
    if (line.length === 0) canvas.text('nothing', { x: at, y: y + 17, classes: 'small t-soft', size: 11 });
    for (const { text, classes, title } of line) {
      at += canvas.pill(text, [at, y + 3 + row * LANE], { classes, title }) + GAP;
    }
  });
  return y + (lines.length - 1) * LANE + LANE / 2;
}

function pillOf(entry: ChainLine, index: number): Pill {
  const { ours, reached } = entry;
  const classes = [...(ours ? ['ours'] : []), ...(reached === 'never' ? ['never'] : [])].join(' ');
  return { text: `${index + 1} ${nameOf(entry)}`, classes, title: describeEntry(entry) };
}

/** What an entry of a chain is called. */
export function nameOf({ name, program }: ChainLine): string {
  return name ?? `program ${program?.id ?? '?'}`;
}

/** An entry of a chain in one sentence. */
function describeEntry(entry: ChainLine): string {
  const { layer, ours, program, filter, returns, verdicts, reached, shadowedBy } = entry;
  const place = filter === undefined ? layer : `${layer}, ${filter.kind} filter at priority ${filter.priority}`;
  const its = program === undefined ? '' : `, id ${program.id}`;
  const can = returns.length === 0 ? 'was not read' : `can return ${returns.join(', ')}`;
  const before = shadowedBy.map((each) => each + 1).join(', ');
  const gets = reached === 'always' ? '' : `; a packet gets here ${reached}, ${before} before it`;
  return `${nameOf(entry)} (${place}${its})${ours ? ', ours' : ''}: ${can}, then: ${verdicts.join(', ')}${gets}`;
}
