import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Options } from 'tsup';
import { absentNode } from './absent-node.ts';

/** The part of a package's manifest that the build follows. */
interface Manifest {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, unknown>>>>;
}

/** Packages that load native code: no browser has them. */
const NATIVE = ['koffi', 'ffi-rs'];

/** The private export condition that leads to the sources. */
const SOURCE_CONDITION = '@ambient/source';

/**
 * The tsup entries of a package, read from its `exports`: a new subpath is one line in package.json and nothing here.
 * @param condition if given, only subpaths that have this export condition beside the sources
 * @example `{ index: 'src/index.ts', 'isa/index': 'src/isa/index.ts' }`
 */
export function entriesOf(manifest: Manifest, condition: string = SOURCE_CONDITION): Record<string, string> {
  const entries: Record<string, string> = {};
  for (const target of Object.values(manifest.exports)) {
    if (typeof target === 'string') continue;
    const source = target[SOURCE_CONDITION];
    if (typeof source !== 'string' || !(condition in target)) continue;
    const path = source.replace(/^\.\//, '');
    entries[path.replace(/^src\//, '').replace(/\.ts$/, '')] = path;
  }
  return entries;
}

/**
 * How every package of this repository is built: ESM, CommonJS and types from its `exports`; the command, where it has one,
 * as a bundle of its own in `dist/cli` (ESM only, no types); and what has the export condition `browser`, in `dist/browser`
 * (ESM only, without Node's modules). `tsup --no-dts` leaves the types out.
 * @param directory the package's directory
 * @param options `processes`: files that the package starts as processes, by their paths below `src` without their ending
 */
export function packageBuild(
  directory: string,
  { processes = [] }: { readonly processes?: readonly string[] } = {},
): Options[] {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) as Manifest;
  const common: Options = { target: 'node20', platform: 'node', sourcemap: true, splitting: true, silent: true };
  const library: Options = {
    ...common,
    entry: entriesOf(manifest),
    format: ['esm', 'cjs'],
    // tsup passes `baseUrl`, which TypeScript 6 calls deprecated.
    dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
    // All builds run at once: each cleans its own directory only.
    clean: ['!cli/**', '!browser/**', ...processes.map((name) => `!${name}.js*`)],
  };
  const separate: Options = { ...common, format: ['esm'], dts: false, clean: true };
  const builds = [library];
  if (existsSync(join(directory, 'src/cli/main.ts'))) {
    builds.push({ ...separate, entry: { main: 'src/cli/main.ts' }, outDir: 'dist/cli' });
  }
  if (processes.length > 0) {
    const entry = Object.fromEntries(processes.map((name) => [name, `src/${name}.ts`]));
    builds.push({ ...separate, entry, clean: false, splitting: false });
  }
  const inBrowsers = entriesOf(manifest, 'browser');
  if (Object.keys(inBrowsers).length > 0) {
    builds.push({
      ...separate,
      entry: inBrowsers,
      outDir: 'dist/browser',
      platform: 'browser',
      target: 'es2022',
      removeNodeProtocol: false,
      noExternal: NATIVE,
      esbuildPlugins: [absentNode(NATIVE)],
    });
  }
  return builds;
}
