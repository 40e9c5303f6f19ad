import { build } from 'esbuild';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where files are that run as processes of their own, and how they are told from others. */
const PLACES = { packages: /(^|[/-])main\.ts$/, test: /-main\.ts$/, examples: /(?<!\.test)\.ts$/ };

/** Paths of all that runs as a process of its own, from the project's root. */
function mains(): string[] {
  return Object.entries(PLACES).flatMap(([place, name]) =>
    readdirSync(join(ROOT, place), { recursive: true, encoding: 'utf8' })
      .filter((path) => name.test(path) && !/(^|\/)(node_modules|dist)\//.test(path))
      .map((path) => join(place, path)),
  );
}

/**
 * Bundles all files of the project that run as processes of their own into plain JavaScript: started from the sources, a process spends a second
 * of a processor on reading TypeScript, and on an emulated machine most of a minute.
 * @param directory where the bundles go, each at its own path; what was there is gone. It is below the project's `node_modules`, where what is not
 * bundled is found
 */
export async function bundleMains(directory: string): Promise<void> {
  rmSync(directory, { recursive: true, force: true });
  await build({
    absWorkingDir: ROOT,
    entryPoints: mains(),
    outbase: ROOT,
    outdir: directory,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    conditions: ['@ambient/source'],
    // Native code.
    external: ['koffi', 'ffi-rs'],
    // CommonJS modules ask for Node's own by it.
    banner: { js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);" },
    logLevel: 'error',
  });
  // The commands tell their version by it.
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    const manifest = join('packages', name, 'package.json');
    cpSync(join(ROOT, manifest), join(directory, manifest));
  }
}
