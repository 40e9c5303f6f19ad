/**
 * Makes `docs/netlink-messages.md` of the policy tables: what every message that the package knows may carry. The same tables encode
 * and decode, so that the page cannot say something else than the code does.
 */
import type { AnyLayout } from 'bpf-asm/layout';
import type { AttributeKind, MessageFormat, Policy } from '../src/netlink/index.ts';
import { EXTENDED_ACK } from '../src/netlink/ack.ts';
import * as rtnl from '../src/rtnl/index.ts';
import * as tc from '../src/tc/index.ts';

const PAGE = 'docs/netlink-messages.md';

const INTRODUCTION = `# Messages of netlink

<!-- Made of the policy tables by packages/netlink-tc/scripts/messages.generate.ts: npm run generate -->

What \`netlink-tc\` reads and writes of the kernel's messages: for each its fixed struct, and its attributes with their numbers, the
keys that values have in TypeScript, and what their payload may be. Numbers are in the machine's byte order, save where \`be\` says
network order. Attributes that a table does not name are kept under \`unknown\` and can be sent again; payloads of another length than
their kind allows are errors both ways.`;

const ACKNOWLEDGEMENT =
  'What the kernel says to a request that it refuses, and sometimes to one that it fulfils: `NLMSG_ERROR` and `NLMSG_DONE`.';

/** A table and what it is called: the path of its attribute, and the kind that it holds for. */
interface Section {
  readonly title: string;
  readonly table: Policy;
}

function isFormat(value: unknown): value is MessageFormat {
  return typeof value === 'object' && value !== null && 'noun' in value && 'policy' in value && 'types' in value;
}

function structOf(layout: MessageFormat['header']): string {
  const known = layout as unknown as AnyLayout;
  if (known.kind !== 'struct') throw new Error(`${layout.label} is no struct`);
  const fields = Object.entries(known.fields).map(
    ([name, { offset, layout: kind }]) => `\`${name}\` ${kind.label} at ${offset}`,
  );
  return `\`struct ${layout.label}\` of ${layout.size} bytes: ${fields.join(', ')}.`;
}

/** What a payload may be, with a reference to the table of what lies in it. */
function payload(title: string, kind: AttributeKind, found: Section[]): string {
  const { variants, element } = kind;
  if (element !== undefined) return `a list of: ${payload(title, element, found)}`;
  if (variants !== undefined) {
    const names = Object.entries(variants.kinds).map(([name, each]) => {
      const what = payload(`${title}, ${name}`, each, found);
      return each.nested ? `\`${name}\`` : `\`${name}\` (${what})`;
    });
    return `by \`${variants.by}\`${names.length === 0 ? '' : `: ${names.join(', ')}`}; of others bytes`;
  }
  const table = kind.table?.({});
  if (table === undefined) return kind.label;
  const same = found.find((section) => section.table === table);
  if (same === undefined) found.push({ title, table });
  return `${kind.label}, see ${same?.title ?? title}`;
}

function rowsOf({ title, table }: Section, found: Section[]): string {
  const rows = [...table.byType.values()]
    .toSorted((a, b) => a.attribute.type - b.attribute.type)
    .map(({ key, attribute: { type, name, kind } }) => {
      const path = title.startsWith('`') ? title.replace(/`(.*?)`/, `\`$1.${name}\``) : `\`${name}\``;
      const times = kind.repeated === true ? ', once for each' : '';
      return `| ${type} | \`${name}\` | \`${key}\` | ${payload(path, kind, found)}${times} |`;
    });
  return ['| number | attribute | key | payload |', '|---|---|---|---|', ...rows].join('\n');
}

/** A chapter: what stands before the attributes, and every table that they lead to, each once. */
function chapter(noun: string, before: readonly string[], table: Policy): string {
  const found: Section[] = [{ title: noun, table }];
  const parts = [`## ${noun}`, ...before];
  // More are found while those that are here are printed.
  for (const section of found) {
    if (section.title !== noun) parts.push(`### ${section.title}`);
    parts.push(rowsOf(section, found));
  }
  return parts.join('\n\n');
}

function messageChapter({ noun, header, policy, types }: MessageFormat): string {
  const names = Object.entries(types).map(([name, number]) => `\`${name}\` ${number}`);
  return chapter(noun, [names.join(', '), structOf(header)], policy);
}

/** The page, whole. */
export function generate(): Readonly<Record<string, string>> {
  const formats = ([...Object.values(rtnl), ...Object.values(tc)] as unknown[]).filter(isFormat);
  const acknowledgement = chapter('extended acknowledgement', [ACKNOWLEDGEMENT], EXTENDED_ACK as Policy);
  return { [PAGE]: `${[INTRODUCTION, ...formats.map(messageChapter), acknowledgement].join('\n\n')}\n` };
}
