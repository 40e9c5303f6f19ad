import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * The bundle of a file of the project that runs as a process, where `AMBIENT_BUNDLES` names a directory that it was put into before
 * (`scripts/bundle-mains.ts`). An emulated machine takes 50 seconds to read all sources, and 2 for a bundle.
 */
export function bundleOf(main: URL): string | undefined {
  const bundles = process.env['AMBIENT_BUNDLES'];
  if (bundles === undefined) return undefined;
  return join(bundles, relative(ROOT, fileURLToPath(main)).replace(/\.ts$/, '.js'));
}

/** The command that runs a file of the project as a process: its bundle if there is one, or the sources. */
export function mainCommand(main: URL): string[] {
  const bundle = bundleOf(main);
  if (bundle !== undefined) return [process.execPath, bundle];
  return [process.execPath, '--conditions=@ambient/source', '--import', 'tsx', fileURLToPath(main)];
}
