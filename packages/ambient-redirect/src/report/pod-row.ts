import type { InterfaceChain } from '../chain/index.ts';
import type { PodStatus } from '../engine/index.ts';
import type { Canvas } from './canvas.ts';
import type { Flows, Way } from './flows.ts';
import type { Geometry } from './geometry.ts';
import { drawLane, LANE, layLane, type Lane } from './lanes.ts';
import type { Targets } from './proxy-boxes.ts';
import { short, whole } from './words.ts';

/** What a row is drawn of. */
export interface PodRow {
  readonly pod: PodStatus;
  readonly flows: Flows;
  readonly chains: readonly InterfaceChain[];
}

/** Where the lines of a row lead. */
export interface RowTargets extends Targets {
  readonly direct: readonly [number, number];
}

/** Names of our programs by the side of the host's end that they are at. */
const OWNERS = { ingress: 'app_outbound', egress: 'app_inbound' } as const;

/** Height of a label below a lane, in the narrow drawing. */
const LABEL = 20;

/** What is drawn of a pod, laid out: known before its lines are, which begin where it stands. */
interface Layout {
  readonly lines: readonly { readonly text: string; readonly classes: string }[];
  readonly podHeight: number;
  readonly hookTop: number;
  readonly hookHeight: number;
  readonly height: number;
  readonly lanes: readonly Lane[];
}

/** Whether a pod is as it is wanted. */
export function isFine({ problems }: Pick<PodStatus, 'problems'>): boolean {
  return problems.length === 0;
}

function podLines({ problems, warnings, status, mode, addresses }: PodStatus): Layout['lines'] {
  const isEnrolled = status === 'enrolled';
  const [problem] = problems;
  const more = addresses.length > 2 ? ` +${addresses.length - 2}` : '';
  return [
    {
      text: isEnrolled ? `${status}, ${mode}` : status,
      classes: problem !== undefined ? 't-bad' : isEnrolled ? 't-good' : 't-warn',
    },
    ...addresses.slice(0, 2).map((text, at) => ({ text: at === 1 ? `${text}${more}` : text, classes: 't-soft' })),
    ...(problem === undefined ? [] : [{ text: problem, classes: 't-bad' }]),
    ...warnings.slice(0, 1).map((text) => ({ text, classes: 't-warn' })),
  ];
}

function layout({ kind, hook }: Geometry, { pod, chains }: PodRow): Layout {
  const isNarrow = kind === 'narrow';
  const lines = podLines(pod);
  const podHeight = 34 + lines.length * 17 + (isNarrow ? LABEL : 0);
  const lanes =
    pod.status === 'missing'
      ? []
      : (['ingress', 'egress'] as const).map((direction) => {
          const found = chains.find(
            (chain) =>
              chain.where === 'host' && chain.index === pod.hostInterface.index && chain.direction === direction,
          ) ?? { direction, entries: [] };
          const isWanted = pod.status !== 'enrolling' && pod.status !== 'leaving';
          const owner = isWanted ? OWNERS[direction] : undefined;
          const state = pod.hooks.find((each) => each.direction === direction);
          return layLane(found, { hook: state, owner, room: hook.width - 24 });
        });
  const rows = lanes.reduce((sum, lane) => sum + lane.lines.length, 0);
  const hookHeight = lanes.length === 0 ? 40 : 24 + rows * LANE + (isNarrow ? 3 * LABEL : 26);
  const hookTop = isNarrow ? podHeight + 22 : 22;
  return {
    lines,
    podHeight,
    hookTop,
    hookHeight,
    height: Math.max(podHeight, hookTop + hookHeight),
    lanes,
  };
}

/** How high a pod's row is. */
export function rowHeight(geometry: Geometry, row: PodRow): number {
  return layout(geometry, row).height;
}

