import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from 'tsup';

/** The part of a package's manifest that the build follows. */
interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;
}

/** The private export condition that leads to the sources. */
const SOURCE_CONDITION = '@ambient/source';

/**
 * The tsup entries of a package, read from its `exports`: a new subpath is one line in package.json and nothing here.
 * @example `{ index: 'src/index.ts', 'isa/index': 'src/isa/index.ts' }`
 */
export function entriesOf(manifest: Manifest): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const target of Object.values(manifest.exports)) {
    if (typeof target === 'string') continue;
    const source = target[SOURCE_CONDITION];
    if (typeof source !== 'string') continue;
    const path = source.replace(/^\.\//, '');
    entries[path.replace(/^src\//, '').replace(/\.ts$/, '')] = path;
  }
  return entries;
}

/**
 * How every package of this repository is built: ESM, CommonJS and types from its `exports`, and the command, where it
 * has one, as a bundle of its own in `dist/cli` (ESM only, no types). `tsup --no-dts` leaves the types out.
 * @param directory the package's directory
 */
export function packageBuild(directory: string): Options[] {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
  const common: Options = { target: 'node20', platform: 'node', sourcemap: true, splitting: true, silent: true };
  const library: Options = {
    ...common,
    entry: entriesOf(manifest),
    format: ['esm', 'cjs'],
    // tsup passes `baseUrl`, which TypeScript 6 calls deprecated.
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    // Both builds run at once: each cleans its own directory only.
    clean: ['!cli/**'],
  };
  if (!existsSync(join(directory, 'src/cli/main.ts'))) return [library];
  const command: Options = {
    ...common,
    entry: { main: 'src/cli/main.ts' },
    outDir: 'dist/cli',
    format: ['esm'],
    dts: false,
    clean: true,
  };
  return [library, command];
}
