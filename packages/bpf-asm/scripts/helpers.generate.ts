/**
 * Makes `src/helpers/helpers.gen.ts` of `helpers.json`, the table of the kernel's helper functions, one line a helper.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const OUTPUT = 'packages/bpf-asm/src/helpers/helpers.gen.ts';

/** The generated files, by path from the root of the repository. */
export function generate(): Record<string, string> {
  const helpers = JSON.parse(readFileSync(join(import.meta.dirname, 'helpers.json'), 'utf8')) as readonly unknown[];
  const lines = helpers.map((helper) => `  ${literal(helper)},`);
  const text = [
    "// Made by scripts/helpers.generate.ts from scripts/helpers.json: change that file and run `npm run generate`.",
    "import type { Helper } from './helper.ts';",
    '',
    "/** Every helper function of Linux (`enum bpf_func_id`), in the order of its number. No kernel since 6.2 has added one. */",
    '// prettier-ignore',
    'export const HELPERS: readonly Helper[] = [',
    ...lines,
    '];',
    '',
  ];
  return { [OUTPUT]: text.join('\n') };
}

/** A value as TypeScript spells it, on one line. */
function literal(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const fields = Object.entries(value).map(([key, field]) => `${key}: ${literal(field)}`);
  return `{ ${fields.join(', ')} }`;
}
