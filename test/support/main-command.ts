import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The variable that names the directory of the bundles. */
export const BUNDLES = 'AMBIENT_BUNDLES';

/**
 * The command that runs a file of the project as a process: by its bundle (`scripts/bundle-mains.ts`).
 * @param main a file named `main.ts` or `…-main.ts`, or an example
 */
export function mainCommand(main: URL): [string, string] {
  const bundles = process.env[BUNDLES];
  if (bundles === undefined) throw new Error(`${BUNDLES} is not set: vitest sets it, by test/support/bundles.ts`);
  return [process.execPath, join(bundles, relative(ROOT, fileURLToPath(main)).replace(/\.ts$/, '.js'))];
}
