import type { Line } from './canvas.ts';

/** Where things are in a drawing of one kind. */
export interface Geometry {
  readonly kind: 'wide' | 'narrow';
  readonly width: number;
  readonly pod: Column;
  readonly hook: Column;
  readonly proxy: Column;
  /** Where lines run up and down. */
  readonly bus: Readonly<Record<Line, number>>;
}

/** A column of boxes. */
export interface Column {
  readonly x: number;
  readonly width: number;
}

/** Pods to the left, the proxy to the right, lines between. */
export const WIDE: Geometry = {
  kind: 'wide',
  width: 1176,
  pod: { x: 22, width: 236 },
  hook: { x: 290, width: 384 },
  proxy: { x: 940, width: 216 },
  bus: { outbound: 880, inbound: 893, delivered: 906, direct: 919 },
};

/** All below each other, lines to the right. */
export const NARROW: Geometry = {
  kind: 'narrow',
  width: 360,
  pod: { x: 12, width: 292 },
  hook: { x: 12, width: 292 },
  proxy: { x: 12, width: 292 },
  bus: { outbound: 316, inbound: 326, delivered: 336, direct: 346 },
};

/** The side of a column that lines end at. */
export function edge({ kind }: Geometry, { x, width }: Column, side: 'pods' | 'lines' | 'proxy'): number {
  return kind === 'wide' && side === 'proxy' ? x : x + width;
}
