import { html, type Markup, type Part } from './html.ts';

/** A column of a table: its head, and whether it has numbers. */
export interface TableColumn {
  readonly head: string;
  readonly kind?: 'number' | 'mono';
}

/** A row: its cells, and whether it tells of something that is not as it is wanted. */
export interface TableRow {
  readonly cells: readonly Part[];
  readonly isBad?: boolean;
}

/** From so many rows on a table is folded up. */
const MANY = 60;

const CLASSES = { number: 'n', mono: 'mono' } as const;

/** A table, in a box that scrolls by itself where the window is too narrow for it. */
export function table(columns: readonly TableColumn[], rows: readonly TableRow[]): Markup {
  const classOf = ({ kind }: TableColumn): Part => kind !== undefined && html` class="${CLASSES[kind]}"`;
  const body = html`<table>
    <thead>
      <tr>
        ${columns.map((column) => html`<th${column.kind === 'number' && classOf(column)}>${column.head}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ cells, isBad = false }) =>
          html`<tr${isBad && html` class="bad"`}>${columns.map((column, at) => html`<td${classOf(column)}>${cells[at]}</td>`)}</tr>`,
      )}
    </tbody>
  </table>`;
  if (rows.length < MANY) return html`<div class="panel scroll">${body}</div>`;
  return html`<details class="panel scroll">
    <summary>${rows.length} rows</summary>
    ${body}
  </details>`;
}

/** A head with what stands below it. */
export function section(title: string, ...content: readonly Part[]): Markup {
  return html`<section>
    <h2>${title}</h2>
    ${content}
  </section>`;
}
