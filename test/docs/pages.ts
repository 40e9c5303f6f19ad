/** What the pages of the project have in their blocks of code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The directory of the project. */
export const PROJECT: string = fileURLToPath(new URL('../..', import.meta.url));

/** Texts of the blocks of a language, such as `sh`, in their order. @param page path of a page, from the project's root */
export function blocks(page: string, language: string): readonly string[] {
  const text = readFileSync(join(PROJECT, page), 'utf8');
  const found = [...text.matchAll(/^```(?<language>\w+)\n(?<text>.*?)^```$/gms)];
  return found.flatMap(({ groups }) => (groups?.['language'] === language ? [groups['text'] ?? ''] : []));
}

/** The commands of a page: the lines of its blocks of `sh`, without those that are comments. */
export function commands(page: string): readonly string[] {
  const lines = blocks(page, 'sh').flatMap((text) => text.trimEnd().split('\n'));
  return lines.filter((line) => line !== '' && !line.startsWith('#'));
}
