/**
 * Makes `src/engine/programs-build.gen.ts`: which build of the programs this is. Everything that makes instructions of facts counts, from the
 * programs down to the compiler, as code without types and comments: what the bundler reaches from `src/programs`.
 */
import { build } from 'esbuild';
import { createHash } from 'node:crypto';

const ENTRY = 'packages/ambient-redirect/src/programs/index.ts';
const OUTPUT = 'packages/ambient-redirect/src/engine/programs-build.gen.ts';

/** The code that programs are made by, as one text. */
async function programsCode(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [ENTRY],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    conditions: ['@ambient/source'],
    // It makes the tag of a program, and no instruction.
    external: ['@noble/hashes/*'],
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    charset: 'utf8',
  });
  return outputFiles.map(({ text }) => text).join('');
}

/** The module with the hash of {@link programsCode}. */
export async function generate(): Promise<Readonly<Record<string, string>>> {
  const digest = createHash('sha256')
    .update(await programsCode())
    .digest('hex')
    .slice(0, 32);
  return {
    [OUTPUT]: [
      '// Made by packages/ambient-redirect/scripts/programs-build.generate.ts',
      '',
      '/** A hash of the code that programs are made by: those that another build has pinned are not adopted. */',
      `export const PROGRAMS_BUILD = '${digest}';`,
      '',
    ].join('\n'),
  };
}
