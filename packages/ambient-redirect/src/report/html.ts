/** Text of HTML or SVG that is safe to be put into a page: everything of it was written here, or escaped. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What can stand in a template: text is escaped, markup is not, and nothing stays nothing. */
export type Part = string | number | bigint | Markup | undefined | false | readonly Part[];

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Characters that no page may have, and those that turn text around or hide it: a name must look like what it is. */
const UNSEEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}]/gu;

/** Escapes text for elements and for attributes in quotes. */
export function escapeText(text: string): string {
  return text.replace(UNSEEN, '\uFFFD').replace(/[&<>"']/g, (found) => ENTITIES[found] ?? '');
}

/**
 * Makes markup of a template: whatever is put into it is escaped, unless it is markup itself.
 * @example
 * ```ts
 * html`<p title="${name}">${name}</p>`;
 * ```
 */
export function html(literals: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(literals.map((literal, at) => literal + (at < parts.length ? textOf(parts[at]) : '')).join(''));
}

/** Pieces one after the other. */
export function joined(parts: readonly Part[]): Markup {
  return new Markup(textOf(parts));
}

function textOf(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Markup) return part.text;
  if (typeof part === 'object') return part.map(textOf).join('');
  return escapeText(String(part));
}
