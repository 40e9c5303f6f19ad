/**
 * Generated files. A generator is a module `<name>.generate.ts` in `scripts/` or `packages/<package>/scripts/` that exports
 * `generate()`: the files it makes, by path from the root of the repository. It reads only what is committed, so that
 * everyone gets the same bytes.
 *
 * `npm run generate` writes them all; `npm run check:generated` makes them in memory and compares.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { repositoryFiles } from './files.ts';

/** Files by path from the root of the repository, with their whole text. */
export type GeneratedFiles = Readonly<Record<string, string>>;

/** What a generator module exports. */
export interface Generator {
  generate(): GeneratedFiles | Promise<GeneratedFiles>;
}

/** Which of the repository's files are generators. */
export function generatorsAmong(paths: readonly string[]): string[] {
  return paths.filter((path) => /^(packages\/[^/]+\/)?scripts\/[^/]+\.generate\.ts$/.test(path));
}

/**
 * What is wrong with the generated files of a tree.
 * @param made what the generators make
 * @param paths every file of the tree
 * @param read the text of a file of the tree, nothing where there is none
 */
export function drift(
  made: GeneratedFiles,
  paths: readonly string[],
  read: (path: string) => string | undefined,
): string[] {
  const stale = Object.entries(made)
    .filter(([path, text]) => read(path) !== text)
    .map(([path]) => `${path}: out of date, run npm run generate`);
  const orphans = paths
    .filter((path) => path.endsWith('.gen.ts') && !Object.hasOwn(made, path))
    .map((path) => `${path}: no generator makes it`);
  return [...stale, ...orphans];
}

async function makeAll(paths: readonly string[]): Promise<GeneratedFiles> {
  const made: Record<string, string> = {};
  for (const path of generatorsAmong(paths)) {
    const generator = (await import(pathToFileURL(resolve(path)).href)) as Generator;
    for (const [output, text] of Object.entries(await generator.generate())) {
      if (Object.hasOwn(made, output)) throw new Error(`${path}: ${output} has another generator already`);
      made[output] = text;
    }
  }
  return made;
}

async function main(): Promise<void> {
  const paths = repositoryFiles();
  const made = await makeAll(paths);
  const read = (path: string): string | undefined => (existsSync(path) ? readFileSync(path, 'utf8') : undefined);
  if (process.argv.includes('--check')) {
    const found = drift(made, paths, read);
    for (const line of found) console.error(line);
    console.log(`${Object.keys(made).length} generated files, ${found.length} wrong`);
    process.exitCode = found.length === 0 ? 0 : 1;
    return;
  }
  for (const [path, text] of Object.entries(made)) {
    if (read(path) === text) continue;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    console.log(`wrote ${path}`);
  }
}

if (import.meta.filename === process.argv[1]) await main();
