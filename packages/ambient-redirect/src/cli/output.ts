import { styleText } from 'node:util';
import type { CommandIo, TextSink } from './command-spec.ts';
import { tellError } from './errors.ts';

/** A colour or weight, as `util.styleText` names them. */
export type Paint = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim';

/** A cell of a table: text, or text with a colour. */
export type Cell = string | { readonly text: string; readonly paint: Paint };

/** What a command prints: results to standard output, everything else to standard error. */
export class Output {
  /** Whether results are JSON. */
  readonly json: boolean;
  /** Whether only results and errors are printed. */
  readonly quiet: boolean;
  readonly #io: CommandIo;

  constructor(io: CommandIo, { json, quiet }: { readonly json: boolean; readonly quiet: boolean }) {
    this.#io = io;
    this.json = json;
    this.quiet = quiet;
  }

  /** The width to keep to. */
  get columns(): number {
    return this.#io.stdout.columns ?? 100;
  }

  /** Whether a person is looking. */
  get isTerminal(): boolean {
    return this.#io.stdout.isTTY === true;
  }

  /** A line of the result. */
  line(text = ''): void {
    this.#io.stdout.write(`${text}\n`);
  }

  /** The result: with `--json` one document, else what `human` makes of it. */
  result(document: unknown, human: () => string): void {
    const text = this.json ? toJson(document, 2) : human();
    if (text !== '') this.line(text);
  }

  /** A record of a stream: with `--json` a line of NDJSON, else what `human` makes of it. */
  record(record: unknown, human: () => string): void {
    this.line(this.json ? toJson(record) : human());
  }

  /** Progress, and what is good to know: to standard error, unless `--quiet`. */
  note(text: string): void {
    if (!this.quiet) this.#io.stderr.write(`${text}\n`);
  }

  /** What should be known even with `--quiet`: to standard error. */
  warn(text: string): void {
    this.#io.stderr.write(`${paint(this.#io.stderr, this.#io.env, 'yellow', 'warning:')} ${text}\n`);
  }

  /** Text in a colour, where the standard output has colours. */
  paint(how: Paint, text: string): string {
    return paint(this.#io.stdout, this.#io.env, how, text);
  }

  /** Rows in columns, the first row being the heads; columns of numbers to the right. Without an end of line at its end. */
  table(rows: readonly (readonly Cell[])[]): string {
    const [heads = [], ...rest] = rows;
    return this.columnsOf([heads.map((head) => ({ text: textOf(head), paint: 'bold' as const })), ...rest]);
  }

  /** Rows in columns, all alike. */
  columnsOf(rows: readonly (readonly Cell[])[]): string {
    const [heads = []] = rows;
    const columns = heads.map((_, at) => rows.map((row) => textOf(row[at])));
    const widths = columns.map((texts) => Math.max(...texts.map((text) => text.length)));
    const numbers = columns.map(
      (texts) => texts.length > 1 && texts.slice(1).every((text) => /^([\d.,]+|-?)$/.test(text)),
    );
    return rows
      .map((row) => {
        const cells = heads.map((_, column) => {
          const text = textOf(row[column]);
          const gap = ' '.repeat((widths[column] ?? 0) - text.length);
          const cell = row[column];
          const painted = typeof cell === 'object' ? this.paint(cell.paint, text) : text;
          const isLast = column === heads.length - 1;
          return numbers[column] === true ? `${gap}${painted}` : isLast ? painted : `${painted}${gap}`;
        });
        return cells.join('  ').trimEnd();
      })
      .join('\n');
  }
}

function textOf(cell: Cell | undefined): string {
  return typeof cell === 'object' ? cell.text : (cell ?? '');
}

/** A number of things: `1 pod`, `2 pods`. */
export function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

/** Text in a colour, where a stream has colours: NO_COLOR takes them away, FORCE_COLOR gives them (no-color.org, force-color.org). */
export function paint(sink: TextSink, env: CommandIo['env'], how: Paint, text: string): string {
  const wanted = (env['FORCE_COLOR'] ?? '') !== '' ? env['FORCE_COLOR'] !== '0' : sink.isTTY === true;
  return wanted && (env['NO_COLOR'] ?? '') === '' ? styleText(how, text, { validateStream: false }) : text;
}

/** JSON of anything: numbers of 64 bits as decimal text, errors as in {@link tellError}, bytes as hexadecimal text. */
export function toJson(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_, one: unknown) => {
      if (typeof one === 'bigint') return String(one);
      if (one instanceof Error) return tellError(one);
      if (one instanceof Map) return Object.fromEntries(one);
      if (one instanceof Uint8Array) return Buffer.from(one).toString('hex');
      return one;
    },
    indent,
  );
}
