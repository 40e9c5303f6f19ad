import { VERDICT_MEANING, type Outcome, type PodRates, type Rates } from '../../observe/index.ts';
import type { Cell, Output, Paint } from '../output.ts';

/** What is dropped stands out. */
const PAINT: Readonly<Partial<Record<Outcome, Paint>>> = { dropped: 'red', redirected: 'green' };

/** Lines above the table, and below it. */
const FRAME = 4;

/** What is known beside the rates. */
export interface TopFrame {
  readonly time: string;
  readonly seconds: number;
  /** Lines that the terminal has; all is shown where nothing is said. */
  readonly rows?: number | undefined;
}

/** The rates as a table: pods with the most packets first, each with what became of its packets. */
export function topText(output: Output, { pods, steered }: Rates, { time, seconds, rows }: TopFrame): string {
  const active = pods.filter(isActive).toSorted((a, b) => packetsOf(b) - packetsOf(a));
  const all = active.flatMap(linesOf);
  const shown = rows === undefined ? all : all.slice(0, Math.max(1, rows - FRAME));
  const atProxy = Object.entries(steered).filter(([, rate]) => rate > 0);
  const lines = [
    output.paint('bold', `${time.slice(11, 19)} UTC, over ${seconds.toFixed(1)} s`) +
      `   at the proxy: ${atProxy.map(([name, rate]) => `${name} ${amount(rate)}/s`).join(', ') || 'nothing'}`,
    '',
    active.length === 0
      ? `nothing passes (${pods.length} pods)`
      : output.table([['POD', 'OPENED/S', 'TAKEN/S', 'DIRECTION', 'VERDICT', 'PACKETS/S', 'BYTES/S'], ...shown]),
  ];
  if (shown.length < all.length) lines.push(output.paint('dim', `${all.length - shown.length} more lines`));
  return lines.join('\n');
}

function linesOf({ id, connections, traffic }: PodRates): Cell[][] {
  const kinds = traffic.toSorted((a, b) => b.packets - a.packets);
  const opened = [amount(connections.outbound), amount(connections.inbound)];
  if (kinds.length === 0) return [[id, ...opened, '-', '-', '0', '0']];
  return kinds.map(({ direction, verdict, packets, bytes }, at) => {
    const paint = PAINT[VERDICT_MEANING[verdict].outcome];
    const what: Cell = paint === undefined ? verdict : { text: verdict, paint };
    const [name, out, taken] = at === 0 ? [id, ...opened] : [];
    return [name ?? '', out ?? '', taken ?? '', direction, what, amount(packets), amount(bytes)];
  });
}

function isActive({ connections, traffic }: PodRates): boolean {
  return traffic.length > 0 || connections.outbound > 0 || connections.inbound > 0;
}

function packetsOf({ traffic }: PodRates): number {
  return traffic.reduce((sum, { packets }) => sum + packets, 0);
}

/** A rate, whole where it is large. */
function amount(rate: number): string {
  return rate === 0 ? '0' : rate < 10 ? rate.toFixed(1) : Math.round(rate).toLocaleString('en-US');
}
