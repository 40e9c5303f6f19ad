import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The command that runs a TypeScript file of the project as a process: from the sources, or where `AMBIENT_BUNDLES` names a directory, what was
 * bundled there before (`scripts/bundle-mains.ts`). An emulated machine takes 50 seconds to read all sources, and 2 for a bundle.
 */
export function mainCommand(main: URL): string[] {
  const file = fileURLToPath(main);
  const bundles = process.env['AMBIENT_BUNDLES'];
  if (bundles === undefined) return [process.execPath, '--conditions=@ambient/source', '--import', 'tsx', file];
  return [process.execPath, join(bundles, relative(ROOT, file).replace(/\.ts$/, '.js'))];
}
