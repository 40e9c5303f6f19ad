/**
 * What no committed text may hold, whatever its language.
 */
import { readFileSync } from 'node:fs';
import { repositoryFiles } from './files.ts';

interface Rule {
  readonly pattern: RegExp;
  readonly why: string;
  /** Which files it is about; all where absent. */
  readonly files?: RegExp;
}

const CODE = /\.(ts|js|mjs|cjs)$/;

const RULES: readonly Rule[] = [
  {
    pattern: /(?<![\w.~-])\/(?:work|farm|home|root|Users)\/[\w.-]+/,
    why: 'a path of one machine',
  },
  { pattern: /\/tmp\/[a-z]+\/[A-Z]+\.md/, why: 'a path of one machine' },
  { pattern: /\b(?:registry|deb|mirror)\.[a-z]+\.(?:org|com|net)\b/, why: 'the host of a package registry' },
  { pattern: /"resolved": "http/, why: 'the host of a package registry', files: /package-lock\.json$/ },
  { pattern: /\b(?:TO[D]O|FI[X]ME|X{3})\b/, why: 'unfinished: do it, or write an issue' },
  { pattern: /@ts-(?:ignore|nocheck)/, why: 'switches the type check off', files: CODE },
  { pattern: /\b(?:describe|it|test)\.only\(/, why: 'a focused test', files: CODE },
];

// The rules themselves and their test show what they look for.
const EXEMPT = /^scripts\/check-text(\.test)?\.ts$|^(.*\/)?LICENSE$/;

/** One line for each forbidden word of a file: `path:line: reason: the words`. */
export function forbiddenText(path: string, text: string): string[] {
  if (EXEMPT.test(path)) return [];
  const rules = RULES.filter(({ files }) => files === undefined || files.test(path));
  const found: string[] = [];
  for (const [index, line] of text.split('\n').entries())
    for (const { pattern, why } of rules) {
      const match = pattern.exec(line);
      if (match !== null) found.push(`${path}:${index + 1}: ${why}: ${match[0]}`);
    }
  return found;
}

function main(): void {
  const found = repositoryFiles().flatMap((path) => forbiddenText(path, readFileSync(path, 'utf8')));
  for (const line of found) console.error(line);
  console.log(`${found.length} forbidden words`);
  process.exitCode = found.length === 0 ? 0 : 1;
}

if (import.meta.filename === process.argv[1]) main();
