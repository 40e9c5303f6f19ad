/**
 * The table of docs/architecture.md, from layers.ts.
 */
import { readFileSync } from 'node:fs';
import type { GeneratedFiles } from './generate.ts';
import { LAYERS, type PackageRules } from './layers.ts';

const PAGE = 'docs/architecture.md';
const BEGIN = '<!-- table of scripts/layers.ts: npm run generate -->';
const END = '<!-- end of table -->';

const list = (names: readonly string[]): string =>
  names.length === 0 ? '-' : names.map((name) => `\`${name}\``).join(' ');

function section(name: string, rules: PackageRules): string {
  const node = rules.node === 'everywhere' ? 'everywhere' : `only in ${list(rules.node)}`;
  const seams = Object.entries({ ...rules.dependencies, ...rules.optional })
    .map(([dependency, parts]) => `\`${dependency}\` (only in ${list(parts)})`)
    .join(', ');
  const rows = Object.entries(rules.parts).map(([part, imports]) => `| \`${part}\` | ${list(imports)} |`);
  return [
    `### ${name}`,
    '',
    `Floors below: ${list(rules.below)}. Third-party packages: ${seams || '-'}. Node's own modules: ${node}.`,
    '',
    '| part | may import |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n');
}

/** The page with its table made anew. */
export function generate(): GeneratedFiles {
  const page = readFileSync(PAGE, 'utf8');
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`${PAGE}: the marks around the table are gone`);
  const table = Object.entries(LAYERS)
    .map(([name, rules]) => section(name, rules))
    .join('\n');
  return { [PAGE]: `${page.slice(0, begin)}${BEGIN}\n\n${table}\n${page.slice(end)}` };
}
