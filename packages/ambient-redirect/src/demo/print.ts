import { formatChain } from 'netlink-tc';
import type { DemoCheck, DemoReport } from './report.ts';

/** Escape sequences; nothing where there is no terminal, or colours are not wanted (no-color.org). */
export interface Style {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

/** How to print to a stream. */
export function styleFor(
  stream: { readonly isTTY?: boolean },
  environment: Readonly<Record<string, string | undefined>>,
): Style {
  const isPlain = stream.isTTY !== true || (environment['NO_COLOR'] ?? '') !== '';
  const code = (number: number) => (text: string) => (isPlain ? text : `\u001B[${number}m${text}\u001B[0m`);
  return { good: code(32), bad: code(31), dim: code(2), bold: code(1) };
}

/** A check, in one line. */
export function checkLine({ ok, what, found, by }: DemoCheck, style: Style): string {
  const mark = ok ? style.good('✔') : style.bad('✘');
  return `  ${mark} ${what.padEnd(44)} ${found}${by === undefined ? '' : style.dim(`  (${by})`)}`;
}

/** Rows of cells in columns, the first row being the heads; columns of numbers to the right. */
function table(rows: readonly (readonly string[])[], style: Style): string {
  const [heads = []] = rows;
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const isNumber = heads.map((_, column) => rows.slice(1).every((row) => /^\d+$/.test(row[column] ?? '')));
  return rows
    .map((row, at) => {
      const cells = row.map((cell, column) => {
        const width = widths[column] ?? 0;
        return isNumber[column] === true ? cell.padStart(width) : cell.padEnd(width);
      });
      const line = `  ${cells.join('  ')}`.trimEnd();
      return at === 0 ? style.bold(line) : line;
    })
    .join('\n');
}

/** The end of the demo, for people. */
export function formatReport(report: DemoReport, style: Style): string {
  const { checks, chains, counts, steering, attached, kernel, milliseconds, ok } = report;
  const as = [['WHAT', 'TOLD', 'SEEN', ''], ...checks.map((c) => [c.what, c.expected, c.found, c.ok ? 'ok' : 'NO'])];
  const counted = [
    ['POD', 'DIRECTION', 'FAMILY', 'VERDICT', 'PACKETS', 'BYTES'],
    ...counts.map((c) => [c.pod, c.direction, c.family, c.verdict, `${c.packets}`, `${c.bytes}`]),
  ];
  const missed = checks.filter((check) => !check.ok).length;
  const verdict = ok
    ? style.good(`All ${checks.length} as told.`)
    : style.bad(`${missed} of ${checks.length} not as told.`);
  return [
    style.bold('What a packet met on each interface:'),
    ...chains.map((each) => `${style.dim(`# ${each.interface} ${each.chain.direction}`)}\n${formatChain(each.chain)}`),
    '',
    style.bold('What was counted:'),
    table(counted, style),
    '',
    style.bold('What was told, and what was seen:'),
    table(as, style),
    '',
    `${verdict} Linux ${kernel}, programs by ${attached}, connections steered by ${steering.mode} (${steering.reason}), ${(milliseconds / 1000).toFixed(1)} s.`,
  ].join('\n');
}

/** The report for machines: numbers of 64 bits as text. */
export function jsonReport(report: DemoReport): string {
  return JSON.stringify(report, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value), 2);
}
