import type { InterfaceChain } from '../chain/index.ts';
import type { SteeredCounts } from '../observe/index.ts';
import type { Canvas } from './canvas.ts';
import { edge, type Geometry } from './geometry.ts';
import { drawLane, LANE, layLane } from './lanes.ts';
import type { ReportData } from './report-data.ts';
import { short } from './words.ts';

/** Places that lines of pods lead to. */
export interface Targets {
  readonly outbound: readonly [number, number];
  readonly inbound: readonly [number, number];
  readonly delivered: readonly [number, number];
}

type Proxy = NonNullable<ReportData['status']['proxy']>;

const STEERED: Readonly<Record<Proxy['listeners'][number]['purpose'], keyof SteeredCounts>> = {
  outbound: 'outbound',
  hbone: 'hbone',
  plaintext: 'plaintext',
  dnsTcp: 'dns',
  dnsUdp: 'dns',
};

/** Draws the proxy, its listeners and the host's end of its interface. @returns where lines lead, and where the boxes end */
export function drawProxy(
  canvas: Canvas,
  geometry: Geometry,
  top: number,
  data: ReportData,
): { readonly targets: Targets; readonly bottom: number } {
  const { proxy } = data.status;
  const { x, width } = geometry.proxy;
  const at = edge(geometry, geometry.proxy, 'proxy');
  const room = width - 24;
  const line = (text: string, y: number, classes: string): void =>
    canvas.text(text, { x: x + 12, y, classes: `small ${classes}`, size: 11, room });
  if (proxy === undefined) {
    canvas.box(x, top, [width, 64], 'box is-bad gone');
    canvas.text('no proxy', { x: x + 12, y: top + 24, classes: 'name t-bad', size: 12.5 });
    const fate = data.status.withoutProxy === 'drop' ? 'is dropped' : 'passes';
    line(`what is captured ${fate}`, top + 46, 't-bad');
    const place = [at, top + 32] as const;
    return { targets: { outbound: place, inbound: place, delivered: place }, bottom: top + 64 };
  }
  const isAway = proxy.status === 'away';
  const { rows, outbound, inbound } = listenerRows(proxy, data.metrics.steered);
  const missing = proxy.missing.slice(0, 3);
  const height = 100 + rows.length * 20 + missing.length * 17;
  canvas.box(x, top, [width, height], isAway ? 'box is-bad' : 'box');
  canvas.dot(x + 17, top + 19, isAway ? 'dot-bad' : 'dot-good');
  const pid = proxy.pid === undefined ? '' : `, pid ${proxy.pid}`;
  canvas.text(`${proxy.status}${pid}`, {
    x: x + 28,
    y: top + 24,
    classes: `name ${isAway ? 't-bad' : ''}`,
    size: 12.5,
    room: width - 40,
  });
  line([...proxy.addresses.ipv4, ...proxy.addresses.ipv6].join(' '), top + 44, 't-soft');
  drawSteering(canvas, data, [x + 12, top + 52]);
  const first = top + 94;
  rows.forEach(({ text, count }, row) => {
    const y = first + row * 20;
    canvas.text(text, { x: x + 12, y, classes: 'small', size: 11, room: room - 46 });
    canvas.text(short(count), { x: x + width - 12, y, classes: 'small t-soft', size: 11, end: true });
  });
  missing.forEach((why, row) => line(why, first + rows.length * 20 + row * 17, isAway ? 't-bad' : 't-warn'));
  const hook = drawHostIn(canvas, geometry, top + height + 18, data);
  const listener = (row: number): readonly [number, number] => [at, row < 0 ? top + 20 : first + row * 20 - 4];
  return {
    targets: { outbound: listener(outbound), inbound: listener(inbound), delivered: [at, hook.lane] },
    bottom: hook.bottom,
  };
}

/** The program that steers, by what it does so. */
function drawSteering(canvas: Canvas, { status }: ReportData, [x, y]: readonly [number, number]): void {
  const { mode = 'sk_lookup', reason = '' } = status.proxy?.steering ?? {};
  const name = mode === 'sk_lookup' ? 'ztunnel_steer' : 'ztunnel_tproxy';
  const wrong = status.deviations.find(({ what }) => what.startsWith(name));
  canvas.text(mode, { x, y: y + 14, classes: 'small t-soft', size: 11 });
  const title = wrong === undefined ? `${mode}: ${reason}` : `${name} is ${wrong.found ?? 'missing'}`;
  const text = wrong === undefined ? name : `✕ ${name}`;
  canvas.pill(text, [x + 68, y], { classes: wrong === undefined ? 'ours' : 'never absent', title });
}

/** One row for each purpose and port, both families in it. */
function listenerRows(
  { listeners }: Proxy,
  steered: SteeredCounts,
): {
  readonly rows: readonly { readonly text: string; readonly count: bigint }[];
  readonly outbound: number;
  readonly inbound: number;
} {
  const byPort = new Map<string, { text: string; count: bigint; purpose: string }>();
  for (const { purpose, port, family } of listeners) {
    const key = `${purpose} ${port}`;
    const known = byPort.get(key);
    const version = family === 'ipv4' ? 'v4' : 'v6';
    byPort.set(key, { text: `${known?.text ?? key} ${version}`, count: steered[STEERED[purpose]], purpose });
  }
  const rows = [...byPort.values()];
  const find = (wanted: string): number => rows.findIndex(({ purpose }) => purpose === wanted);
  return { rows, outbound: find('outbound'), inbound: find('plaintext') };
}

function drawHostIn(
  canvas: Canvas,
  geometry: Geometry,
  top: number,
  { status, chains }: ReportData,
): { readonly lane: number; readonly bottom: number } {
  const { x, width } = geometry.proxy;
  const { proxy } = status;
  const name = proxy?.hostInterface.name ?? '';
  const [ingress, egress] = (['ingress', 'egress'] as const).map(
    (direction): Pick<InterfaceChain, 'direction' | 'entries'> => {
      const found = chains.find(
        (chain) => chain.where === 'host' && chain.interface === name && chain.direction === direction,
      );
      return found ?? { direction, entries: [] };
    },
  );
  const lanes = [
    ...(ingress === undefined
      ? []
      : [layLane(ingress, { hook: proxy?.hostIn, owner: 'ztunnel_host_in', room: width - 20 })]),
    ...(egress === undefined || egress.entries.length === 0
      ? []
      : [layLane(egress, { hook: undefined, owner: undefined, room: width - 20 })]),
  ];
  const lines = lanes.reduce((sum, lane) => sum + lane.lines.length, 0);
  const height = 32 + lines * LANE;
  canvas.box(x, top, [width, height], proxy?.hostIn.status === 'ours' ? 'box inner' : 'box is-bad');
  canvas.text(`${name} of the host`, { x: x + 12, y: top + 18, classes: 'small', size: 11, room: width - 24 });
  let y = top + 26;
  let first: number | undefined;
  for (const lane of lanes) {
    const middle = drawLane(canvas, lane, x + 12, y);
    first ??= middle;
    y += lane.lines.length * LANE;
  }
  return { lane: first ?? top + 20, bottom: top + height };
}
