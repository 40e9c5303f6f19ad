/**
 * The tables of docs/configuration.md, from the schema that configurations are checked by.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import type { GeneratedFiles } from '../../../scripts/generate.ts';
import { CONFIG } from '../src/config/schema.ts';

const PAGE = 'docs/configuration.md';
const BEGIN = '<!-- tables of packages/ambient-redirect/src/config/schema.ts: npm run generate -->';
const END = '<!-- end of tables -->';

/** What of a schema is looked at. */
interface Node extends v.GenericSchema {
  readonly wrapped?: Node;
  readonly item?: Node;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly pipe?: readonly Node[];
}

/** The schema that was given a description, or made optional. */
function bare(schema: Node): Node {
  const inner = schema.wrapped ?? (schema.pipe?.[0]?.pipe === undefined ? undefined : schema.pipe[0]);
  return inner === undefined ? schema : bare(inner);
}

const part = <K extends 'item' | 'entries'>(schema: Node, name: K): Node[K] | undefined =>
  schema.pipe?.map((one) => one[name]).find((one) => one !== undefined);

/** Every object of a schema, with all paths that lead to it. */
function objectsOf(schema: Node, path: string, found: Map<Node, string[]>): Map<Node, string[]> {
  const one = bare(schema);
  const item = part(one, 'item');
  if (item !== undefined) return objectsOf(item, `${path}[]`, found);
  const entries = part(one, 'entries');
  if (entries === undefined) return found;
  const known = found.get(one);
  if (known !== undefined) known.push(path);
  else {
    found.set(one, [path]);
    for (const [name, member] of Object.entries(entries))
      objectsOf(member, path === '' ? name : `${path}.${name}`, found);
  }
  return found;
}

function table(schema: Node): string {
  const rows = Object.entries(part(schema, 'entries') ?? {}).map(([name, member]) => {
    const described = member.wrapped ?? member;
    const must = member.wrapped === undefined ? ' (required)' : '';
    return `| \`${name}\`${must} | ${v.getTitle(bare(member))} | ${v.getDescription(described)} |`;
  });
  return ['| key | takes | what it is |', '|---|---|---|', ...rows].join('\n');
}

/** The page with its tables made anew. */
export function generate(): GeneratedFiles {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE}: the marks around the tables are gone`);
  const sections = [...objectsOf(CONFIG as Node, '', new Map())].map(([schema, paths]) => {
    const heading = paths.map((path) => `\`${path}\``).join(', ');
    return `### ${paths[0] === '' ? 'At the top' : heading}\n\n${table(schema)}\n`;
  });
  return { [PAGE]: `${page.slice(0, begin)}${BEGIN}\n\n${sections.join('\n')}\n${page.slice(end)}` };
}
