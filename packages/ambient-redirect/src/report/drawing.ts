import { Canvas } from './canvas.ts';
import { flowsOf } from './flows.ts';
import { edge, NARROW, WIDE, type Geometry } from './geometry.ts';
import { html, joined, type Markup } from './html.ts';
import { drawPodRow, isFine, rowHeight, type PodRow } from './pod-row.ts';
import { drawProxy } from './proxy-boxes.ts';
import type { ReportData } from './report-data.ts';
import { number } from './words.ts';

/** Height of the words where there is no pod. */
const NOTHING = 40;

/** Between rows. */
const GAP = 22;

/** The node as a drawing: one for wide windows, one for narrow ones. The style sheet shows one of them. */
export function drawing(data: ReportData): Markup {
  return joined([draw(WIDE, data), draw(NARROW, data)]);
}

function draw(geometry: Geometry, data: ReportData): Markup {
  const { status, node } = data;
  const canvas = new Canvas();
  const isWide = geometry.kind === 'wide';
  const top = isWide ? 64 : 44;
  const proxy = drawProxy(canvas, geometry, top, data);
  const rows = rowsOf(data);
  let y = isWide ? top : proxy.bottom + GAP;
  // Where the node's stack is drawn is known when the rows are laid out.
  const heights = rows.map((row) => rowHeight(geometry, row));
  const unmet = status.wanted ?? [];
  const end =
    heights.reduce((sum, height) => sum + height + GAP, y) +
    unmet.length * (UNMET + GAP) +
    (rows.length + unmet.length === 0 ? NOTHING : 0);
  const stackTop = isWide ? proxy.bottom + GAP * 2 : end;
  const stack = drawStack(canvas, geometry, stackTop, data);
  for (const { id, error } of unmet) {
    drawUnmet(canvas, geometry, y, { id, error });
    y += UNMET + GAP;
  }
  rows.forEach((row, at) => {
    drawPodRow(canvas, geometry, y, row, { ...proxy.targets, direct: stack.entry });
    y += (heights[at] ?? 0) + GAP;
  });
  if (rows.length + unmet.length === 0) {
    const { x } = geometry.pod;
    canvas.text('no pod is enrolled', { x: x + 4, y: y + 22, classes: 'small t-soft', size: 11 });
    y += NOTHING;
  }
  const height = Math.max(y, stack.bottom + GAP, proxy.bottom + GAP) + 4;
  canvas.box(4, 4, [geometry.width - 8, height - 8], 'frame', 14);
  heads(canvas, geometry, node);
  const label = `${number(status.pods.length, 'pod')} of ${node}, the proxy, and where packets go`;
  return html`<svg class="${geometry.kind}" viewBox="0 0 ${geometry.width} ${height}" role="img" aria-label="${label}">
    ${canvas.markup}
  </svg>`;
}

/** Those that need looking at come first. */
function rowsOf({ status, metrics, chains }: ReportData): PodRow[] {
  const traffic = new Map(metrics.pods.map((pod) => [pod.id, pod.traffic]));
  const rank = ({ pod }: PodRow): number => (isFine(pod) ? (pod.warnings.length === 0 ? 2 : 1) : 0);
  return status.pods
    .map((pod) => ({ pod, flows: flowsOf(traffic.get(pod.id) ?? []), chains }))
    .sort((one, other) => rank(one) - rank(other) || (one.pod.id < other.pod.id ? -1 : 1));
}

function heads(canvas: Canvas, { kind, pod, hook, proxy, width }: Geometry, node: string): void {
  const title = { x: pod.x, y: 28, classes: 'title', size: 14, room: (kind === 'wide' ? hook.x : width) - pod.x - 20 };
  canvas.text(`node ${node}`, title);
  if (kind === 'narrow') return;
  const head = (text: string, x: number): void => canvas.text(text, { x, y: 52, classes: 'head', size: 12 });
  head('pods', pod.x);
  head("the host's ends of their interfaces: what a packet meets, in order", hook.x);
  head('the proxy', proxy.x);
}

const STACK = 66;

/** The node's own stack: where packets go that are not for the proxy. */
function drawStack(
  canvas: Canvas,
  geometry: Geometry,
  top: number,
  { status }: ReportData,
): { readonly entry: readonly [number, number]; readonly bottom: number } {
  const { x, width } = geometry.proxy;
  canvas.box(x, top, [width, STACK]);
  canvas.text("the node's own stack", { x: x + 12, y: top + 22, classes: 'small', size: 11 });
  canvas.text('and the network beyond', { x: x + 12, y: top + 38, classes: 'small', size: 11 });
  const addresses = status.hostAddresses.filter((address) => !address.startsWith('fe80:')).join(' ');
  canvas.text(addresses, { x: x + 12, y: top + 55, classes: 'small t-soft', size: 11, room: width - 24 });
  return { entry: [edge(geometry, geometry.proxy, 'proxy'), top + 20], bottom: top + STACK };
}

const UNMET = 62;

/** A pod that is wanted, and of which nothing is there. */
function drawUnmet(
  canvas: Canvas,
  { pod, hook }: Geometry,
  top: number,
  { id, error }: { readonly id: string; readonly error: string },
): void {
  const width = hook.x + hook.width - pod.x;
  canvas.box(pod.x, top, [width, UNMET], 'box is-bad gone');
  canvas.dot(pod.x + 17, top + 18, 'dot-bad');
  const text = { x: pod.x + 12, size: 11, room: width - 24 };
  canvas.text(id, { ...text, x: pod.x + 28, y: top + 23, classes: 'name', size: 12.5, room: width - 40, isName: true });
  canvas.text('wanted, and not enrolled', { ...text, y: top + 39, classes: 'small t-bad' });
  canvas.text(error, { ...text, y: top + 54, classes: 'small t-soft' });
}