/** Draws a pod, the host's end of its interface with what is on it, and where its packets go. */
export function drawPodRow(canvas: Canvas, geometry: Geometry, top: number, row: PodRow, targets: RowTargets): void {
  const { pod, flows } = row;
  const { lines, podHeight, hookTop, hookHeight, lanes } = layout(geometry, row);
  const isNarrow = geometry.kind === 'narrow';
  const { x, width } = geometry.pod;
  const fine = isFine(pod);
  const box = `box${fine ? '' : ' is-bad'}${pod.status === 'missing' ? ' gone' : ''}`;
  canvas.box(x, top, [width, podHeight], box);
  canvas.dot(x + 17, top + 18, fine ? (pod.status === 'enrolled' ? 'dot-good' : 'dot-warn') : 'dot-bad');
  canvas.text(pod.id, { x: x + 28, y: top + 23, classes: 'name', size: 12.5, room: width - 38, isName: true });
  lines.forEach(({ text, classes }, at) => {
    const place = { x: x + 12, y: top + 42 + at * 17, size: 11, room: width - 22 };
    canvas.text(text, { ...place, classes: `small ${classes}` });
  });

  const hook = geometry.hook;
  const right = hook.x + hook.width;
  const y = top + hookTop;
  canvas.box(hook.x, y, [hook.width, hookHeight], lanes.length === 0 ? 'box is-bad gone' : 'box inner');
  const { name, index } = pod.hostInterface;
  const title = lanes.length === 0 ? `${name} is gone` : `${name} of the host, #${index}`;
  canvas.text(title, { x: hook.x + 12, y: y + 17, classes: 'small', size: 11, room: hook.width - 24 });
  if (lanes.length === 0) return;

  const pen = new RowPen(canvas, geometry, { pod: pod.id, flows, right });
  const deliveredY = isNarrow ? top + podHeight - 12 : top + 12;
  pen.delivered(deliveredY, targets.delivered, x + width);
  let at = y + 24;
  const middles = lanes.map((lane, side) => {
    const middle = drawLane(canvas, lane, hook.x + 12, at);
    at += lane.lines.length * LANE;
    const way = side === 0 ? 'outbound' : 'inbound';
    pen.toProxy(way, isNarrow ? at + LABEL / 2 : middle, targets[way]);
    if (isNarrow) at += LABEL;
    return middle;
  });
  pen.direct(isNarrow ? at + LABEL / 2 : at + 12, targets.direct);
  if (isNarrow) {
    canvas.arrow('outbound', [x + 30, top + podHeight], [x + 30, y]);
    canvas.arrow('direct', [x + 48, y], [x + 48, top + podHeight]);
  } else {
    const [first = at, second = at] = middles;
    canvas.arrow('outbound', [x + width, first], [hook.x, first]);
    canvas.arrow('direct', [hook.x, second], [x + width, second]);
  }
}

/** Draws the lines of a row, with what was counted. */
class RowPen {
  readonly #canvas: Canvas;
  readonly #geometry: Geometry;
  readonly #row: { readonly pod: string; readonly flows: Flows; readonly right: number };

  constructor(
    canvas: Canvas,
    geometry: Geometry,
    row: { readonly pod: string; readonly flows: Flows; readonly right: number },
  ) {
    this.#canvas = canvas;
    this.#geometry = geometry;
    this.#row = row;
  }

  delivered(y: number, from: readonly [number, number], x: number): void {
    const { delivered: packets } = this.#row.flows;
    const title = `${this.#row.pod}: ${whole(packets)} packets from the proxy`;
    this.#canvas.route('delivered', { from, bus: this.#geometry.bus.delivered, to: [x, y], packets, title });
    this.#label([['delivered', `${short(packets)} from the proxy`]], y);
  }

  toProxy(way: 'outbound' | 'inbound', y: number, to: readonly [number, number]): void {
    const { flows, pod, right } = this.#row;
    const packets = flows[way];
    const what = way === 'outbound' ? 'sent, to the proxy' : 'for it, to the proxy';
    const title = `${pod}: ${whole(packets)} packets ${what}`;
    this.#canvas.route(way, { from: [right, y], bus: this.#geometry.bus[way], to, packets, title });
    this.#label([[way, `${short(packets)} ${way === 'outbound' ? 'out' : 'in'}, to it`]], y);
  }

  direct(y: number, to: readonly [number, number]): void {
    const { flows, pod, right } = this.#row;
    const { direct: packets, dropped } = flows;
    const title = `${pod}: ${whole(packets)} packets past the proxy, ${whole(dropped)} dropped`;
    this.#canvas.route('direct', { from: [right, y], bus: this.#geometry.bus.direct, to, packets, title, both: true });
    const lost: readonly [Way, string][] = dropped === 0n ? [] : [['dropped', `✕ ${short(dropped)} dropped`]];
    this.#label([['direct', `${short(packets)} past it`], ...lost], y);
  }

  /** Beside the line, or in the box where there is no room beside it. */
  #label(parts: readonly (readonly [Way, string])[], y: number): void {
    const { kind } = this.#geometry;
    let x = kind === 'wide' ? this.#row.right + 10 : this.#row.right - 12;
    const ordered = kind === 'wide' ? parts : parts.toReversed();
    for (const [way, text] of ordered) {
      const place = kind === 'wide' ? { x, y: y - 5 } : { x, y: y + 4, end: true };
      this.#canvas.text(text, { ...place, classes: `label t-${way}`, size: 11 });
      const step = (text.length + 1.5) * 6.75;
      x += kind === 'wide' ? step : -step;
    }
  }
}
