import { html, joined, type Markup, type Part } from './html.ts';
import type { Way } from './flows.ts';
import { cut, squeeze } from './words.ts';

/** Width of a character of the drawing's font, as a share of its size. */
const CHARACTER = 0.61;

/** Ways that lines are drawn for. */
export type Line = Exclude<Way, 'dropped'>;

/** Where and how text stands. */
export interface TextPlace {
  readonly x: number;
  /** Of its base line. */
  readonly y: number;
  readonly classes: string;
  readonly size: number;
  /** The width that it must fit into; it is cut, and told in full on hovering. */
  readonly room?: number;
  readonly end?: boolean;
  /** A name: it is cut in its middle. */
  readonly isName?: boolean;
}

/** A line from one place to another by way of a vertical one. */
export interface Route {
  readonly from: readonly [x: number, y: number];
  readonly bus: number;
  readonly to: readonly [x: number, y: number];
  readonly packets: bigint;
  /** What it is, on hovering. */
  readonly title: string;
  /** Arrows at both ends. */
  readonly both?: boolean;
}

/** Width of text, in units of the drawing: never less than it takes. */
function widthOf(text: string, size: number): number {
  return [...text].length * size * CHARACTER;
}

/** Shapes of a drawing: lines lie below boxes, and boxes below text. */
export class Canvas {
  readonly #lines: Part[] = [];
  readonly #boxes: Part[] = [];
  readonly #texts: Part[] = [];

  /** A box with round corners. */
  box(x: number, y: number, [width, height]: readonly [number, number], classes = 'box', radius = 9): void {
    this.#boxes.push(
      html`<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="${radius}" class="${classes}" />`,
    );
  }

  /** A dot. */
  dot(x: number, y: number, classes: string): void {
    this.#boxes.push(html`<circle cx="${x}" cy="${y}" r="4.5" class="${classes}" />`);
  }

  /** A piece of text. */
  text(text: string, { x, y, classes, size, room = Infinity, end = false, isName = false }: TextPlace): void {
    const most = Math.floor(room / (size * CHARACTER));
    const shown = isName ? squeeze(text, most) : cut(text, most);
    this.#texts.push(
      html`<text x="${x}" y="${y}" class="${classes}" ${end ? html` text-anchor="end"` : ''}
        >${shown}${shown === text ? '' : html`<title>${text}</title>`}</text
      >`,
    );
  }

  /** A piece of text in a box of its own. @returns the box' width */
  pill(
    text: string,
    [x, y]: readonly [number, number],
    { classes, title }: { readonly classes: string; readonly title: string },
  ): number {
    const width = pillWidth(text);
    this.#boxes.push(
      html`<g
        ><title>${title}</title><rect x="${x}" y="${y}" width="${width}" height="20" rx="5" class="pill ${classes}"
      /></g>`,
    );
    this.#texts.push(
      html`<text x="${x + 8}" y="${y + 14}" class="pill-text ${classes}">${text}<title>${title}</title></text>`,
    );
    return width;
  }

  /** A line with its arrow. */
  route(line: Line, { from, bus, to, packets, title, both = false }: Route): void {
    const width = packets === 0n ? 1.4 : Math.min(5, 1.6 + Math.log10(Number(packets)) * 0.55);
    const path = routePath(from, bus, to);
    const heads = [head(to, to[0] - bus), ...(both ? [head(from, from[0] - bus)] : [])];
    this.#lines.push(
      html`<g
        ><title>${title}</title
        ><path
          d="${path}"
          class="flow ${line}${packets === 0n ? ' idle' : ''}"
          stroke-width="${width.toFixed(1)}"
        />${heads.map((d) => html`<path d="${d}" class="head-${line}" />`)}</g
      >`,
    );
  }

  /** A short straight line with its arrow. */
  arrow(line: Line, [x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): void {
    const isFlat = y1 === y2;
    this.#lines.push(
      html`<path d="M${x1} ${y1}L${x2} ${y2}" class="flow ${line}" stroke-width="1.6" /><path
          d="${isFlat ? head([x2, y2], x2 - x1) : headDown([x2, y2], y2 - y1)}"
          class="head-${line}"
        />`,
    );
  }

  /** All of it. */
  get markup(): Markup {
    return joined([this.#lines, this.#boxes, this.#texts]);
  }
}

/** Width of {@link Canvas.pill}. */
export function pillWidth(text: string): number {
  return Math.ceil(widthOf(text, 10.5)) + 16;
}

function routePath([x1, y1]: readonly [number, number], bus: number, [x2, y2]: readonly [number, number]): string {
  const down = Math.sign(y2 - y1);
  const radius = Math.min(8, Math.abs(y2 - y1) / 2);
  const out = Math.sign(bus - x1) * radius;
  const on = Math.sign(x2 - bus) * radius;
  // The line ends inside of its arrow.
  const end = x2 - Math.sign(x2 - bus) * 5;
  return [
    `M${x1} ${y1}H${bus - out}`,
    `Q${bus} ${y1} ${bus} ${y1 + down * radius}`,
    `V${y2 - down * radius}`,
    `Q${bus} ${y2} ${bus + on} ${y2}`,
    `H${end}`,
  ].join('');
}

function head([x, y]: readonly [number, number], direction: number): string {
  const back = -Math.sign(direction) * 9;
  return `M${x} ${y}l${back} -4.5v9z`;
}

function headDown([x, y]: readonly [number, number], direction: number): string {
  const back = -Math.sign(direction) * 8;
  return `M${x} ${y}l-4 ${back}h8z`;
}
